"""A score that says before any training whether equivariant imaging can learn what a scanner does not see."""

import math
from dataclasses import dataclass

from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_count, check_finite, check_number, check_tensor
from eiwork.symmetry.quadrature import Quadrature, lanczos
from eiwork.symmetry.stacked import (
    StackedOperator,
    all_elements,
    draw_elements,
    invisible_part,
    normal_of,
    squared_norm_of,
)

_MAX_STEPS = 120


@dataclass(frozen=True)
class Identifiability:
    """What a group can make visible of the part of a set of images that A loses, see `identifiability`.

    score: in [0, 1]. standard_error: over the images, and over the group elements where they are drawn. bounds: between
    which the score lies for these images and elements, whatever the Lanczos quadrature left out. lost_share: share
    of the energy of the centred images that A loses. n_images, n_elements: what it rests on. steps: products with M.
    """

    score: float
    standard_error: float
    bounds: tuple[float, float]
    lost_share: float
    n_images: int
    n_elements: int
    steps: int


def identifiability(
    physics: LinearPhysics,
    transform: Transform,
    images: Tensor,
    *,
    regularisation: float | int = 1e-3,
    n_elements: int = 32,
    tol: float | int = 1e-3,
    seed: int = 0,
) -> Identifiability:
    """Share of the images' energy lost by A that the group makes visible; the definition is ours.

    Call V(H) = H (H + s)^-1 what an operator with normal matrix H sees at the regularisation s, which is
    `regularisation` times ||A||^2 (1e-3: singular values below 3 % of the largest count as mostly unseen). Let
    n = (I - V(A^T A)) (x - mean) be what A loses of an image, and h(H) = sum of n^T V(H) n over the images. With
    M = mean over g of T_g^T A^T A T_g,

        score = (h(M) - h(A^T A)) / (sum of ||n||^2 - h(A^T A)), and 0 where that is negative.

    It is 0 if the group adds nothing to A, 1 if every lost direction in which images differ is seen by some A T_g. It
    says what can be seen, which is necessary for learning and not sufficient (Tachella, Chen and Davies, JMLR
    2023), and takes for granted that the set of images is invariant.

    transform: the group, with n_trans = 1. All elements of a group of at most `n_elements`; else every image gets
    `n_elements` random ones of its own (`seed`), so that the standard error over images covers both samples. images:
    (n, channel, height, width), n from 2 up, a sample of the set; 16 give a standard error of a few percent for the
    embedded sets. tol: the quadrature goes on until it knows the score to +- tol. `InputError` for unusable values.
    """
    check_tensor(images, "images", (None, None, None, None), "(n, channel, height, width)")
    check_finite(images, "images")
    if len(images) < 2:
        raise InputError("identifiability needs at least 2 images: it is about the ways in which they differ.")
    check_number(regularisation, "regularisation", lambda v: v > 0, "a positive number")
    check_number(tol, "tol", lambda v: v > 0, "a positive number")
    x = images.detach().double()
    x = x - x.mean(dim=0)
    channel, height, width = x.shape[1:]
    shift = regularisation * squared_norm_of(physics, (channel, height, width))
    normal = normal_of(physics)
    lost = invisible_part(x, normal, shift)
    energy = lost.flatten(1).square().sum(dim=1)
    if float(energy.sum()) <= 1e-20 * float(x.square().sum()):
        raise InputError("A loses nothing of these images, so there is nothing for a group to make visible.")
    own = energy - (lost * invisible_part(lost, normal, shift)).flatten(1).sum(dim=1)
    operator = _operator(physics, transform, lost, n_elements, seed)
    room = energy - own

    def gain(quadrature: Quadrature) -> tuple[Tensor, Tensor]:
        below, above = quadrature.inverse_bounds(shift)
        return energy - shift * above - own, energy - shift * below - own

    def known(quadrature: Quadrature) -> bool:
        if quadrature.diagonal.shape[1] % 4:  # looking costs, too
            return False
        low, high = gain(quadrature)
        return float((high - low).sum() / room.sum()) <= 2 * tol

    quadrature = lanczos(operator.normal, lost, _MAX_STEPS, known)
    low, high = gain(quadrature)
    gained = (low + high) / 2
    ratio = float(gained.sum() / room.sum())
    spread = gained - ratio * room
    n = len(x)
    return Identifiability(
        score=min(max(ratio, 0.0), 1.0),
        standard_error=float(spread.std()) / math.sqrt(n) / float(room.mean()),
        bounds=(float(low.sum() / room.sum()), float(high.sum() / room.sum())),
        lost_share=float(energy.sum() / x.square().sum()),
        n_images=n,
        n_elements=len(operator.elements),
        steps=quadrature.diagonal.shape[1],
    )


def _operator(
    physics: LinearPhysics, transform: Transform, x: Float[Tensor, "n c h w"], n_elements: int, seed: int
) -> StackedOperator:
    check_count(n_elements, "n_elements", "")
    height, width = x.shape[-2:]
    elements = all_elements(transform, height, width, n_elements) or draw_elements(transform, x, n_elements, seed)
    return StackedOperator(physics=physics, transform=transform, elements=elements)

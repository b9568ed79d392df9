"""How far a transform on pixels is from an orthogonal one, measured on band-limited images."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.physics.checks import check_count, check_number
from eiwork.symmetry.per_sample import PerSampleTransform
from eiwork.symmetry.quadrature import lanczos
from eiwork.symmetry.stacked import draw_elements


@dataclass(frozen=True)
class InterpolationError:
    """What interpolation costs, see `interpolation_error`.

    departure: the largest ||T_g^T T_g - I|| met. round_trip: mean of ||T_g^-1 T_g x - x|| / ||x||, and its
    standard_error over images and elements. n_elements: how many.
    """

    departure: float
    round_trip: float
    standard_error: float
    n_elements: int


def interpolation_error(
    transform: PerSampleTransform,
    image_size: int = 64,
    *,
    cutoff: float = 0.2,
    n_elements: int = 16,
    steps: int = 40,
    seed: int = 0,
) -> InterpolationError:
    """Measure ||T_g^T T_g - I|| and the loss of going there and back, for random elements of a group.

    Both on random sums of waves of at most `cutoff` cycles per pixel, faded out inside a disc of radius 0.4 sides:
    what leaves the frame is not the interpolation's fault. The norm is that of P (T_g^T T_g - I) P with P the
    projection on `concentrated_basis`, by `steps` of Lanczos from a random start for each element: exact once steps
    reach the dimension of that space (as at small sizes), else from below. transform: the group, with n_trans = 1.
    image_size: side in pixels, from 8 up. cutoff: in (1 / image_size, 0.5). n_elements: random elements, from 2 up,
    each with an image of its own. seed: of elements and images. `InputError` for a value out of range.
    """
    check_count(image_size, "image_size", " of pixels", least=8)
    check_number(cutoff, "cutoff", lambda v: 1 / image_size < v < 0.5, "in (1 / image_size, 0.5) cycles per pixel")
    check_count(n_elements, "n_elements", "", least=2)
    check_count(steps, "steps", "")
    waves = faded_waves(image_size, cutoff)
    basis = concentrated_basis(waves)
    generator = torch.Generator().manual_seed(seed)
    x = _images(_normal((n_elements, waves.shape[1]), generator), waves, image_size)
    start = _normal((n_elements, basis.shape[1]), generator)
    (params,) = draw_elements(transform, x, 1, seed)

    def departure(v: Tensor) -> Tensor:
        image = _images(v, basis, image_size)
        change = transform.adjoint(transform.transform(image, **params), **params) - image
        return change.flatten(1) @ basis

    with torch.no_grad():
        nodes, _ = lanczos(departure, start, steps).nodes_and_weights()
        back = transform.inverse(transform.transform(x, **params), True, **params)
    loss = (back - x).flatten(1).norm(dim=1) / x.flatten(1).norm(dim=1)
    return InterpolationError(
        departure=float(nodes.abs().max()),
        round_trip=float(loss.mean()),
        standard_error=float(loss.std()) / math.sqrt(n_elements),
        n_elements=n_elements,
    )


def faded_waves(image_size: int, cutoff: float) -> Float[Tensor, "pixel wave"]:
    """The waves of `interpolation_error`, cosines and sines, each times the window that fades them out."""
    place = torch.arange(image_size, dtype=torch.float64) - (image_size - 1) / 2
    radius = torch.hypot(place[:, None], place[None]) / (0.4 * image_size)
    window = (1 + torch.cos(math.pi * radius.clamp(max=1))) / 2
    limit = int(cutoff * image_size)
    waves = []
    for row in range(-limit, limit + 1):
        for column in range(limit + 1):
            # One of each pair of opposite frequencies; the other one has the same two waves.
            if math.hypot(row, column) > cutoff * image_size or (column == 0 and row < 0):
                continue
            phase = 2 * math.pi * (row * place[:, None] + column * place[None]) / image_size
            waves.append(window * phase.cos())
            if row or column:
                waves.append(window * phase.sin())
    return torch.stack(waves).flatten(1).T


def concentrated_basis(waves: Float[Tensor, "pixel wave"]) -> Float[Tensor, "pixel dimension"]:
    """Orthonormal basis of what the waves span well: left singular vectors above half the largest singular value.

    Below are images at the very edge of the window, which are faint and no longer band-limited once normalised.
    """
    values, vectors = torch.linalg.eigh(waves.T @ waves)
    kept = values > values[-1] / 4
    return waves @ vectors[:, kept] / values[kept].sqrt()


def _normal(shape: tuple[int, int], generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _images(
    coefficients: Float[Tensor, "n k"], functions: Float[Tensor, "pixel k"], size: int
) -> Float[Tensor, "n 1 size size"]:
    return (coefficients @ functions.T).view(-1, 1, size, size)

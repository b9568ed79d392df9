"""The stacked operator [A T_g]_g: all that a scanner could measure of an image and its transformed versions."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_count, check_number
from eiwork.physics.linear import LinearMap, by_conjugate_gradients
from eiwork.symmetry.per_sample import PerSampleTransform
from eiwork.symmetry.quadrature import lanczos

Params = dict[str, Tensor]

_AT_ONCE = 64
"""Images that are transformed in one call: many small calls cost several times as much as one of this size."""


def group_elements(transform: Transform, height: int, width: int, *, limit: int = 32, seed: int = 0) -> list[Params]:
    """Parameters of group elements, each shared by a whole batch: `transform(x, **params)` is T_g x.

    All elements of a group of at most `limit`, else `limit` independent draws. A transform with a generator of its own
    draws from that, another one from `seed`; PyTorch's default generator is left as it was.
    """
    check_count(limit, "limit", "")
    return all_elements(transform, height, width, limit) or draw_elements(
        transform, torch.zeros(1, 1, height, width), limit, seed
    )


def all_elements(transform: Transform, height: int, width: int, limit: int) -> list[Params] | None:
    """All elements, each shared by a whole batch; None where there are more than `limit`."""
    everything = transform.all_params(height, width) if isinstance(transform, PerSampleTransform) else None
    if everything is None or len(next(iter(everything.values()))) > limit:
        return None
    n = len(next(iter(everything.values())))
    return [{name: p[[k]] for name, p in everything.items()} for k in range(n)]


def draw_elements(transform: Transform, x: Tensor, n: int, seed: int) -> list[Params]:
    """`n` independent draws for the batch x, one element for each image in each draw; one of a transform without any.

    `InputError` for a transform with several versions per image.
    """
    if transform.n_trans != 1:
        raise InputError(
            f"The transform gives {transform.n_trans} versions per image; elements are drawn one at a time: "
            "build it with n_trans=1."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = [transform.get_params(x) for _ in range(n)]
    return drawn if drawn[0] else drawn[:1]


@dataclass(frozen=True, kw_only=True)
class StackedOperator:
    """The operators A T_g of some group elements, one above the other, each divided by the root of their number n.

    If the set of images is invariant, y = A x = (A T_g)(T_g^-1 x) is a measurement of another image of the set by A T_g
    (Chen, Tachella and Davies, ICCV 2021): what none of these operators sees, no training on measurements can learn.
    physics: A. elements: parameters of the n elements of the group `transform` (`group_elements`), each (1,) for one
    element for all images, or (1, batch) for images with elements of their own; `InputError` without any.
    """

    physics: LinearPhysics
    transform: Transform
    elements: list[Params]

    def __post_init__(self) -> None:
        if not self.elements:
            raise InputError("A stacked operator needs at least one group element: take group_elements(...).")

    def measure(self, x: Float[Tensor, "batch c h w"]) -> list[Tensor]:
        """A T_g x / sqrt(n) for each element."""
        scale = len(self.elements) ** -0.5
        return [scale * self.physics.A(self.transform.transform(x, **g)) for g in self.elements]

    def normal(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h w"]:
        """M x with M = mean over g of T_g^T A^T A T_g, by exact adjoints whatever the interpolation."""
        total = torch.zeros_like(x)
        for n, g in self._together(len(x)):
            with torch.enable_grad():
                u = x.detach().requires_grad_()
                turned = self.transform.transform(u.repeat(n, 1, 1, 1), **g)
            with torch.no_grad():
                seen = self.physics.A_adjoint(self.physics.A(turned))
            (pulled,) = torch.autograd.grad(turned, u, seen)
            total += pulled
        return total / len(self.elements)

    def _together(self, batch: int) -> Iterator[tuple[int, Params]]:
        """The elements, several for as many copies of the batch where the transform takes one for each image."""
        several = max(1, _AT_ONCE // batch)
        if several == 1 or not isinstance(self.transform, PerSampleTransform):
            yield from ((1, g) for g in self.elements)
            return
        for start in range(0, len(self.elements), several):
            part = self.elements[start : start + several]
            each = {name: [g[name].reshape(1, -1).expand(1, batch) for g in part] for name in part[0]}
            yield len(part), {name: torch.cat(values, dim=1) for name, values in each.items()}


def visible_part(
    x: Float[Tensor, "batch c h w"], operator: StackedOperator, *, regularisation: float | int = 1e-3
) -> Float[Tensor, "batch c h w"]:
    """What the operators A T_g of a group see together of images: M (M + s)^-1 x with s = regularisation ||A||^2.

    The rest no training on measurements can learn under this group. regularisation: as in `identifiability`. A solve
    that misses its tolerance of 1e-6 warns (`ConvergenceWarning`).
    """
    check_number(regularisation, "regularisation", lambda v: v > 0, "a positive number")
    shift = regularisation * squared_norm_of(operator.physics, tuple(x.shape[1:]))
    return x - invisible_part(x, operator.normal, shift, tol=1e-6)


def invisible_part(
    x: Float[Tensor, "batch c h w"], normal: LinearMap, shift: float, *, tol: float = 1e-12
) -> Float[Tensor, "batch c h w"]:
    """s (H + s)^-1 x: what an operator with B^T B = H loses of images at the regularisation s > 0.

    A direction of singular value sigma is lost by the factor s / (sigma^2 + s): all of it at 0, half of it at sigma^2 =
    s, nearly nothing above. By conjugate gradients in float64 to a relative residual `tol`, returned in the dtype of x;
    a missed tolerance warns (`ConvergenceWarning`). normal: H, symmetric with eigenvalues >= 0. shift: s.
    """
    solve = by_conjugate_gradients(normal, name="The invisible part", max_iter=2000, tol=tol)
    return (shift * solve(x.double(), shift)).to(x)


def normal_of(physics: LinearPhysics) -> LinearMap:
    """x -> A^T A x, without autograd."""

    def normal(x: Tensor) -> Tensor:
        with torch.no_grad():
            return physics.A_adjoint(physics.A(x))

    return normal


def squared_norm_of(physics: LinearPhysics, image_shape: tuple[int, ...]) -> float:
    """||A||^2, from below to about three digits: the largest of 30 Ritz values from a random image."""
    start = torch.randn(1, *image_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    nodes, _ = lanczos(normal_of(physics), start, 30).nodes_and_weights()
    return float(nodes.max())

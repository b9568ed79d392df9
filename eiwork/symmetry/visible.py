"""The visible and the invisible part of an image under an operator, at a stated regularisation."""

import warnings

import torch
from deepinv.optim.linear import conjugate_gradient
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import ConvergenceWarning
from eiwork.physics.checks import check_number
from eiwork.symmetry.quadrature import LinearMap, lanczos
from eiwork.symmetry.stacked import StackedOperator

_MAX_ITER = 2000

Image = Float[Tensor, "batch channel height width"]


def squared_norm_of(physics: LinearPhysics, image_shape: tuple[int, int, int]) -> float:
    """||A||^2, from below to about three digits: the largest of 30 Ritz values from a random image."""
    start = torch.randn(1, *image_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    nodes, _ = lanczos(normal_of(physics), start, 30).nodes_and_weights()
    return float(nodes.max())


def normal_of(physics: LinearPhysics) -> LinearMap:
    """x -> A^T A x, without autograd."""

    def normal(x: Tensor) -> Tensor:
        with torch.no_grad():
            return physics.A_adjoint(physics.A(x))

    return normal


def invisible_part(x: Image, normal: LinearMap, shift: float, *, tol: float = 1e-12) -> Image:
    """s (H + s)^-1 x: what an operator with B^T B = H loses of images at the regularisation s > 0.

    A direction of singular value sigma is lost by the factor s / (sigma^2 + s): all of it at 0, half of it at sigma^2 =
    s, nearly nothing above. By conjugate gradients in float64, returned in the dtype of x.

    Args:
        x: images.
        normal: H, symmetric with eigenvalues >= 0.
        shift: s.
        tol: relative residual of the solve.

    Raises:
        InputError: a shift that is not positive.

    Warns:
        ConvergenceWarning: conjugate gradients missed their tolerance.
    """
    check_number(shift, "shift", lambda v: v > 0, "a positive number")

    def system(u: Tensor) -> Tensor:
        return normal(u) + shift * u

    def norms(u: Tensor) -> Tensor:
        return torch.linalg.vector_norm(u.flatten(1), dim=1).view(-1, 1, 1, 1)

    size = norms(x.double())
    # Unit right-hand sides make the solver's absolute safeguards independent of the data's scale.
    unit = x.double() / torch.where(size > 0, size, 1)
    tiny = torch.finfo(torch.float64).tiny
    with torch.no_grad():
        solution = conjugate_gradient(system, unit, max_iter=_MAX_ITER, tol=tol, eps=tiny)
        residual = float(norms(unit - system(solution)).max())
    # Rounding separates the recursive residual, on which the solver stops, from the true one.
    if not residual <= 10 * tol:
        warnings.warn(
            f"The invisible part is known to a relative residual of {residual:.1e} only, not {tol:.1e}: raise the "
            "regularisation.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return (shift * size * solution).to(x)


def visible_part(
    x: Image, operator: StackedOperator, *, regularisation: float | int = 1e-3
) -> Float[Tensor, "batch channel height width"]:
    """What the operators A T_g of a group see together of images: M (M + s)^-1 x with s = regularisation ||A||^2.

    x minus this is the invisible part, which no training on measurements can learn under this group.

    Args:
        x: images.
        operator: A T_g.
        regularisation: as in `identifiability`.

    Raises:
        InputError: a regularisation that is not positive.

    Warns:
        ConvergenceWarning: the solve missed its tolerance of 1e-6.
    """
    check_number(regularisation, "regularisation", lambda v: v > 0, "a positive number")
    channel, height, width = x.shape[1:]
    shift = regularisation * squared_norm_of(operator.physics, (channel, height, width))
    return x - invisible_part(x, operator.normal, shift, tol=1e-6)

"""Momentum for any iteration."""

from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.state import State, as_tuple
from eiwork.models.iterations.base import Iteration

Image = Float[Tensor, "batch channel height width"]


class Inertial(nn.Module):
    """(z, z_previous) -> (F(z + beta (z - z_previous)), z): any iteration F with momentum beta.

    The fixed point is (z, z) with z = F(z), the base iteration's, whatever beta: the reconstruction and its implicit
    gradient are the same, and beta is a setting, not a parameter, because no loss of the equilibrium depends on it.
    An eigenvalue a of the Jacobian of F becomes the two roots of r^2 - a (1 + beta) r + a beta = 0. For real a in
    [0, q] the spectral radius falls from q to s = 1 - sqrt(1 - q) at the best momentum, s / (2 - s); for negative a
    the pair is stable above -1 / (1 + 2 beta) only.

    iteration: F, such as ProximalGradient(denoiser); a tuple state such as ADMM's has twice its parts.
    momentum: beta in (0, 1). Raises InputError otherwise.
    Source: Nesterov, Soviet Math. Dokl. 27 (1983); momentum in a DEQ: i-DEQ, arXiv 2605.19705.
    """

    def __init__(self, iteration: nn.Module, momentum: float | int = 0.5) -> None:
        super().__init__()
        if not isinstance(iteration, Iteration):
            raise InputError(
                f"Inertial takes an iteration such as ProximalGradient(denoiser), which {type(iteration).__name__} is "
                "not: it needs start, image and state_from. Wrap a denoiser: Inertial(ProximalGradient(denoiser))."
            )
        if not 0 < momentum < 1:
            raise InputError(
                f"Inertial(momentum={momentum}): must lie between 0 and 1, both excluded; without momentum, use the "
                "iteration itself."
            )
        self.iterate: Iteration = iteration
        self.momentum = float(momentum)

    def forward(self, z: tuple[Tensor, ...], y: Tensor, physics: LinearPhysics) -> tuple[Tensor, ...]:
        """One application of F at the extrapolated state."""
        current, previous = z[: len(z) // 2], z[len(z) // 2 :]
        ahead = tuple(now + self.momentum * (now - before) for now, before in zip(current, previous, strict=True))
        return (*as_tuple(self.iterate(_state(ahead), y, physics)), *current)

    def start(self, y: Tensor, physics: LinearPhysics) -> tuple[Tensor, ...]:
        """The start of F, at rest."""
        return as_tuple(self.iterate.start(y, physics)) * 2

    def image(self, z: tuple[Tensor, ...]) -> Image:
        """The image of the current state."""
        return self.iterate.image(_state(z[: len(z) // 2]))

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> tuple[Tensor, ...]:
        """The state of F with image x, at rest."""
        return as_tuple(self.iterate.state_from(x, y, physics)) * 2


def _state(parts: tuple[Tensor, ...]) -> State:
    """A state of one part is a tensor."""
    return parts[0] if len(parts) == 1 else parts

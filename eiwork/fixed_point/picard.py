"""Picard iteration: z <- (1 - damping) z + damping f(z)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point.certificate import sigma_from_rate
from eiwork.fixed_point.solver import FixedPointSolver, Progress, check_damping
from eiwork.fixed_point.state import Flat


@dataclass(frozen=True, kw_only=True)
class Picard(FixedPointSolver):
    """Plain (damping = 1) or damped fixed-point iteration; converges linearly when the map contracts.

    damping: weight of f(z) in (0, 1]. Raises InputError outside that range. Source: Banach (1922); damped form:
    Krasnoselskii (1955).
    """

    damping: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_damping(self, self.damping)

    def propose(self, progress: Progress) -> tuple[Flat, None]:
        """A step of length `damping` along the residual."""
        if self.damping == 1.0:
            return progress.fz, None
        return progress.z + self.damping * (progress.fz - progress.z), None

    def sigma_min(self, progress: Progress) -> Float[Tensor, " batch"]:
        """One minus the rate of contraction, the stretch of I - J along the slowest mode of the iteration."""
        return progress.residual.new_tensor(sigma_from_rate(progress.trace, self.tol, self.damping))

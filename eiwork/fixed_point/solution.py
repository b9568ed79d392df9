"""What a fixed-point solve returns."""

from dataclasses import dataclass, field

from jaxtyping import Bool, Float, Int
from torch import Tensor

from eiwork.fixed_point.state import State


@dataclass(frozen=True)
class Solution:
    """The outcome of solving z = f(z).

    value: the best iterate, a tensor or tuple like z0.
    converged: (batch,) whether the sample reached the tolerance.
    residual: (batch,) relative residual ||f(z) - z|| / ||f(z)|| at `value`.
    n_evaluations: how often f was evaluated. evaluations: (batch,) how often until the sample stopped.
    trace: relative residual (batch,) after each evaluation, in order.
    sigma_min, error_bound: (batch,) estimates of sigma_min(I - J) and of ||z - z*|| / ||z*||, as in `Report`; None
    if the solver gives none.
    """

    value: State
    converged: Bool[Tensor, " batch"]
    residual: Float[Tensor, " batch"]
    n_evaluations: int
    trace: list[Float[Tensor, " batch"]] = field(repr=False)
    evaluations: Int[Tensor, " batch"]
    sigma_min: Float[Tensor, " batch"] | None = None
    error_bound: Float[Tensor, " batch"] | None = None

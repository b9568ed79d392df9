"""The iteration as a map of the state alone, for a batch of measurements or for some of its samples."""

from deepinv.physics import LinearPhysics
from torch import Tensor

from eiwork.fixed_point.state import State
from eiwork.models.iterations import Iteration


class BatchMap:
    """z -> F(z, y) with y and the physics fixed; `select` gives the map of some samples of the batch.

    Solvers use `select` to leave samples that have converged out of further evaluations. It is there only if all
    samples see the same operator: a physics that may hold one parameter a sample (any tensor whose first axis is as
    long as the batch) is always evaluated for all, unless it says `same_for_all_samples` (as tomography does, which
    may well have as many views as the batch has samples).
    """

    def __init__(self, iterate: Iteration, y: Tensor, physics: LinearPhysics) -> None:
        self.iterate, self.y, self.physics = iterate, y, physics
        tensors = (*physics.parameters(), *physics.buffers())
        several = len(y) > 1 and any(t.ndim > 0 and len(t) == len(y) for t in tensors)
        self.separable = not several or bool(getattr(physics, "same_for_all_samples", False))

    def __call__(self, z: State) -> State:
        """One application of F."""
        return self.iterate(z, self.y, self.physics)

    def select(self, indices: Tensor) -> "BatchMap | None":
        """The map of the given samples; None if the operator may differ between samples."""
        return BatchMap(self.iterate, self.y[indices], self.physics) if self.separable else None

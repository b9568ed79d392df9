"""A trained DEQ that finds a fixed point for every scan: its own, or that of a milder operator near it."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import ConvergenceError, ConvergenceWarning, InputError
from eiwork.fixed_point import Solution
from eiwork.fixed_point.solve import publish_solution
from eiwork.fixed_point.state import State, as_tuple, rows_of
from eiwork.models.attempt import attempt, attempt_and_tell
from eiwork.models.batch_map import BatchMap
from eiwork.models.blended import Blended
from eiwork.models.deq import DEQ

Image = Float[Tensor, "batch channel height width"]
WEIGHTS = (1.0, 0.9, 0.8, 0.6, 0.4, 0.2, 0.0)
"""Of the trained operator, tried one after the other."""


@dataclass(frozen=True, kw_only=True)
class GuardedSolution(Solution):
    """A solution, and `weights`: (batch,) the share of the trained operator in the one whose fixed point it is."""

    weights: Float[Tensor, " batch"]


class GuardedDEQ(nn.Module):
    """Reconstruct with a trained DEQ, and with a milder operator where it does not converge.

    A DEQ is trained to contract on scans like those it has seen. On others (stronger noise, fewer measurements) F may
    expand, and the solve ends without a fixed point. Then D is replaced by `Blended(D, w)` for falling weights w, for
    those samples alone, each attempt from where the last one ended. With w = 0 no trained part is left, and F, a data
    step after a shrinkage, is a contraction: every sample has a fixed point, and says of which operator (`solve`).
    A sample that the trained operator solves is reconstructed by it, unchanged.

    model: a DEQ whose iteration has a `denoiser`. weights: falling from 1, each in [0, 1]. Evaluations of all attempts
    count. Reconstructs without gradients: train the DEQ itself. Raises InputError for a model of another kind, other
    weights, or a y that asks for gradients; warns (ConvergenceWarning), or raises ConvergenceError where the
    solver is to, if the last attempt fails too.
    The blend, and the search for its weight, are ours.
    """

    def __init__(self, model: nn.Module, weights: Sequence[float | int] = WEIGHTS) -> None:
        super().__init__()
        if not isinstance(model, DEQ) or not isinstance(getattr(model.iterate, "denoiser", None), nn.Module):
            raise InputError(
                f"GuardedDEQ guards a DEQ whose iteration has a denoiser, such as ProximalGradient(denoiser); "
                f"{type(model).__name__} is none."
            )
        falling = all(a > b for a, b in pairwise(weights))
        if not weights or weights[0] != 1 or not falling or weights[-1] < 0:
            raise InputError(f"weights={tuple(weights)}: they must fall from 1 and stay in [0, 1].")
        self.model, self.weights = model, tuple(map(float, weights))

    def forward(self, y: Tensor, physics: LinearPhysics, z0: State | None = None) -> Image:
        """The reconstruction (batch, channel, height, width) of measurements y; z0 is an optional warm start."""
        if torch.is_grad_enabled() and y.requires_grad:
            raise InputError(
                "GuardedDEQ reconstructs without gradients: differentiate the DEQ inside, `.model`."
            )
        return self.model.iterate.image(self.solve(y, physics, z0).value)

    @torch.no_grad()
    def solve(self, y: Tensor, physics: LinearPhysics, z0: State | None = None) -> GuardedSolution:
        """The fixed points with one report over all attempts, and the weight of each sample."""
        everything = left = torch.arange(y.shape[0], device=y.device)
        separable = BatchMap(self.model.iterate, y, physics).separable
        found, start = None, z0
        for weight in self.weights:
            model = self.model if weight == 1 else self._with(weight)
            chosen, rows = (left, everything[: len(left)]) if separable else (everything, left)
            tried, cut_short = attempt_and_tell(model, y[chosen], physics, start)
            if found is None:
                found = GuardedSolution(**vars(tried), weights=torch.ones_like(tried.residual))
            else:
                found = _merged(found, tried, left, rows, weight)
            if cut_short and separable:
                found = self._each_alone(model, weight, y, physics, found)
            left = torch.nonzero(~found.converged).flatten()
            if len(left) == 0:
                break
            start = rows_of(found.value, left if separable else everything)
        assert found is not None
        self._report(found)
        return found

    def _each_alone(
        self, model: DEQ, weight: float, y: Tensor, physics: LinearPhysics, found: GuardedSolution
    ) -> GuardedSolution:
        """Go on with the unsolved samples one by one, so that one that is not finite ends none but its own attempt."""
        for sample in torch.nonzero(~found.converged):
            alone = attempt(model, y[sample], physics, rows_of(found.value, sample))
            found = _merged(found, alone, sample, torch.zeros_like(sample), weight)
        return found

    def _report(self, found: GuardedSolution) -> None:
        solver = self.model.solver
        publish_solution(found, solver)
        n_lost = int((~found.converged).sum())
        if not n_lost:
            return
        message = (
            f"{n_lost} of {len(found.converged)} samples have no fixed point within reach, even with weight "
            f"{self.weights[-1]:g} of the trained operator: residual {float(found.residual.max()):.1e}, tolerance "
            f"{solver.tol:.1e}. Raise the solver's max_iter, or let the weights end with 0."
        )
        if solver.on_failure == "raise":
            raise ConvergenceError(message, found)
        warnings.warn(message, ConvergenceWarning, stacklevel=3)

    def _with(self, weight: float) -> DEQ:
        """A copy of the DEQ with the blended denoiser."""
        iteration = copy.deepcopy(self.model.iterate)
        assert isinstance(iteration, nn.Module)
        iteration.set_submodule("denoiser", Blended(iteration.get_submodule("denoiser"), weight))
        return DEQ(iteration, self.model.solver)


def _merged(
    old: GuardedSolution, new: Solution, samples: Tensor, rows: Tensor, weight: float
) -> GuardedSolution:
    """`old` with its `samples` replaced by `rows` of a further attempt; the others rest while it lasts."""

    def put(before: Tensor, after: Tensor) -> Tensor:
        return before.index_copy(0, samples, after[rows])

    def put_if_known(before: Tensor | None, after: Tensor | None) -> Tensor | None:
        return None if before is None or after is None else put(before, after)

    parts = tuple(put(a, b) for a, b in zip(as_tuple(old.value), as_tuple(new.value), strict=True))
    return GuardedSolution(
        value=parts[0] if isinstance(old.value, Tensor) else parts,
        converged=put(old.converged, new.converged),
        residual=put(old.residual, new.residual),
        n_evaluations=old.n_evaluations + new.n_evaluations,
        trace=old.trace + [put(old.residual, residual) for residual in new.trace],
        sigma_min=put_if_known(old.sigma_min, new.sigma_min),
        error_bound=put_if_known(old.error_bound, new.error_bound),
        weights=put(old.weights, torch.full_like(old.weights[: len(new.converged)], weight)),
    )

"""What several attempts to find a fixed point, one after the other, have found."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point import Solution
from eiwork.fixed_point.state import as_tuple


@dataclass(frozen=True, kw_only=True)
class GuardedSolution(Solution):
    """A solution, and of which operator it is.

    weights: (batch,) the share of the trained operator in the one whose fixed point it is. evaluations: (batch,) those
    of each scan, over all of its attempts; `n_evaluations` is the most of them.
    """

    weights: Float[Tensor, " batch"]


def first_attempt(tried: Solution) -> GuardedSolution:
    """What the trained operator found."""
    return GuardedSolution(**vars(tried), weights=torch.ones_like(tried.residual))


def merged(old: GuardedSolution, new: Solution, samples: Tensor, rows: Tensor, weight: float) -> GuardedSolution:
    """`old` with its `samples` replaced by `rows` of a further attempt, which goes on where their last one ended."""

    def put(before: Tensor, after: Tensor) -> Tensor:
        return before.index_copy(0, samples, after[rows])

    def put_if_known(before: Tensor | None, after: Tensor | None) -> Tensor | None:
        return None if before is None or after is None else put(before, after)

    tried = torch.stack(new.trace)[:, rows]
    evaluations = old.evaluations.index_add(0, samples, new.evaluations[rows])
    parts = tuple(put(a, b) for a, b in zip(as_tuple(old.value), as_tuple(new.value), strict=True))
    return GuardedSolution(
        value=parts[0] if isinstance(old.value, Tensor) else parts,
        converged=put(old.converged, new.converged),
        residual=put(old.residual, new.residual),
        n_evaluations=int(evaluations.max()),
        trace=_traces(old, tried, samples, int(evaluations.max())),
        sigma_min=put_if_known(old.sigma_min, new.sigma_min),
        error_bound=put_if_known(old.error_bound, new.error_bound),
        weights=put(old.weights, torch.full_like(old.weights[: len(new.converged)], weight)),
        evaluations=evaluations,
    )


def _traces(old: GuardedSolution, tried: Float[Tensor, "n some"], samples: Tensor, length: int) -> list[Tensor]:
    """The residuals of all attempts of each sample, one after the other, and its last one until `length`."""
    trace = torch.stack([*old.trace, *[old.trace[-1]] * max(0, length - len(old.trace))])
    for column, sample in enumerate(samples.tolist()):
        begin = int(old.evaluations[sample])
        end = begin + min(len(tried), length - begin)
        trace[begin:end, sample] = tried[: end - begin, column]
        trace[end:, sample] = tried[-1, column]
    return list(trace.unbind())

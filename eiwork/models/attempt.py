"""A solve that may fail, and says so in its solution alone."""

import warnings

from deepinv.physics import LinearPhysics
from torch import Tensor

from eiwork.errors import ConvergenceError, ConvergenceWarning
from eiwork.fixed_point import Solution
from eiwork.fixed_point.record import unrecorded
from eiwork.fixed_point.state import State
from eiwork.models.deq import DEQ


def attempt(model: DEQ, y: Tensor, physics: LinearPhysics, start: State | None) -> Solution:
    """The solution of a DEQ from `start`, converged or not: no warning, no report, no error where the solve fails.

    Where a value was not finite it is the best finite one before. Raises ConvergenceError where there is none.
    """
    return attempt_and_tell(model, y, physics, start)[0]


def attempt_and_tell(model: DEQ, y: Tensor, physics: LinearPhysics, start: State | None) -> tuple[Solution, bool]:
    """As `attempt`, and whether it was cut short by a value that was not finite, for the whole batch."""
    with warnings.catch_warnings(), unrecorded():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return model.solve(y, physics, start), False
        except ConvergenceError as error:
            if not isinstance(error.solution, Solution):
                raise
            return error.solution, True

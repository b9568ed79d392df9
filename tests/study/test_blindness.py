"""Self-supervised training is blind to ground truth; supervised training is not."""

import pytest
import torch

from eiwork.errors import ConvergenceError
from eiwork_study.blindness import weights_after


def not_a_number(x):
    return torch.full_like(x, float("nan"))


@pytest.mark.parametrize("method", ["ei", "mc", "ei-scan"])
def test_destroyed_truth_changes_no_bit(small_grid, method):
    (task,) = small_grid(methods=(method,))
    assert torch.equal(weights_after(task.recipe, 2), weights_after(task.recipe, 2, not_a_number))


def test_steps_change_the_weights(small_grid):
    (task,) = small_grid(methods=("ei",))
    assert not torch.equal(weights_after(task.recipe, 1), weights_after(task.recipe, 2))


@pytest.mark.filterwarnings("ignore::eiwork.ConvergenceWarning")
def test_supervised_training_uses_the_truth(small_grid):
    (task,) = small_grid(methods=("supervised",))
    plain = weights_after(task.recipe, 2)
    assert torch.equal(plain, weights_after(task.recipe, 2, lambda x: x))
    assert not torch.equal(plain, weights_after(task.recipe, 2, lambda x: x.roll(1, 0)))
    with pytest.raises(ConvergenceError, match="not finite"):
        weights_after(task.recipe, 1, not_a_number)

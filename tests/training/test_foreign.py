"""Foreign scans: what they are, and that the penalty holds back what fails on them and nothing else."""

import os
import signal

import pytest
import torch
from eiwork.training.build import build_physics
from eiwork.training.foreign import ForeignScans, foreign_penalty
from eiwork.training.settings import ForeignScansSettings
from torch import nn

from eiwork import Anderson
from eiwork.models import DEQ, ProximalGradient
from eiwork.training import load_checkpoint, train

CPU = torch.device("cpu")


class Gain(nn.Module):
    """D(x) = gain * x: in the null space of A it is all that F does."""

    def __init__(self, gain):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, x):
        return self.gain * x


def scans_of(recipe, **settings):
    return ForeignScans(recipe, ForeignScansSettings(**settings), CPU)


def images(recipe):
    return torch.rand(3, recipe.channels, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("data", "samplings"), [("ct", [6, 4, 9]), ("mri", [4, 4, 2, 6]), ("natural", None)])
def test_other_operators_have_other_sampling_and_other_masks(data, samplings, plain_recipe):
    recipe = plain_recipe(data)
    operators = scans_of(recipe, sampling=(0.6, 1.5)).operators
    own = build_physics(recipe.physics, 16)
    if data == "ct":
        assert [p.A(images(recipe)).shape[-1] for p in operators] == samplings
        return
    masks = [p.mask.reshape(-1, 16, 16)[0] for p in operators]
    assert torch.equal(masks[0], own.mask.reshape(-1, 16, 16)[0])
    assert not torch.equal(masks[1], masks[0]), "the same sampling rate with another mask"
    measured = [float(mask.mean()) for mask in masks]
    assert measured[1] == measured[0]
    assert measured[2] == pytest.approx(0.6 * measured[0], rel=0.2)
    assert measured[3] == pytest.approx(1.5 * measured[0], rel=0.2)


def test_scans_follow_from_the_random_state_and_hold_leaves_and_moved_images(plain_recipe):
    recipe = plain_recipe("natural", physics={"kind": "inpainting", "keep": 1.0})
    x = torch.ones(2, 1, 16, 16)

    def drawn(leaves):
        torch.manual_seed(3)
        return scans_of(recipe, leaves=leaves, sampling=(), max_noise=0.0, scans=6).draw(x)[0]

    assert torch.equal(drawn(0.5), drawn(0.5))
    assert drawn(1.0).shape == (6, 1, 16, 16)
    assert float(drawn(1.0).std(dim=(1, 2, 3)).min()) > 0.05, "leaves have contrast"
    assert float(drawn(0.0)[:, :, 6:10, 6:10].std()) < 0.05, "a flat image, turned and shifted, is flat inside"
    flat = (drawn(0.5)[:, :, 6:10, 6:10].std(dim=(1, 2, 3)) < 0.05).sum()
    assert 0 < flat < 6


def test_noise_lies_between_the_recipes_and_the_largest_and_the_trainings_operator_keeps_its_own(
    plain_recipe,
):
    recipe = plain_recipe("ct", physics__noise_sigma=0.01)
    scans = scans_of(recipe, max_noise=0.04)
    torch.manual_seed(0)
    levels = [float(scans.draw(images(recipe))[1].noise_model.sigma) for _ in range(20)]
    assert 0.01 <= min(levels) < 0.02
    assert 0.03 < max(levels) <= 0.04
    assert float(build_physics(recipe.physics, 16).noise_model.sigma) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("gain", "evaluations", "failed", "expected"),
    [(1.2, 1, 4, 0.3**2), (0.5, 1, 4, 0.0), (1.2, 30, 0, 0.0)],
    ids=["unsolved and expanding", "unsolved and contracting", "solved in time"],
)
def test_what_is_not_solved_in_time_is_penalised_for_its_expansion(gain, evaluations, failed, expected, plain_recipe):
    recipe = plain_recipe("mri")
    model = DEQ(ProximalGradient(Gain(gain)), Anderson(tol=1e-6))
    torch.manual_seed(0)
    penalty, n_failed = foreign_penalty(model, images(recipe), scans_of(recipe, evaluations=evaluations))
    assert n_failed == failed
    # F = gain (I - A^T A) up to a constant: its norm is the gain.
    assert float(penalty.detach()) == pytest.approx(expected, rel=1e-4, abs=1e-12)
    if expected:
        penalty.backward()
        assert float(model.iterate.denoiser.gain.grad) == pytest.approx(2 * 0.3, rel=1e-4)


def test_it_searches_the_krylov_space_of_the_contraction_it_is_a_part_of(plain_recipe):
    def penalty(krylov_size):
        recipe = plain_recipe("mri", contraction={"krylov_size": krylov_size})
        model = DEQ(ProximalGradient(Gain(1.2)), Anderson(tol=1e-6))
        torch.manual_seed(0)
        return float(foreign_penalty(model, images(recipe), scans_of(recipe, evaluations=1))[0].detach())

    assert penalty(8) == pytest.approx(0.3**2, rel=1e-4)
    assert penalty(1) < 0.5 * penalty(8), "a random direction lies partly where F is constant"


def test_it_changes_a_training_is_in_its_history_and_resumes_bit_for_bit(plain_recipe, tmp_path):
    def press_ctrl_c(step, **values):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    recipe = plain_recipe("mri", contraction={"foreign": {"evaluations": 1, "target": 0.1, "weight": 10.0}})
    whole = train(recipe, tmp_path / "whole", device="cpu", progress=False)
    without = train(plain_recipe("mri"), tmp_path / "without", device="cpu", progress=False)
    assert whole.history[-1]["foreign_unconverged"] == 4
    assert "foreign_unconverged" not in without.history[-1]
    stopped = train(recipe, tmp_path / "parts", device="cpu", progress=False, on_step=press_ctrl_c)
    assert stopped.interrupted
    resumed = train(recipe, tmp_path / "parts", device="cpu", progress=False, resume=True)

    def weights(result):
        return load_checkpoint(result.checkpoint).model().state_dict()

    one, two, plain = weights(whole), weights(resumed), weights(without)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], plain[name]) for name in one)

"""Training: what changes weights, what must not, and resuming bit for bit."""

import json
import os
import signal
from functools import partial

import pytest
import torch
from eiwork.training.trainer import _prepare

from eiwork.errors import CheckpointError, ConvergenceError, InputError
from eiwork.training import load_checkpoint, recipes, train
from eiwork.training.step import learning_rate, train_step

# For tests that compare weights, states and errors: no bar, and no evaluation at the end.
quietly = partial(train, device="cpu", progress=False, measure=False)


def weights(result):
    return load_checkpoint(result.checkpoint).weights


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_trains_and_its_checkpoint_loads(name, small_recipe, tmp_path):
    recipe = small_recipe(name)
    result = train(recipe, tmp_path, device="cpu", progress=False)
    assert not result.interrupted
    checkpoint = load_checkpoint(result.checkpoint)
    assert checkpoint.recipe == recipe
    assert checkpoint.card["step"] == 4
    assert {"psnr", "ssim"} <= result.metrics["model"].keys()
    assert [entry["step"] for entry in result.history] == [2, 4]
    assert not checkpoint.model().training


def test_same_seed_same_bits_other_seed_other_weights(small_recipe, tmp_path):
    runs = [weights(quietly(small_recipe(seed=seed), tmp_path / name)) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_the_callers_random_state_neither_matters_nor_changes(small_recipe, tmp_path):
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    first = weights(quietly(small_recipe(), tmp_path / "a"))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(7)
    assert same(first, weights(quietly(small_recipe(), tmp_path / "b")))


def test_ctrl_c_leaves_a_checkpoint_and_resuming_equals_no_interruption(small_recipe, tmp_path):
    def press_ctrl_c(step, **values):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    whole = quietly(small_recipe(), tmp_path / "whole")
    stopped = train(small_recipe(), tmp_path / "parts", device="cpu", progress=False, on_step=press_ctrl_c)
    assert stopped.interrupted
    assert load_checkpoint(stopped.checkpoint).card["step"] == 2
    assert not same(weights(stopped), weights(whole))
    resumed = quietly(small_recipe(), tmp_path / "parts", resume=True)
    assert not resumed.interrupted
    assert same(weights(resumed), weights(whole))
    assert [e["step"] for e in resumed.history] == [e["step"] for e in whole.history]
    assert [e["loss"] for e in resumed.history] == [e["loss"] for e in whole.history]


CHEAPER = {
    "warm start": {"model__warm_start": {"budget_mib": 1.0}},
    "small cache": {"model__warm_start": {"budget_mib": 0.005, "dtype": "float32"}},
    "EI warm start": {"loss__warm_start": True},
    "tolerance schedule": {"model__tolerance_schedule": {"start": 0.5, "end": 0.1}},
    "mixed precision": {"model__mixed_precision": True},
}


@pytest.mark.parametrize("option", CHEAPER)
def test_a_cheaper_step_does_something_and_its_loss_is_that_of_the_plain_step(option, small_recipe):
    # 12 images in batches of 4: from the fourth step on, samples come back.
    runs = []
    plain = {"loss__warm_start": False, "optimiser__batch_size": 4}
    for fields in (plain, plain | CHEAPER[option]):
        state, context, _ = _prepare(small_recipe(**fields), torch.device("cpu"))
        losses = [train_step(state, context)["loss"] for _ in range(4)]
        runs.append((losses, dict(state.model.state_dict())))
    assert not same(runs[0][1], runs[1][1])
    assert runs[1][0] == pytest.approx(runs[0][0], rel=0.05)


def test_cheaper_steps_resume_bit_for_bit(small_recipe, tmp_path):
    def press_ctrl_c(step, **values):
        if step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    together = {key: value for fields in CHEAPER.values() for key, value in fields.items()}
    recipe = small_recipe(steps=8, monitor_every=8, optimiser__batch_size=4, **together)
    whole = quietly(recipe, tmp_path / "whole")
    stopped = train(recipe, tmp_path / "parts", device="cpu", progress=False, on_step=press_ctrl_c)
    assert stopped.interrupted
    resumed = quietly(recipe, tmp_path / "parts", resume=True)
    assert same(weights(resumed), weights(whole))
    assert resumed.history[-1]["tol_forward"] == whole.history[-1]["tol_forward"]


def test_the_schedule_and_its_estimates_are_in_the_history(small_recipe, tmp_path):
    recipe = small_recipe(model__tolerance_schedule={"start": 0.5, "end": 0.01})
    result = quietly(recipe, tmp_path)
    first, last = result.history[0], result.history[-1]
    assert {"tol_forward", "tol_adjoint", "adjoint_error", "forward_error"} <= last.keys()
    assert (first["tol_forward"], first["tol_adjoint"]) != (last["tol_forward"], last["tol_adjoint"])


def test_a_state_from_before_an_option_existed_still_resumes(small_recipe, tmp_path):
    quietly(small_recipe(), tmp_path)
    path = tmp_path / "state.json"
    card = json.loads(path.read_text())
    for option in ("warm_start", "tolerance_schedule", "mixed_precision", "compiled"):
        del card["recipe"]["model"][option]
    path.write_text(json.dumps(card))
    assert not quietly(small_recipe(), tmp_path, resume=True).interrupted


def test_held_out_images_do_not_influence_a_training(small_recipe, tmp_path):
    rarely = quietly(small_recipe(monitor_every=4), tmp_path / "a")
    often = quietly(small_recipe(monitor_every=1), tmp_path / "b")
    assert len(often.history) == 4 > len(rarely.history)
    assert same(weights(rarely), weights(often))


@pytest.fixture(scope="module")
def plain_weights(small_recipe, tmp_path_factory):
    """Those of the small recipe as it is."""
    folder = tmp_path_factory.mktemp("plain")
    return weights(quietly(small_recipe(), folder))


@pytest.mark.parametrize(
    "override",
    [
        {"loss__ei_weight": 3.0},
        {"loss__group": ("reflection",)},
        {"contraction__target": 0.2},
        {"optimiser__ema": 0.0},
        {"optimiser__clip": 1e-4},
        {"optimiser__learning_rate": 1e-4},
        {"physics__noise_sigma": 0.01},
        {"data__seed": 5},
        {"model__tol": 1e-1},
        {"model__iteration__shrinkage": 0.3},
        {"model__gradient__tol": 0.9},
    ],
    ids=str,
)
def test_every_setting_changes_the_weights(override, plain_weights, small_recipe, tmp_path):
    changed = quietly(small_recipe(**override), tmp_path)
    assert not same(plain_weights, weights(changed))


def test_self_supervised_training_never_sees_ground_truth(small_recipe):
    from eiwork.training import build_physics
    from eiwork.training.measurements import training_set

    for name, sees in (("ct-ei-deq", False), ("ct-mc-deq", False), ("ct-supervised-deq", True)):
        recipe = small_recipe(name)
        physics = build_physics(recipe.physics, recipe.data.image_size)
        assert (training_set(recipe, physics).x is not None) is sees


def test_the_learning_rate_falls_to_zero_on_a_cosine(small_recipe):
    recipe = small_recipe(steps=100, optimiser__warmup=0)
    rates = [learning_rate(recipe, step) for step in (0, 50, 100)]
    assert rates[0] == recipe.optimiser.learning_rate
    assert rates[1] == pytest.approx(rates[0] / 2)
    assert rates[2] == pytest.approx(0, abs=1e-18)


def test_an_occupied_folder_is_not_overwritten(small_recipe, tmp_path):
    quietly(small_recipe(), tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="already holds a training"):
        quietly(small_recipe(seed=9), tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_resuming_needs_a_training_of_the_same_recipe(small_recipe, tmp_path):
    with pytest.raises(CheckpointError, match="no training to resume"):
        quietly(small_recipe(), tmp_path / "empty", resume=True)
    quietly(small_recipe(), tmp_path / "full")
    with pytest.raises(CheckpointError, match="seed, steps differ"):
        quietly(small_recipe(steps=8, seed=1), tmp_path / "full", resume=True)


def test_a_truncated_state_is_refused(small_recipe, tmp_path):
    quietly(small_recipe(), tmp_path)
    name = json.loads((tmp_path / "state.json").read_text())["tensors"]
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-100])
    with pytest.raises(CheckpointError, match="truncated"):
        quietly(small_recipe(), tmp_path, resume=True)


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_touched(small_recipe, tmp_path, monkeypatch):
    import eiwork.training.step as step_module

    def infinite(*arguments, **options):
        return torch.tensor(float("inf")), torch.tensor([1.0])

    monkeypatch.setattr(step_module, "sampled_penalty", infinite)
    with pytest.raises(ConvergenceError, match="not finite at step 0"):
        quietly(small_recipe(), tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.filterwarnings("ignore::eiwork.errors.ConvergenceWarning")
def test_an_iteration_that_runs_away_ends_the_training_before_the_weights_are_touched(small_recipe):
    state, context, _ = _prepare(small_recipe(), torch.device("cpu"))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.add_(0.65 * torch.randn_like(parameter))
    before = [parameter.clone() for parameter in state.model.parameters()]
    with pytest.raises(ConvergenceError, match=r"run away at step 0: .*RMS of .*Lower optimiser\.learning_rate"):
        train_step(state, context)
    assert state.step == 0
    assert all(torch.equal(a, b) for a, b in zip(before, state.model.parameters(), strict=True))


def test_cuda_where_there_is_none_is_one_clear_error(small_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="--device cuda needs CUDA"):
        quietly(small_recipe(), tmp_path / "x", device="cuda")
    assert not (tmp_path / "x").exists()


def test_an_unwritable_output_folder_is_found_before_training(small_recipe, tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(CheckpointError, match="file"):
        quietly(small_recipe(), file / "run")

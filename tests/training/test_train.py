"""Training a recipe: what changes weights, what must not, and resuming bit for bit."""

import json

import pytest
import torch

import eiwork.training.contraction
from eiwork.errors import CheckpointError, ConvergenceError
from eiwork.training import load_checkpoint, recipes
from eiwork.training.measurements import training_set
from eiwork.training.optimiser import Optimiser
from eiwork.training.step import train_step


def weights(run):
    return load_checkpoint(run.checkpoint).weights


def no_step(step, **values):
    pytest.fail("a step was done")


@pytest.fixture(scope="module")
def plain(small_recipe, quietly, tmp_path_factory):
    """The run of the small recipe as it is."""
    return quietly(small_recipe(), tmp_path_factory.mktemp("plain"))


# Every method on one problem, and every problem by one method.
@pytest.mark.parametrize("name", [name for name in recipes() if name.startswith("inpainting") or name[-6:] == "ei-deq"])
def test_recipes_train_and_their_checkpoints_load(name, small_recipe, quietly, same, tmp_path):
    cheaper = {"model__steps": 3} if name.endswith("unrolled") else {"model__solver__tol": 0.05}
    recipe = small_recipe(name, monitor_every=4, data__n=3, **cheaper)
    # A method that must not see the ground truth is not given it.
    assert (training_set(recipe, recipe.build_physics()).x is not None) is ("supervised" in name)
    run = quietly(recipe, tmp_path)
    assert not run.interrupted
    checkpoint = load_checkpoint(run.checkpoint)
    assert checkpoint.recipe == recipe
    assert (checkpoint.card["step"], checkpoint.card["history"]) == (4, run.history)
    assert [entry["step"] for entry in run.history] == [4]
    assert {"loss", "held_out_psnr", "held_out_ssim", "held_out_misfit"} <= run.history[0].keys()
    loaded = checkpoint.model()
    assert not loaded.training | run.model.training
    assert same(loaded.state_dict(), run.model.state_dict())


def test_the_seed_alone_decides(plain, small_recipe, quietly, same):
    again, other = (quietly(small_recipe(seed=seed)).model.state_dict() for seed in (0, 1))
    assert same(weights(plain), again)
    assert not same(weights(plain), other)


def test_held_out_images_do_not_influence_a_training(plain, small_recipe, quietly, same):
    often = quietly(small_recipe(monitor_every=1))
    assert len(often.history) == 4 > len(plain.history)
    assert 0 < plain.history[0]["seconds"] < plain.history[1]["seconds"]
    assert same(often.model.state_dict(), weights(plain))


def test_evaluations_are_counted_and_added_up(small_recipe, quietly):
    free = quietly(small_recipe(model__gradient={"kind": "JacobianFree"}, monitor_every=1)).history
    sums = [sum(entry["n_forward"] for entry in free[: n + 1]) for n in range(4)]
    assert [entry["total_forward"] for entry in free] == sums
    # EI calls the DEQ twice a step, and each call has one tracked evaluation and no adjoint solve.
    assert [entry["total_tracked"] for entry in free] == [2, 4, 6, 8]
    assert "total_adjoint" not in free[-1]
    implicit = quietly(small_recipe(monitor_every=1)).history
    assert implicit[-1]["total_adjoint"] == sum(entry["n_adjoint"] for entry in implicit) > 0
    phantom = small_recipe(steps=1, model__gradient={"kind": "Phantom", "steps": 3})
    assert quietly(phantom).history[0]["n_tracked"] == 6
    unrolled = quietly(small_recipe("inpainting-ei-unrolled", model__steps=3)).history
    assert unrolled[-1]["total_tracked"] == 3 * 2 * 4


def test_the_learning_rate_rises_and_falls_to_zero_on_a_cosine():
    optimiser = Optimiser(learning_rate=0.2, warmup=0)
    assert [optimiser.rate(step, 100) for step in (0, 50, 100)] == pytest.approx([0.2, 0.1, 0.0])
    warm = Optimiser(learning_rate=0.2, warmup=10)
    assert [warm.rate(step, 10**6) for step in (0, 4, 9, 10)] == pytest.approx([0.02, 0.1, 0.2, 0.2])


def test_the_weights_kept_are_an_average_that_forgets_the_start(small_recipe, prepare):
    state, context = prepare(small_recipe(optimiser__ema=0.5))
    name = "iterate.denoiser.network.0.weight"
    expected = state.average[name].clone()
    for decay in (2 / 11, 3 / 12, 4 / 13):
        train_step(state, context)
        expected = decay * expected + (1 - decay) * state.model.state_dict()[name]
    torch.testing.assert_close(state.average[name], expected)


def test_a_folder_takes_one_training_and_resuming_is_of_the_same(plain, small_recipe, quietly, tmp_path):
    folder, before = plain.checkpoint.parent, plain.checkpoint.read_bytes()
    changed = small_recipe(contraction__target=0.5, loss__weight=2.0, optimiser__clip=1.0)
    for recipe, output, resume, match in (
        (small_recipe(seed=9), folder, False, "already holds a training: continue it with resume"),
        (small_recipe(), tmp_path / "empty", True, "no training to resume"),
        (small_recipe(steps=8, seed=1), folder, True, "another training: data, seed, steps differ"),
        (changed, folder, True, "contraction, loss, optimiser differ"),
    ):
        with pytest.raises(CheckpointError, match=match):
            quietly(recipe, output, resume=resume, on_step=no_step)
    assert plain.checkpoint.read_bytes() == before


def test_a_damaged_state_is_refused(small_recipe, quietly, tmp_path):
    quietly(small_recipe(steps=1), tmp_path)
    card = tmp_path / "state.json"
    name = json.loads(card.read_text())["tensors"]
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-100])
    with pytest.raises(CheckpointError, match=r"state-0000001.safetensors does not match.*truncated"):
        quietly(small_recipe(steps=1), tmp_path, resume=True)
    card.write_text(card.read_text().replace("eiwork-training-state-2", "eiwork-training-state-1"))
    with pytest.raises(CheckpointError, match="state-1, and not of eiwork-training-state-2"):
        quietly(small_recipe(steps=1), tmp_path, resume=True)


@pytest.mark.filterwarnings("ignore::eiwork.errors.ConvergenceWarning")
@pytest.mark.parametrize(
    ("wrong", "match"), [("loss", "not finite at step 0"), ("iteration", r"run away at step 0: .*RMS of")]
)
def test_what_goes_wrong_stops_short_of_the_weights(wrong, match, small_recipe, prepare, same, monkeypatch):
    if wrong == "loss":
        infinite = torch.tensor(float("inf"), requires_grad=True), torch.tensor([1.0])
        monkeypatch.setattr(eiwork.training.contraction, "contraction_penalty", lambda *_: infinite)
    state, context = prepare(small_recipe("ct-ei-deq"))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.add_((0.5 if wrong == "iteration" else 0.0) * torch.randn_like(parameter))
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    with pytest.raises(ConvergenceError, match=f"{match}.*Lower learning_rate"):
        train_step(state, context)
    assert state.step == 0
    assert same(state.model.state_dict(), before)

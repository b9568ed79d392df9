"""The grid: every task once, with the recipe it says."""

import pickle

import pytest
import torch
from eiwork.training.build import build_model

from eiwork.analysis import dense_jacobian
from eiwork.errors import InputError
from eiwork.figures.comparison import wrapped
from eiwork.models import InputConvexPotential
from eiwork.training import recipes, shipped
from eiwork_study import CLASSICAL, CORE_METHODS, CORE_PROBLEMS, grid, method_recipe, methods, problems
from eiwork_study.ablation import PREFIX, REFERENCE, STEPS, ablations, in_words
from eiwork_study.methods import applies, oracle, title, zero
from eiwork_study.task import TOLERANCE


def test_the_core_table_is_three_problems_by_six_methods_by_three_seeds():
    tasks = grid(CORE_PROBLEMS, CORE_METHODS, range(3))
    assert len(tasks) == len({task.name for task in tasks}) == 3 * 6 * 3
    assert [task.seed for task in tasks] == sorted(task.seed for task in tasks)
    assert all(task.recipe.seed == task.seed for task in tasks)


def test_the_catalogue_has_the_last_word_on_a_recipe():
    assert method_recipe("ct", "supervised") == recipes()["ct-supervised-deq"]
    assert method_recipe("ct", "ei") == recipes()["ct-ei-deq"]


@pytest.mark.parametrize("method", [m for m in methods() if m not in CLASSICAL and not m.startswith(PREFIX)])
def test_every_trained_method_differs_from_the_base_in_something(method):
    # A noisy problem, for robust EI; catalogue or derived, the recipe must be valid.
    for problem in problems():
        if not applies(problem, method):
            continue
        recipe, base = method_recipe(problem, method), method_recipe(problem, "ei")
        assert recipe.physics == base.physics
        assert (recipe == base) == (method == "ei")
        assert title(method)


@pytest.mark.parametrize("method", ["ei", "supervised", "ei-cycle", "ei-cycle-scan"])
def test_a_long_training_is_the_same_with_twice_the_steps(method):
    short, long = method_recipe("ct", method), method_recipe("ct", f"{method}-long")
    assert long.steps == 2 * short.steps
    unchanged = {"name": short.name, "summary": short.summary, "steps": short.steps}
    assert long.with_overrides(**unchanged) == short.with_overrides(gradient_probe_every=None)
    assert oracle(f"{method}-long") == "supervised-long"


def test_there_are_many_ablations_and_each_changes_something():
    assert len(ablations()) >= 12
    for problem in CORE_PROBLEMS:
        base = method_recipe(problem, "ei").model_dump()
        usable = [name for name in ablations() if applies(problem, f"{PREFIX}{name}")]
        assert len(usable) >= 12
        plain = {"name": "", "summary": ""}
        recipes = {name: method_recipe(problem, f"{PREFIX}{name}").model_dump() | plain for name in usable}
        reference = recipes.pop(REFERENCE)
        assert reference == base | plain | {"steps": STEPS, "gradient_probe_every": None}
        assert all(recipe != reference and recipe["steps"] == STEPS for recipe in recipes.values())


def test_the_word_ablation_stands_for_all_of_them():
    found = {task.method for task in grid(["mri"], ["ablation", "ei"], [0])}
    assert "ei" in found
    assert len(found) > 12


def test_methods_without_training_run_once_where_there_is_no_noise():
    base = method_recipe("mri", "ei")
    tasks = grid(["mri"], ["inverse"], [0, 1])
    noisy = grid(["mri"], ["inverse"], [0, 1], {"physics__noise_sigma": 0.1})
    assert len(tasks) == (1 if base.physics.noise_sigma == 0 else 2)
    assert len(noisy) == 2


def test_filtered_backprojection_is_left_out_where_there_are_no_views():
    assert [task.problem for task in grid(["ct", "mri"], ["fbp"], [0])] == ["ct"]
    with pytest.raises(InputError, match="for tomography"):
        grid(["mri"], ["fbp"], [0])


def test_a_task_travels():
    (task,) = grid(["mri"], ["ei"], [3], {"steps": 7})
    assert pickle.loads(pickle.dumps(task)) == task
    assert task.steps == 7


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((["pet"], ["ei"], [0]), "no problem 'pet'"),
        ((["ct"], ["magic"], [0]), "no method 'magic'"),
        ((["ct"], ["ablation-magic"], [0]), "no method 'ablation-magic'"),
        ((["ct"], ["ei"], []), "at least one seed"),
    ],
)
def test_unknown_names_are_told(arguments, match):
    with pytest.raises(InputError, match=match):
        grid(*arguments)


def test_the_noisy_methods_keep_the_settings_of_the_base():
    for problem in ("ct-noisy", "mri-noisy"):
        base = method_recipe(problem, "ei").loss
        for method in ("robust-ei", "recorrupted-ei"):
            loss = method_recipe(problem, method).loss
            assert loss.method == method.replace("-", "_")
            assert (loss.group, loss.ei_weight, loss.whitening, loss.warm_start) == (
                base.group,
                base.ei_weight,
                base.whitening,
                base.warm_start,
            )
    assert method_recipe("mri-noisy", "recorrupted-ei").loss.cycle_weight > 0


def test_a_null_gain_is_all_that_its_method_adds_to_the_cycle():
    with_gain, cycle = method_recipe("ct", "ei-cycle-gain"), method_recipe("ct", "ei-cycle")
    assert with_gain.loss.null_gain > 1 == cycle.loss.null_gain
    same = {"name": cycle.name, "summary": cycle.summary, "loss__null_gain": 1.0}
    assert with_gain.with_overrides(**same) == cycle


@pytest.mark.parametrize(("method", "plain"), [("ei-scan", "ei"), ("ei-cycle-scan", "ei-cycle")])
def test_training_on_the_scans_changes_the_data_alone(method, plain):
    on_scan, elsewhere = method_recipe("ct", method), method_recipe("ct", plain)
    assert (on_scan.data.split, elsewhere.data.split) == ("test", "train")
    names = {"name": elsewhere.name, "summary": elsewhere.summary}
    back = on_scan.with_overrides(**names, data=elsewhere.data, gradient_probe_every=100)
    assert back == elsewhere.with_overrides(gradient_probe_every=100)


def test_precise_solves_are_those_of_the_evaluation_and_change_nothing_else():
    precise, cycle = method_recipe("ct", "ei-cycle-precise"), method_recipe("ct", "ei-cycle")
    assert precise.model.tol == TOLERANCE < cycle.model.tol
    same = {"name": cycle.name, "summary": cycle.summary, "model__tol": cycle.model.tol}
    assert precise.with_overrides(**same, model__max_iter=cycle.model.max_iter) == cycle


@pytest.mark.parametrize(("problem", "slower"), [("ct", 1), ("mri", 1), ("inpainting", 2)])
def test_training_on_random_images_changes_the_data_of_the_oracle_alone_and_its_rate_on_leaves(problem, slower):
    synthetic, oracle = method_recipe(problem, "synthetic"), method_recipe(problem, "supervised")
    assert synthetic.data.split == "synthetic"
    assert synthetic.data.n_train == oracle.data.n_train
    names = {"name": oracle.name, "summary": oracle.summary}
    rate = synthetic.optimiser.learning_rate * slower
    back = synthetic.with_overrides(**names, data=oracle.data, gradient_probe_every=100, optimiser__learning_rate=rate)
    assert back == oracle.with_overrides(gradient_probe_every=100)


def test_half_the_scans_are_every_other_one():
    half, whole = method_recipe("ct", "ei-cycle-half-scan"), method_recipe("ct", "ei-cycle-scan")
    names = {"name": whole.name, "summary": whole.summary}
    assert half.with_overrides(**names, data__every=1) == whole != half.with_overrides(**names)


def test_adapting_is_a_short_training_on_the_scans_from_the_shipped_model():
    adapted, whole = method_recipe("ct", "ei-cycle-adapted"), method_recipe("ct", "ei-cycle-scan")
    assert adapted.start == "ct-ei-cycle-deq"
    assert adapted.steps < whole.steps / 2
    assert (adapted.data, adapted.loss, adapted.model) == (whole.data, whole.loss, whole.model)
    with pytest.raises(InputError, match="no trained model 'inpainting-ei-cycle-deq'"):
        method_recipe("inpainting", "ei-cycle-adapted")


@pytest.mark.parametrize(
    ("method", "plain"),
    [
        ("supervised-synthetic", "supervised"),
        ("synthetic-continued", "synthetic"),
        ("ei-cycle-synthetic", "ei-cycle"),
        ("ei-cycle-synthetic-adapted", "ei-cycle-scan"),
        ("ei-cycle-synthetic-steady", "ei-cycle-steady"),
    ],
)
def test_trainings_after_random_bodies_are_short_and_begin_with_their_model(method, plain):
    after, whole = method_recipe("ct", method), method_recipe("ct", plain)
    assert after.start == method_recipe("ct", "synthetic").name
    assert after.steps < whole.steps / 2
    assert after.model.tol == TOLERANCE < whole.model.tol
    after = after.with_overrides(model=whole.model)
    parts = ("data", "loss", "model", "contraction", "seed")
    assert [getattr(after, part) for part in parts] == [getattr(whole, part) for part in parts]


def test_a_seed_begins_with_the_start_of_that_seed_where_there_is_one(monkeypatch):
    monkeypatch.setattr(shipped, "starts", lambda: ["ct-synthetic-deq", "ct-synthetic-deq-1"])
    tasks = grid(["ct"], ["ei-synthetic", "ei"], [0, 1, 2])
    begun = {(task.method, task.seed): task.recipe.start for task in tasks}
    assert [begun["ei-synthetic", seed] for seed in range(3)] == [
        "ct-synthetic-deq",
        "ct-synthetic-deq-1",
        "ct-synthetic-deq",
    ]
    assert [begun["ei", seed] for seed in range(3)] == [None] * 3
    assert [task.recipe.seed for task in tasks] == [task.seed for task in tasks]


@pytest.mark.parametrize("method", ["ei-cycle", "supervised"])
def test_a_continued_training_differs_from_that_after_random_bodies_in_its_start_alone(method):
    continued, after = (method_recipe("mri", f"{method}-{how}") for how in ("continued", "synthetic"))
    assert continued.start == f"mri-{method}-deq"
    names = {"name": after.name, "summary": after.summary}
    assert continued.with_overrides(**names, start=after.start) == after
    with pytest.raises(InputError, match=f"no trained model 'inpainting-{method}-deq'"):
        method_recipe("inpainting", f"{method}-continued")


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("ei-cycle", "supervised"),
        ("synthetic", "supervised"),
        ("ei-cycle-adapted", "supervised"),
        ("ei-cycle-continued", "supervised-continued"),
        ("ei-cycle-synthetic", "supervised-synthetic"),
        ("ei-cycle-synthetic-adapted", "supervised-synthetic"),
        ("supervised-synthetic", "supervised-synthetic"),
    ],
)
def test_the_oracle_begins_where_the_method_does_and_has_as_many_steps(method, expected):
    assert oracle(method) == expected
    assert method_recipe("ct", expected).loss.method == "supervised"


@pytest.mark.parametrize("method", methods())
def test_titles_fit_the_two_lines_of_a_row_in_a_figure(method):
    assert wrapped(title(method)).count("\n") <= 1


def test_the_strong_cycle_has_the_weight_and_the_contraction_of_mri():
    strong, cycle, mri = (
        method_recipe(*task) for task in (("ct", "ei-cycle-strong"), ("ct", "ei-cycle"), ("mri", "ei-cycle"))
    )
    assert strong.loss == cycle.loss.model_copy(update={"ei_weight": mri.loss.ei_weight})
    assert strong.contraction == mri.contraction != cycle.contraction
    with pytest.raises(InputError, match="already"):
        method_recipe("mri", "ei-cycle-strong")


@pytest.mark.parametrize(
    ("problem", "method", "plain"),
    [
        ("ct", "ei-stopped", "ei"),
        ("mri", "ei-stopped-jfb", "ei-jfb"),
        ("ct", "ei-cycle-stopped", "ei-cycle"),
        ("mri", "ei-stopped-steady", "ei-steady"),
        ("mri-noisy", "robust-ei-stopped", "robust-ei"),
    ],
)
def test_a_stopped_gradient_is_all_that_a_stopped_method_changes(problem, method, plain):
    stopped, before = method_recipe(problem, method), method_recipe(problem, plain)
    assert stopped.loss.stop_gradient
    same = {"name": before.name, "summary": before.summary, "loss__stop_gradient": False}
    assert stopped.with_overrides(**same) == before


def test_a_convex_method_has_a_proximal_map_by_construction():
    recipe = method_recipe("mri", "ei-convex")
    assert recipe.loss == method_recipe("mri", "ei").loss
    denoiser = build_model(recipe).iterate.denoiser
    assert isinstance(denoiser, InputConvexPotential)
    j = dense_jacobian(denoiser, torch.rand(1, 2, 4, 4)).double()
    assert float((j - j.mT).abs().max()) < 1e-6
    assert float(torch.linalg.eigvalsh(j).min()) > 0


def test_names_in_words_keep_their_numbers():
    assert in_words("measurement-cycle-20") == "measurement cycle 20"
    assert in_words("jfb-learning-rate-8e-3") == "jfb learning rate 8e-3"
    assert title("ablation-three-elements") == "EI DEQ, three elements"


def test_gap_closure_counts_from_a_linear_reconstruction_that_noise_does_not_ruin():
    assert {problem: zero(problem) for problem in ("ct", "mri-noisy", "mri-coils", "of somebody else")} == {
        "ct": "inverse",
        "mri-noisy": "inverse",
        "mri-coils": "cg-sense",
        "of somebody else": "inverse",
    }
    with pytest.raises(InputError, match="several coils"):
        method_recipe("mri", "cg-sense")

"""Methods and variants: what each changes, and that the committed runs are of them."""

from itertools import combinations

import pytest

from eiwork import results
from eiwork.errors import InputError
from eiwork.results.runs import TITLES, label_of
from eiwork.training import recipes
from eiwork_study.methods import METHODS, SHORT_STEPS, VARIANTS, applies, method_recipe, start_name, variant_of
from eiwork_study.problems import PROBLEMS
from eiwork_study.task import TOLERANCE, differing_settings


def test_there_are_at_most_fourteen_methods_and_all_have_titles():
    assert len(METHODS) <= 14
    assert [(method.name, method.title) for method in METHODS.values()] == list(TITLES.items())


def test_every_committed_run_has_the_recipe_that_its_method_would_train_with():
    for run in results.committed():
        recipe = method_recipe(run.problem, run.method, start=run.start, variant=run.variant, seed=run.seed)
        assert differing_settings(recipe, run.recipe) == [], f"{run.problem}/{run.label}-{run.seed}"


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_study_and_the_catalogue_train_alike(problem):
    names = {method: f"{method}-deq" for method in ("supervised", "ei", "mc", "ei-cycle")}
    for method, name in (names | {"ei-jfb": "ei-deq-jfb", "ei-unrolled": "ei-unrolled"}).items():
        written = recipes()[f"{problem}-{name}"].model_dump(mode="json")
        assert differing_settings(method_recipe(problem, method), written) == []


@pytest.mark.parametrize("problem", PROBLEMS)
def test_everything_trained_changes_something(problem):
    made, physics = {}, method_recipe(problem, "ei").physics
    trainings = [
        (method.name, start, variant)
        for method in METHODS.values()
        for variant in (None, *(v.name for v in VARIANTS if method.name in v.methods))
        for start in (None, "bodies")
        if method.trained and applies(problem, method.name, start=start, variant=variant)
    ]
    for method, start, variant in trainings:
        recipe, label = method_recipe(problem, method, start=start, variant=variant), label_of(method, start, variant)
        made[label] = recipe.with_overrides(name="", summary="")
        assert recipe.physics == physics
        assert recipe.name == f"{problem}-{label}"
        assert recipe.steps == SHORT_STEPS or not (variant or "").startswith("short")
    # Where the base is as tight already, these two are one.
    made.pop("ei+short-measurement-cycle-tight-contraction", None)
    assert len(made) > 30
    assert [(a, b) for a, b in combinations(made, 2) if made[a] == made[b]] == []


def test_what_differs_from_the_whole_training_is_one_change():
    whole, short = method_recipe("ct", "ei"), method_recipe("ct", "ei", variant="short")
    assert differing_settings(whole, short.model_dump(mode="json")) == ["steps"]
    assert variant_of("ei", "short") is not variant_of("robust-ei", "short")
    for seed in (0, 2):
        after, whole = (method_recipe("mri", "ei-cycle", start=start, seed=seed) for start in ("bodies", None))
        assert after.start == start_name("mri", seed)
        assert after.steps < whole.steps / 2
        assert after.model.solver.tol == TOLERANCE < whole.model.solver.tol
        assert (after.loss, after.data, after.seed) == (whole.loss, whole.data, seed)
    alone, oracle = (method_recipe("mri", "supervised", variant=v) for v in ("bodies-alone", None))
    assert differing_settings(alone, oracle.model_dump(mode="json")) == ["data.kind"]


def test_robust_training_keeps_the_settings_of_the_base():
    for problem in ("ct-noisy", "mri-noisy"):
        base, robust = (method_recipe(problem, method).loss for method in ("ei", "robust-ei"))
        assert (robust.fit.kind, robust.fit.whitening) == ("Sure", base.fit.whitening)
        assert robust.fit.sigma == method_recipe(problem, "ei").physics.noise_sigma
        assert (robust.group, robust.weight) == (base.group, base.weight)
        twice = method_recipe(problem, "robust-ei", variant="recorrupted").loss
        assert (twice.kind, twice.loss.fit, twice.loss.group) == ("Recorrupted", base.fit, base.group)
        assert twice.loss.cycle > 0


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"problem": "pet", "method": "ei"}, "no problem 'pet': choose from ct"),
        ({"problem": "ct", "method": "magic"}, "no method 'magic': the nearest of 12 .*methods.md has them all"),
        ({"problem": "mri", "method": "fbp"}, "for tomography"),
        ({"problem": "mri", "method": "cg-sense"}, "several coils"),
        ({"problem": "ct", "method": "ei", "start": "stars"}, "no start 'stars'"),
        ({"problem": "ct", "method": "tv", "start": "bodies"}, "nothing to train"),
        ({"problem": "ct", "method": "ei", "start": "bodies", "variant": "short"}, "from random weights"),
        ({"problem": "ct", "method": "mc", "variant": "noise-free"}, "'mc' has no variant 'noise-free'"),
        ({"problem": "mri", "method": "ei", "variant": "short-no-whitening"}, "changes nothing"),
        ({"problem": "mri", "method": "ei", "variant": "short-penalty-0.05"}, "does not apply"),
    ],
)
def test_what_does_not_apply_is_told(arguments, match):
    with pytest.raises(InputError, match=match):
        method_recipe(**arguments)

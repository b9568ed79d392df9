"""Recipes of format 1 in format 2."""

import pytest

from eiwork.training import Recipe
from eiwork_study.migrate import converted_recipe, new_identity

OLD = {
    "name": "ct-ei-deq",
    "summary": "A summary.",
    "data": {"name": "ct"},
    "physics": {"kind": "tomography", "n_views": 8, "noise_sigma": 0.01},
    "model": {"iteration": {"network": "blocks", "depth": 6}, "kind": "deq"},
    "loss": {"method": "robust_ei", "ei_weight": 0.3, "group": ["quarter_turns", "shift"]},
}


def test_what_was_not_written_has_the_default_of_then():
    recipe = Recipe.parse(converted_recipe(OLD))
    assert recipe.model.iteration.kind == "ProximalGradient"
    assert recipe.model.iteration.denoiser.blocks == 2
    assert (recipe.model.solver.tol, recipe.model.gradient.solver.tol) == (1e-3, 1e-2)
    assert (recipe.steps, recipe.optimiser.learning_rate, recipe.optimiser.scalar_rate) == (1000, 2e-3, 1.0)
    assert (recipe.loss.fit.kind, recipe.loss.fit.sigma, recipe.loss.weight) == ("Sure", 0.01, 0.3)
    assert [part.kind for part in recipe.loss.group] == ["Rotation", "Shift"]
    assert recipe.contraction is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pretraining": {"steps": 3}}, "pretraining is gone"),
        ({"data": {"name": "ct", "split": "test"}}, "on the scans of the test, is gone"),
        ({"loss": {"method": "splitting"}}, "'splitting' is gone"),
        ({"loss": {"n_elements": 3}}, "n_elements=3 is gone"),
        ({"model": {"kind": "deq", "compiled": True}}, r"model\.compiled is gone"),
        ({"contraction": {"foreign": {"scans": 4}}}, "foreign is gone"),
    ],
)
def test_what_format_2_has_not_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        converted_recipe(OLD | change)


def test_starts_and_variants_leave_the_name():
    assert new_identity("ei-cycle-synthetic") == ("ei-cycle", None, "bodies")
    assert new_identity("ei-stopped") == ("ei", "stopped-gradient", None)
    assert new_identity("ablation-shifts") == ("ei", "short-shifts", None)
    assert new_identity("splitting") is None

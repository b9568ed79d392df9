"""The iteration of a recipe: chosen by its kind, built as described, refused where a setting does not apply."""

import pytest
import torch
from eiwork.training.build import build_model, build_physics

from eiwork.errors import RecipeError
from eiwork.models import ADMM, GradientDescent, HalfQuadraticSplitting, Inertial, ProximalGradient
from eiwork.training import Recipe, get_recipe, load_shipped, shipped_checkpoints


def with_iteration(name="mri-ei-deq", **settings):
    settings = {"width": 4, "depth": 2} | settings
    return get_recipe(name).with_overrides(model__iteration=settings)


@pytest.mark.parametrize(
    ("settings", "kind", "numbers"),
    [
        ({}, ProximalGradient, {"data_step.log_step": 1.0}),
        (
            {"kind": "half_quadratic_splitting", "penalty": 0.2},
            HalfQuadraticSplitting,
            {"data_step.log_penalty": 0.2},
        ),
        ({"kind": "admm", "penalty": 0.3}, ADMM, {"data_step.log_penalty": 0.3}),
        (
            {"kind": "gradient_descent", "step_size": 0.4, "weight": 0.7},
            GradientDescent,
            {"log_step": 0.4, "log_weight": 0.7},
        ),
    ],
)
def test_the_kind_chooses_the_iteration_and_its_numbers(settings, kind, numbers):
    recipe = with_iteration(**settings)
    assert Recipe.parse(recipe.model_dump(mode="json")) == recipe
    model = build_model(recipe)
    assert type(model.iterate) is kind
    learnt = dict(model.iterate.named_parameters())
    for name, value in numbers.items():
        assert learnt[name].exp().item() == pytest.approx(value)
    inertial = build_model(with_iteration(**settings, momentum=0.25))
    assert type(inertial.iterate) is Inertial
    assert type(inertial.iterate.iterate) is kind
    assert inertial.iterate.momentum == 0.25
    physics = build_physics(recipe.physics, 16)
    assert model(physics.A(torch.rand(1, 2, 16, 16)), physics).shape == (1, 2, 16, 16)


def test_the_choice_of_iteration_draws_the_same_weights():
    states = []
    for kind in ("proximal_gradient", "admm"):
        torch.manual_seed(3)
        states.append(build_model(with_iteration(kind=kind)).iterate.denoiser.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(states[0].values(), states[1].values(), strict=True))


def test_an_unrolled_network_takes_any_iteration():
    recipe = get_recipe("mri-ei-unrolled").with_overrides(
        model__iteration={"kind": "admm", "width": 4, "depth": 2}, model__steps=2
    )
    model = build_model(recipe)
    physics = build_physics(recipe.physics, 16)
    assert isinstance(model.iterate, ADMM)
    assert model(physics.A(torch.rand(1, 2, 16, 16)), physics).shape == (1, 2, 16, 16)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"kind": "admm", "data_step": {"kind": "gradient"}}, "data_step"),
        ({"kind": "proximal_gradient", "penalty": 0.1}, "penalty"),
        ({"kind": "half_quadratic_splitting", "weight": 0.1}, "weight"),
        ({"kind": "gradient_descent", "step_size": 0.0}, "step_size"),
        ({"kind": "admm", "penalty": -1.0}, "penalty"),
        ({"kind": "admm", "momentum": 1.0}, "momentum"),
        ({"kind": "newton"}, "newton"),
    ],
)
def test_a_setting_that_does_not_apply_is_named(settings, match):
    with pytest.raises(RecipeError, match=match):
        with_iteration(**settings)


def test_recipes_from_before_the_choice_are_proximal_gradient_descent():
    recipe = with_iteration("ct-ei-deq")
    values = recipe.model_dump(mode="json")
    assert values["model"]["iteration"].pop("kind") == "proximal_gradient"
    del values["model"]["iteration"]["momentum"]
    assert Recipe.parse(values) == recipe


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_shipped_models_are_those_of_their_recipes(name):
    checkpoint = load_shipped(name)
    recipe, kinds = (
        checkpoint.recipe,
        {
            "proximal_gradient": ProximalGradient,
            "half_quadratic_splitting": HalfQuadraticSplitting,
        },
    )
    assert recipe.name == name
    assert checkpoint.card["step"] == recipe.steps
    assert isinstance(checkpoint.model().iterate, kinds[recipe.model.iteration.kind])
    assert checkpoint.card["metrics"]["model"]["converged_share"] == 1.0
    assert checkpoint.card["metrics"]["model"]["max_nfe"] < 60

"""Recipes: validated, immutable, made of the constructors' own signatures, and every wrong field is named."""

import json

import pytest
import torch
from torch import nn

from eiwork import data, fixed_point
from eiwork.errors import RecipeError
from eiwork.losses import EI, Fit, Recorrupted
from eiwork.symmetry import Composition, Reflection, Rotation
from eiwork.training import Contraction, Optimiser, Recipe, get_recipe, load_shipped, recipes, shipped_checkpoints
from eiwork.training.measurements import clean_images, training_set
from eiwork.training.parts import PARTS, parse_part, settings_of


def test_every_recipe_survives_json_and_builds_what_it_describes():
    assert len(recipes()) == 36
    for name, recipe in recipes().items():
        assert recipe.name == name
        assert recipe.summary.endswith(".")
        assert Recipe.parse(json.loads(json.dumps(recipe.model_dump(mode="json")))) == recipe
        physics, model = recipe.with_overrides(data__image_size=16).build_physics(), recipe.build_model()
        assert (physics.noise_model.sigma > 0, type(model).__name__) == (True, recipe.model.kind)
        assert type(model.iterate).__name__ == recipe.model.iteration.kind
        assert type(recipe.build_loss()).__name__ == recipe.loss.kind


@pytest.mark.parametrize("problem", ["ct", "mri", "inpainting", "ct-noisy", "mri-noisy", "mri-coils"])
def test_the_methods_of_a_problem_differ_in_the_method_alone(problem):
    base, *others = (
        get_recipe(f"{problem}-{ending}").model_dump()
        for ending in ("ei-deq", "supervised-deq", "mc-deq", "ei-cycle-deq", "ei-deq-jfb", "ei-unrolled")
    )
    methods = ({"loss", "contraction"}, {"loss"}, {"loss"}, {"model"}, {"model", "contraction"})
    for other, method in zip(others, methods, strict=True):
        differing = {key for key in base if base[key] != other[key]}
        assert differing | {"contraction"} == {"name", "summary", "contraction"} | method
        assert other["model"]["iteration"] == base["model"]["iteration"]


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_shipped_models_are_those_of_their_recipes(name):
    checkpoint = load_shipped(name)
    recipe = checkpoint.recipe
    assert recipe.name == name
    assert checkpoint.card["step"] == recipe.steps
    assert type(checkpoint.model().iterate).__name__ == recipe.model.iteration.kind
    if recipe.data.kind == "scans":  # the others are there to begin with
        assert checkpoint.card["metrics"]["model"]["converged_share"] == 1.0
        assert checkpoint.card["metrics"]["model"]["max_nfe"] < 60
    # Of the others the catalogue names none: they begin with random images, or are there to begin with.
    assert name in recipes() or "synthetic" in name or "noise-free" in name
    if name in recipes():
        assert recipe == get_recipe(name).with_overrides(start=recipe.start, steps=recipe.steps, seed=recipe.seed)


def test_a_model_follows_from_the_seed_alone_and_every_iteration_has_the_same_weights(same):
    recipe = get_recipe("mri-ei-deq")
    admm = {"kind": "ADMM", "denoiser": recipe.model.iteration.denoiser.model_dump()}
    state = torch.random.get_rng_state()
    first, again, other = (
        r.build_model().iterate.denoiser.state_dict()
        for r in (recipe, recipe.with_overrides(model__iteration=admm), recipe.with_overrides(seed=1))
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert same(first, again)
    assert not same(first, other)


CNN = {"kind": "ResidualCNN", "width": 4, "depth": 2}
NEEDED = {  # what a constructor has no default for
    "tomography": {"n_views": 5},
    "DEQ": {"iteration": {"kind": "ADMM", "denoiser": CNN}},
    "UnrolledNetwork": {"iteration": {"kind": "GradientDescent", "denoiser": CNN}},
    "Sure": {"sigma": 0.1},
    "EI": {"group": [{"kind": "Shift"}]},
    "Recorrupted": {"loss": {"kind": "Fit"}},
} | {name: {"denoiser": CNN} for name in ("ProximalGradient", "HalfQuadraticSplitting", "ADMM", "GradientDescent")}


@pytest.mark.parametrize(("role", "target"), [(r, t) for r, targets in PARTS.items() for t in targets])
def test_every_part_is_built_from_its_constructors_defaults(role, target):
    part = parse_part(role, {"kind": target.__name__} | NEEDED.get(target.__name__, {}))
    assert parse_part(role, part) is part
    assert parse_part(role, part.model_dump(mode="json")) == part
    built = part.build(**({"image_size": 16} if role == "physics" else {}))
    assert isinstance(built, target if isinstance(target, type) else nn.Module)
    assert settings_of(target) is type(part)


def test_settings_reach_the_objects_they_describe():
    turns = {"kind": "Rotation", "interpolation": "bilinear", "max_degrees": 45}
    ei = {"kind": "EI", "group": [turns, {"kind": "Reflection"}], "weight": 2, "stop_gradient": True}
    settings = {
        "loss": {"kind": "Recorrupted", "alpha": 0.2, "loss": ei},
        "model__solver": {"kind": "Broyden", "tol": 1e-2, "memory": 7},
        "model__gradient": {"kind": "Neumann", "terms": 3},
    }
    recipe = get_recipe("mri-noisy-ei-deq").with_overrides(**settings)
    assert (recipe.physics.acceleration, recipe.loss.loss.weight, recipe.model.solver.memory) == (4.0, 2, 7)
    built, model = recipe.build_loss(), recipe.build_model()
    group = built.loss.group
    assert built == Recorrupted(EI(group, Fit(), weight=2, stop_gradient=True), alpha=0.2)
    assert isinstance(group, Composition)
    assert (type(group.first), type(group.second)) == (Rotation, Reflection)
    assert (group.first.interpolation, group.first.max_degrees) == ("bilinear", 45)
    assert (model.solver, model.gradient) == (fixed_point.Broyden(tol=1e-2, memory=7), fixed_point.Neumann(3))
    plain = recipe.with_overrides(model__solver=None, model__gradient=None).build_model()
    assert (plain.solver, plain.gradient) == (fixed_point.Anderson(), fixed_point.Implicit())


def test_an_override_is_a_validated_copy():
    recipe, picard = get_recipe("ct-ei-deq"), parse_part("solver", {"kind": "Picard"})
    parts = {"contraction": Contraction(target=0.5), "optimiser": Optimiser(batch_size=3), "data__n": 5}
    other = recipe.with_overrides(**parts, model__solver=picard)
    assert (other.contraction, other.optimiser, other.data.n) == tuple(parts.values())
    assert other.model.solver == picard
    assert recipe == get_recipe("ct-ei-deq") != other
    for frozen, field in ((recipe, "steps"), (recipe.physics, "n_views"), (recipe.data, "n")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(frozen, field, 3)


def test_every_wrong_field_is_named_in_one_error_and_an_unknown_name_has_neighbours():
    with pytest.raises(RecipeError, match=r"no recipe 'mri-ei-dec': the nearest of 36 are mri-ei-deq"):
        get_recipe("mri-ei-dec")
    values = get_recipe("ct-ei-deq").model_dump()
    values["physics"]["n_views"], values["loss"]["weight"], values["data"]["colour"] = "many", "x", 1
    with pytest.raises(RecipeError) as caught:
        Recipe.parse(values | {"steps": 0, "seed": -1, "flux": 2})
    for field in ("physics.n_views", "loss.weight", "data.colour", "steps", "seed", "flux"):
        assert field in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"steps": 0}, "steps: .*greater than or equal to 1"),
        ({"contraction__samples": 0}, "samples .*>= 1"),
        ({"colour": "blue"}, "no field 'colour'; it has"),
        ({"physics__acceleration": 4}, "no field 'physics__acceleration'; it has .*n_views"),
        ({"physics": {"kind": "tomography", "n_views": 8, "angle": 3}}, "physics.angle: Extra inputs"),
        ({"physics": {"kind": "radar"}}, "kind 'radar' is no physics: choose from tomography, mri, inpainting"),
        (
            {"model__solver": {"kind": "Andersen"}},
            "model.solver: .*'Andersen' is no solver: choose from Picard, Anderson",
        ),
        ({"model__iteration": {"kind": "ADMM", "denoiser": CNN, "data_step": None}}, "iteration.data_step: Extra"),
        ({"loss": "EI"}, "loss: 'EI' is no loss: write {\"kind\""),
        ({"model__solver__tol": -1.0}, r"model.solver: Anderson\(tol=-1.0\): the tolerance must be positive"),
        ({"loss__weight": -1.0}, "loss: EI.*the weight must be positive"),
        ({"loss__group": [{"kind": "Rotation", "interpolation": "magic"}]}, "interpolation = 'magic' is unknown"),
        ({"model": {"kind": "UnrolledNetwork", **NEEDED["DEQ"]}}, "only a DEQ has a fixed point to control"),
        ({"physics": {"kind": "mri"}}, "physics.kind='mri' does not measure data.name='ct'"),
        ({"loss": {"kind": "Sure", "sigma": 0.1}, "physics__noise_sigma": 0.0}, "are for noise"),
    ],
)
def test_a_wrong_field_is_named(fields, match):
    with pytest.raises(RecipeError, match=match):
        get_recipe("ct-ei-deq").with_overrides(**fields)


def test_what_a_constructor_refuses_is_told_before_anything_is_written(tmp_path, quietly):
    unrolled = {"model": {"kind": "UnrolledNetwork", "steps": 0, **NEEDED["DEQ"]}, "contraction": None}
    for fields, match in (
        ({"physics__n_views": -3}, "physics: n_views = -3 is not possible"),
        ({"model__iteration__penalty": -1.0}, r"model: ProximalStep\(penalty=-1.0\): must be positive"),
        ({"model__iteration__denoiser": CNN | {"shrinkage": 2.0}}, r"model: ResidualCNN\(shrinkage=2.0\)"),
        (unrolled, "at least one step"),
    ):
        recipe = get_recipe("ct-ei-deq").with_overrides(data__image_size=16, data__n=2, **fields)
        with pytest.raises(RecipeError, match=f"The recipe 'ct-ei-deq' is not valid: .*{match}"):
            quietly(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


BODIES = {"kind": "bodies", "name": "ct", "image_size": 16, "n": 5}


def test_training_on_random_bodies_sees_their_truth_and_loads_no_image(monkeypatch):
    monkeypatch.setattr(data, "load", None)
    recipe = get_recipe("ct-supervised-deq").with_overrides(data=BODIES)
    physics = recipe.build_physics()
    seen, again = training_set(recipe, physics), training_set(recipe, physics)
    assert torch.equal(seen.x, data.bodies(5, 16, seed=0))
    assert float((seen.y - physics.A(seen.x)).std()) == pytest.approx(recipe.physics.noise_sigma, rel=0.1)
    blind = training_set(recipe.with_overrides(loss={"kind": "EI", "group": {"kind": "Shift"}}), physics)
    assert blind.x is None
    assert torch.equal(blind.y, seen.y)
    others = training_set(recipe.with_overrides(data__seed=1), physics)
    assert seen.data_hash == again.data_hash != others.data_hash
    leaves = get_recipe("inpainting-supervised-deq").with_overrides(data=BODIES | {"name": "natural"})
    assert torch.equal(clean_images(leaves), data.dead_leaves(5, 16, seed=0))

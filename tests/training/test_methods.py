"""Every way of training by its settings: what each option changes, and what is refused."""

import pytest
import torch
from eiwork.training.build import build_model, build_physics
from eiwork.training.build_loss import build_group, build_reconstructor, build_training_loss
from eiwork.training.settings import RotationSettings
from eiwork.training.trainer import _prepare

from eiwork.errors import RecipeError
from eiwork.fixed_point import Broyden, Neumann, Phantom
from eiwork.models.baselines import UnrolledNetwork
from eiwork.symmetry import Composition, Reflection, Rotation, Shift
from eiwork.training import Recipe, load_checkpoint, train
from eiwork.training.evaluation import evaluate
from eiwork.training.step import train_step

SPLITTING = {"method": "splitting", "share": 0.6, "group": ("quarter_turns",)}
ROBUST = {"method": "robust_ei"}
RECORRUPTED = {"method": "recorrupted_ei"}
DENOISING = {"method": "denoising"}
CONVEX = {"model__iteration__network": "convex", "model__iteration__depth": 2}


def first_steps(recipe, n=2):
    """The weights after n steps, without evaluation."""
    state, context, _ = _prepare(recipe, torch.device("cpu"))
    values = [train_step(state, context) for _ in range(n)]
    return values, {k: v.clone() for k, v in state.model.state_dict().items()}


def differ(a, b):
    return any(not torch.equal(a[k], b[k]) for k in a)


NOISY = {"physics__noise_sigma": 0.05}
CONTRACTION = {"contraction": {"weight": 1.0, "target": 0.1}}
CHANGES = {
    "scalar rate": ({}, {"optimiser__scalar_rate": 10.0}),
    "contraction samples": (CONTRACTION, {"contraction": CONTRACTION["contraction"] | {"samples": 1}}),
    "elements": ({}, {"loss__n_elements": 2}),
    "return to the measurement": ({}, {"loss__cycle_weight": 2.0}),
    "null gain": ({}, {"loss__null_gain": 2.0}),
    "bicubic": ({}, {"loss__group": ({"kind": "rotation", "interpolation": "bicubic"},)}),
    "angles": ({}, {"loss__group": ({"kind": "rotation", "max_degrees": 20.0},)}),
    "multiples": ({}, {"loss__group": ({"kind": "rotation", "multiples_of": 30.0},)}),
    "quarter turns": ({}, {"loss__group": ("quarter_turns",)}),
    "axes": (
        {"loss__group": ("reflection",)},
        {"loss__group": ({"kind": "reflection", "axes": ("vertical",)},)},
    ),
    "shifts": ({"loss__group": ("shift",)}, {"loss__group": ({"kind": "shift", "max_fraction": 0.3},)}),
    "phantom": ({}, {"model__gradient": {"kind": "phantom"}}),
    "phantom steps": (
        {"model__gradient": {"kind": "phantom"}},
        {"model__gradient": {"kind": "phantom", "steps": 2}},
    ),
    "phantom damping": (
        {"model__gradient": {"kind": "phantom"}},
        {"model__gradient": {"kind": "phantom", "damping": 0.9}},
    ),
    "neumann": (
        {"model__gradient": {"kind": "neumann"}},
        {"model__gradient": {"kind": "neumann", "terms": 1}},
    ),
    "broyden": ({}, {"model__solver": "broyden"}),
    "virtual noise": (NOISY, NOISY | {"loss__virtual_noise": False}),
    "stopped gradient": ({}, {"loss__stop_gradient": True}),
    "recorrupted stopped gradient": (
        NOISY | {"loss": RECORRUPTED},
        NOISY | {"loss": RECORRUPTED | {"stop_gradient": True}},
    ),
    "robust stopped gradient": (
        NOISY | {"loss": ROBUST},
        NOISY | {"loss": ROBUST | {"stop_gradient": True}},
    ),
    "recorrupted": (NOISY, NOISY | {"loss": RECORRUPTED}),
    "alpha": (NOISY | {"loss": RECORRUPTED}, NOISY | {"loss": RECORRUPTED | {"alpha": 0.2}}),
    "recorrupted return": (
        NOISY | {"loss": RECORRUPTED},
        NOISY | {"loss": RECORRUPTED | {"cycle_weight": 1.0}},
    ),
    "robust": (NOISY, NOISY | {"loss": ROBUST}),
    "sure weight": (NOISY | {"loss": ROBUST}, NOISY | {"loss": ROBUST | {"sure_weight": 3.0}}),
    "robust ei weight": (NOISY | {"loss": ROBUST}, NOISY | {"loss": ROBUST | {"ei_weight": 3.0}}),
    "tau": (NOISY | {"loss": ROBUST}, NOISY | {"loss": ROBUST | {"tau": 0.3}}),
    "robust elements": (NOISY | {"loss": ROBUST}, NOISY | {"loss": ROBUST | {"n_elements": 2}}),
    "robust group": (NOISY | {"loss": ROBUST}, NOISY | {"loss": ROBUST | {"group": ("shift",)}}),
    "share": ({"loss": SPLITTING}, {"loss": SPLITTING | {"share": 0.2}}),
    "split group": ({"loss": SPLITTING}, {"loss": SPLITTING | {"group": ("reflection",)}}),
    "no group": ({"loss": SPLITTING}, {"loss": SPLITTING | {"group": ()}}),
    "consistency": ({"loss": SPLITTING}, {"loss": SPLITTING | {"consistency": False}}),
    "denoising": ({"loss": DENOISING}, {"loss": DENOISING | {"denoising_weight": 5.0}}),
    "denoising mc": ({"loss": DENOISING}, {"loss": DENOISING | {"mc_weight": 5.0}}),
    "denoising sigma": ({"loss": DENOISING}, {"loss": DENOISING | {"sigma": (0.0, 0.5)}}),
    "denoising target": ({"loss": DENOISING}, {"loss": DENOISING | {"target": "reconstruction"}}),
    "coils": ({}, {"physics__n_coils": 2}),
    "convex": (CONVEX, CONVEX | {"model__iteration__shrinkage": 0.3}),
}


@pytest.mark.parametrize("option", CHANGES)
def test_every_option_changes_the_weights(option, plain_recipe):
    one, other = (plain_recipe(**fields) for fields in CHANGES[option])
    assert Recipe.parse(other.model_dump(mode="json")) == other
    assert differ(first_steps(one)[1], first_steps(other)[1])


@pytest.mark.parametrize("split", ["test", "synthetic"])
def test_other_scans_change_the_weights(split, plain_recipe):
    elsewhere = plain_recipe()
    others = elsewhere.with_overrides(data={"split": split, "name": "mri", "image_size": 16})
    assert differ(first_steps(elsewhere)[1], first_steps(others)[1])


WHITE = {"whitening": 0.1}
WHITENED = {
    "ei": ({}, {"loss__whitening": 0.1}),
    "mc": ({"loss": {"method": "mc"}}, {"loss": {"method": "mc"} | WHITE}),
    "robust": (NOISY | {"loss": ROBUST}, NOISY | {"loss": ROBUST | WHITE}),
    "return": (
        {"loss__cycle_weight": 2.0, "loss__whitening": 0.1},
        {"loss__cycle_weight": 0.0, "loss__whitening": 0.1},
    ),
}


@pytest.mark.parametrize("loss", WHITENED)
def test_whitening_changes_the_weights_in_tomography(loss, plain_recipe):
    one, other = (plain_recipe("ct", **fields) for fields in WHITENED[loss])
    assert differ(first_steps(one)[1], first_steps(other)[1])


@pytest.mark.parametrize("problem", ["ct", "natural"])
def test_splitting_trains_on_every_scan(problem, plain_recipe):
    values, _ = first_steps(plain_recipe(problem, loss=SPLITTING))
    assert all(value["splitting"] > 0 for value in values)
    assert values[0]["n_adjoint"] > 0


def test_a_scalar_rate_moves_the_scalars_alone_by_its_factor(small_recipe):
    """Adam's first step is the learning rate, whatever the gradient."""
    one, ten = (small_recipe("ct-ei-deq", optimiser__scalar_rate=rate) for rate in (1.0, 10.0))
    name = "iterate.data_step.log_penalty"
    start = build_model(one).state_dict()[name]
    moves = [(first_steps(recipe, 1)[1][name] - start).abs() for recipe in (one, ten)]
    torch.testing.assert_close(moves[1], 10 * moves[0], rtol=1e-2, atol=0)
    with pytest.raises(RecipeError, match="has none"):
        first_steps(small_recipe("ct-ei-unet", optimiser__scalar_rate=10.0), 1)


def test_a_recipe_names_its_solver_and_gradient(plain_recipe):
    settings = {
        "iteration": {"width": 4, "depth": 2},
        "solver": "broyden",
    }
    model = build_model(plain_recipe(model={"kind": "deq", **settings}))
    assert isinstance(model.solver, Broyden)
    assert build_model(plain_recipe(model__gradient={"kind": "neumann", "terms": 3})).gradient == Neumann(3)
    phantom = {"kind": "phantom", "steps": 4, "damping": 0.7}
    assert build_model(plain_recipe(model__gradient=phantom)).gradient == Phantom(4, 0.7)


def test_a_group_is_built_as_it_is_described():
    assert build_group(("rotation",)).interpolation == "spline"
    assert build_group(("quarter_turns",)).multiples_of == 90
    assert build_group((RotationSettings(interpolation="bilinear", max_degrees=45.0),)).max_degrees == 45
    product = build_group(("shift", "reflection"))
    assert isinstance(product, Composition)
    assert (type(product.first), type(product.second)) == (Shift, Reflection)
    assert type(build_group(("rotation",))) is Rotation


REFUSED = [
    ({"loss": ROBUST, "physics__noise_sigma": 0.0}, "is for noise"),
    ({"loss": RECORRUPTED, "physics__noise_sigma": 0.0}, "is for noise"),
    ({"loss__virtual_noise": False, "physics__noise_sigma": 0.0}, "leaves out noise"),
    ({"loss": SPLITTING, "physics__noise_sigma": 0.1}, "would fit the noise"),
    ({"loss": SPLITTING, "model__warm_start": {"budget_mib": 1.0}}, "no model.warm_start"),
    ({"loss": SPLITTING | {"group": (), "test_elements": 2}}, "group is empty"),
    ({"loss": SPLITTING | {"share": 1.0}}, "share"),
    ({"loss": DENOISING | {"sigma": (0.2, 0.1)}}, "sigma"),
    ({"pretraining": {"sigma": (0.0, 0.0)}}, "sigma"),
    ({"loss__group": ()}, "group"),
    ({"loss__group": ({"kind": "rotation", "interpolation": "magic"},)}, "interpolation"),
    ({"loss__n_elements": 0}, "n_elements"),
    ({"model__gradient": {"kind": "shine"}}, "solver='broyden'"),
    ({"gradient_probe_every": 0}, "gradient_probe_every"),
]


@pytest.mark.parametrize(("fields", "match"), REFUSED, ids=str)
def test_what_does_not_apply_is_named(fields, match, plain_recipe):
    with pytest.raises(RecipeError, match=match):
        plain_recipe(**fields)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"loss": SPLITTING}, "choose a model that uses it"),
        ({"loss": DENOISING}, "no operator D"),
        ({"pretraining": {"steps": 2}}, "no operator D"),
        ({"gradient_probe_every": 1}, "only a DEQ"),
    ],
    ids=str,
)
def test_a_unet_has_no_operator_and_no_fixed_point(fields, match, plain_recipe):
    with pytest.raises(RecipeError, match=match):
        plain_recipe(model={"kind": "unet", "width": 4}, contraction=None, **fields)


def test_a_splitting_is_averaged_in_evaluation_where_asked(plain_recipe, tmp_path):
    plain = plain_recipe(loss=SPLITTING, steps=1, monitor_every=1)
    averaged = plain.with_overrides(loss__test_splittings=2, loss__test_elements=2)
    model = build_model(plain)
    assert build_reconstructor(plain, model) is model
    assert build_reconstructor(averaged, model) is not model
    figures = []
    for name, recipe in (("plain", plain), ("averaged", averaged)):
        result = train(recipe, tmp_path / name, device="cpu", progress=False)
        assert evaluate(result.checkpoint)["summary"][recipe.name] == result.metrics["model"]
        figures.append(result.metrics["model"]["psnr"])
    assert figures[0] != figures[1]
    weights = [load_checkpoint(tmp_path / name).weights for name in ("plain", "averaged")]
    assert not differ(*weights)


def test_the_loss_of_every_recipe_can_be_built(plain_recipe):
    for fields in ({"loss": SPLITTING}, {"loss": DENOISING}, NOISY | {"loss": ROBUST}):
        recipe = plain_recipe(**fields)
        assert build_training_loss(recipe).weights
    multi = plain_recipe(physics__n_coils=3, loss=SPLITTING)
    physics = build_physics(multi.physics, 16)
    loss, model = build_training_loss(multi), build_model(multi)
    y = physics.A(torch.rand(2, 2, 16, 16))
    assert y.shape == (2, 2, 3, 16, 16)
    x_net = loss.reconstruct(model, y, physics)
    total, _ = loss(x_net=x_net, y=y, physics=physics, model=model)
    assert float(total.detach()) > 0


def test_an_unrolled_network_splits_too(plain_recipe):
    recipe = plain_recipe(
        model={"kind": "unrolled", "iteration": {"width": 4, "depth": 2}}, contraction=None, loss=SPLITTING
    )
    assert isinstance(build_model(recipe), UnrolledNetwork)
    assert first_steps(recipe, 1)[0][0]["n_tracked"] == recipe.model.steps

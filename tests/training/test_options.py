"""Every setting of a recipe changes what is trained: nothing in a file is without effect."""

import pytest
import torch

from eiwork.training import Recipe
from eiwork.training.step import train_step


def one_step(state_and_context, n=1):
    state, context = state_and_context
    for _ in range(n):
        train_step(state, context)
    return {k: v.clone() for k, v in state.model.state_dict().items()}


MRI, CT, NOISY = "mri-ei-deq", "ct-ei-deq", "mri-noisy-ei-deq"
D = {"width": 4, "channels": 2}
CNN = {"kind": "ResidualCNN", "depth": 2, "shrinkage": 0.1} | D
REAL = CNN | {"channels": 1}
PG = "ProximalGradient"
CONVEX = {"kind": "InputConvexPotential", "depth": 2} | D
ROTATION = {"kind": "Rotation", "interpolation": "fourier"}
EI = {"kind": "EI", "group": [ROTATION], "noisy": True}
ROBUST = EI | {"fit": {"kind": "Sure", "sigma": 0.05}}


def recorrupted(alpha=0.5, **inside):
    return {"kind": "Recorrupted", "loss": EI | inside, "alpha": alpha}


def group(*parts):
    return {"loss__group": list(parts)}


def iteration(kind, denoiser=CNN, **numbers):
    return {"model__iteration": {"kind": kind, "denoiser": denoiser} | numbers}


def gradient(kind, **numbers):
    return {"model__gradient": {"kind": kind} | numbers}


TIGHT = {"contraction__target": 0.1}
# (recipe, settings, other settings): the weights after a step must differ.
CHANGES = {
    "weight": (MRI, {}, {"loss__weight": 3.0}),
    "cycle": (MRI, {}, {"loss__cycle": 2.0}),
    "noisy": (NOISY, {}, {"loss__noisy": False}),
    "stop gradient": (MRI, {}, {"loss__stop_gradient": True}),
    "whitening": (CT, {}, {"loss__fit__whitening": None}),
    "fit alone": (MRI, {}, {"loss": {"kind": "Fit"}}),
    "whitening of the fit alone": (CT, {"loss": {"kind": "Fit"}}, {"loss": {"kind": "Fit", "whitening": 0.1}}),
    "angles": (MRI, {}, group(ROTATION | {"max_degrees": 20.0})),
    "axes": (MRI, group({"kind": "Reflection"}), group({"kind": "Reflection", "axes": ["vertical"]})),
    "shifts": (MRI, group({"kind": "Shift"}), group({"kind": "Shift", "max_fraction": 0.3})),
    "product": (MRI, group({"kind": "Shift"}), group({"kind": "Shift"}, {"kind": "Reflection"})),
    "sure": (NOISY, {}, {"loss": ROBUST}),
    "tau": (NOISY, {"loss": ROBUST}, {"loss": ROBUST | {"fit": {"kind": "Sure", "sigma": 0.05, "tau": 0.3}}}),
    "recorrupted": (NOISY, {}, {"loss": recorrupted()}),
    "alpha": (NOISY, {"loss": recorrupted()}, {"loss": recorrupted(0.2)}),
    "recorrupted cycle": (NOISY, {"loss": recorrupted()}, {"loss": recorrupted(cycle=1.0)}),
    "no control": (MRI, TIGHT, {"contraction": None}),
    "contraction target": (MRI, {}, {"contraction__target": 0.2}),
    "contraction weight": (MRI, TIGHT, TIGHT | {"contraction__weight": 2.0}),
    "contraction samples": (MRI, TIGHT | {"contraction__samples": 1}, TIGHT),
    "krylov size": (MRI, TIGHT, TIGHT | {"contraction__krylov_size": 1}),
    "learning rate": (MRI, {}, {"optimiser__learning_rate": 1e-4}),
    "scalar rate": (MRI, {}, {"optimiser__scalar_rate": 10.0}),
    "clip": (MRI, {}, {"optimiser__clip": 1e-5}),
    "warmup": (MRI, {}, {"optimiser__warmup": 0}),
    "batch size": (MRI, {}, {"optimiser__batch_size": 3}),
    "seed": (MRI, {}, {"seed": 1}),
    "steps": (MRI, {}, {"steps": 9}),
    "noise": (MRI, {}, {"physics__noise_sigma": 0.01}),
    "acceleration": (MRI, {}, {"physics__acceleration": 2.0}),
    "coils": (MRI, {}, {"physics__n_coils": 2}),
    "warps": (MRI, {}, {"data__seed": 5}),
    "bodies": (MRI, {}, {"data__kind": "bodies"}),
    "solver": (MRI, {}, {"model__solver__tol": 1e-1}),
    "broyden": (MRI, {}, {"model__solver": {"kind": "Broyden", "tol": 1e-3}}),
    "picard": (MRI, {}, {"model__solver": {"kind": "Picard", "tol": 1e-1, "max_iter": 60}}),
    "adjoint solver": (MRI, {}, {"model__gradient__solver__tol": 0.9}),
    "jacobian free": (MRI, {}, gradient("JacobianFree")),
    "phantom": (MRI, gradient("JacobianFree"), gradient("Phantom")),
    "phantom steps": (MRI, gradient("Phantom"), gradient("Phantom", steps=2)),
    "phantom damping": (MRI, gradient("Phantom"), gradient("Phantom", damping=0.9)),
    "neumann": (MRI, gradient("Neumann"), gradient("Neumann", terms=1)),
    "shrinkage": (MRI, {}, iteration(PG, CNN | {"shrinkage": 0.3})),
    "convex": (MRI, iteration(PG, CONVEX), iteration(PG, CONVEX | {"shrinkage": 0.3})),
    "step size": (MRI, {}, iteration(PG, data_step={"kind": "GradientStep", "step_size": 0.5})),
    "whitened step": (CT, iteration(PG, REAL), iteration(PG, REAL, data_step={"kind": "WhitenedStep"})),
    "penalty": (MRI, iteration("HalfQuadraticSplitting", penalty=0.3), iteration("HalfQuadraticSplitting")),
    "admm": (MRI, iteration("ADMM", penalty=0.3), iteration("ADMM")),
    "gradient descent": (MRI, iteration("GradientDescent"), iteration("GradientDescent", weight=0.5)),
}


@pytest.mark.parametrize("option", CHANGES)
def test_every_option_changes_the_weights(option, small_recipe, prepare, same):
    name, *settings = CHANGES[option]
    one, other = (small_recipe(name, data__n=3, **fields) for fields in settings)
    for recipe in (one, other):
        assert Recipe.parse(recipe.model_dump(mode="json")) == recipe
    # The schedule of another number of steps differs from the second step on.
    n = 2 if option == "steps" else 1
    assert not same(one_step(prepare(one), n), one_step(prepare(other), n))


def test_the_average_is_an_option_of_the_weights_that_are_kept(small_recipe, quietly, same):
    kept, last = (quietly(small_recipe(optimiser__ema=ema)).model.state_dict() for ema in (0.995, 0.0))
    assert not same(kept, last)


def test_a_scalar_rate_moves_the_scalars_alone_by_its_factor(small_recipe, prepare):
    """Adam's first step is the learning rate, whatever the gradient."""
    one, ten = (small_recipe(CT, optimiser__scalar_rate=rate) for rate in (1.0, 10.0))
    start, stepped = one.build_model().state_dict(), [one_step(prepare(recipe)) for recipe in (one, ten)]
    for name, factor in (("iterate.data_step.log_penalty", 10.0), ("iterate.denoiser.network.0.weight", 1.0)):
        moves = [(weights[name] - start[name]).abs() for weights in stepped]
        torch.testing.assert_close(moves[1], factor * moves[0], rtol=1e-2, atol=1e-7)

"""Every setting of a recipe changes what is trained: nothing in a file is without effect."""

import json

import pytest
import torch

from eiwork.training import Recipe
from eiwork.training.step import train_step

# Of a recipe with control and gradients that are at work: FIELD=JSON changes it.
ALONE = """
loss={"kind":"Fit"} loss__weight=3.0 loss__cycle=2.0 loss__noisy=false loss__stop_gradient=true seed=1
contraction=null contraction__target=0.2 contraction__weight=2.0 contraction__samples=1 contraction__krylov_size=1
optimiser__learning_rate=1e-4 optimiser__scalar_rate=9.0 optimiser__clip=1e-5 optimiser__warmup=0 steps=9
optimiser__batch_size=3 physics__noise_sigma=0.01 physics__acceleration=2 physics__n_coils=2 physics__seed=7
data__seed=5 data__kind="bodies" model__solver__tol=0.1 model__solver={"kind":"Broyden","tol":0.001}
model__solver={"kind":"Picard","tol":0.1,"max_iter":60} model__gradient__solver__tol=0.9
model__gradient={"kind":"JacobianFree"} model__gradient={"kind":"Neumann"} model__gradient={"kind":"Phantom"}
"""
ROTATION, SHIFT = {"kind": "Rotation", "interpolation": "fourier"}, {"kind": "Shift"}
REFLECTION = {"kind": "Reflection"}
EI = {"kind": "EI", "group": [ROTATION], "noisy": True}
SURE, RECORRUPTED = {"kind": "Sure", "sigma": 0.05}, {"kind": "Recorrupted", "loss": EI}
PHANTOM, NEUMANN = {"kind": "Phantom"}, {"kind": "Neumann"}
CNN = {"kind": "ResidualCNN", "width": 4, "channels": 2, "depth": 2}
PLAIN, ADMM = {"kind": "ProximalGradient", "denoiser": CNN}, {"kind": "ADMM", "denoiser": CNN}
DESCENT, SPLITTING = ADMM | {"kind": "GradientDescent"}, ADMM | {"kind": "HalfQuadraticSplitting"}
# (recipe, field, one value, another).
PAIRS = [
    ("ct-ei-deq", "loss__fit__whitening", None, 0.1),
    ("ct-mc-deq", "loss__whitening", None, 0.1),
    ("inpainting-ei-deq", "physics__keep", 0.4, 0.5),
    ("mri-ei-deq", "loss__group", [ROTATION], [ROTATION | {"max_degrees": 20.0}]),
    ("mri-ei-deq", "loss__group", [ROTATION], [ROTATION | {"interpolation": "bilinear"}]),
    ("mri-ei-deq", "loss__group", [REFLECTION], [REFLECTION | {"axes": ["vertical"]}]),
    ("mri-ei-deq", "loss__group", [SHIFT], [SHIFT | {"max_fraction": 0.3}]),
    ("mri-ei-deq", "loss__group", [SHIFT], [SHIFT, REFLECTION]),
    ("mri-noisy-ei-deq", "loss__fit", {"kind": "Fit"}, SURE),
    ("mri-noisy-ei-deq", "loss__fit", SURE, SURE | {"tau": 0.3}),
    ("mri-noisy-ei-deq", "loss", EI, RECORRUPTED),
    ("mri-noisy-ei-deq", "loss", RECORRUPTED, RECORRUPTED | {"alpha": 0.2}),
    ("mri-noisy-ei-deq", "loss", RECORRUPTED, RECORRUPTED | {"loss": EI | {"cycle": 1.0}}),
    ("mri-ei-deq", "model__gradient", PHANTOM, PHANTOM | {"steps": 2}),
    ("mri-ei-deq", "model__gradient", PHANTOM, PHANTOM | {"damping": 0.9}),
    ("mri-ei-deq", "model__gradient", NEUMANN, NEUMANN | {"terms": 1}),
    ("mri-ei-deq", "model__iteration", PLAIN, PLAIN | {"denoiser": CNN | {"shrinkage": 0.3}}),
    ("mri-ei-deq", "model__iteration", PLAIN, PLAIN | {"denoiser": CNN | {"kind": "InputConvexPotential"}}),
    ("mri-ei-deq", "model__iteration", PLAIN, PLAIN | {"data_step": {"kind": "GradientStep", "step_size": 0.5}}),
    ("mri-ei-deq", "model__iteration", SPLITTING, PLAIN | {"data_step": {"kind": "ProximalStep", "penalty": 0.2}}),
    ("mri-ei-deq", "model__iteration", SPLITTING, SPLITTING | {"penalty": 0.3}),
    ("mri-ei-deq", "model__iteration", ADMM, ADMM | {"penalty": 0.3}),
    ("mri-ei-deq", "model__iteration", DESCENT, DESCENT | {"weight": 0.5}),
]


def stepped(prepared, n=1):
    state, context = prepared
    for _ in range(n):
        train_step(state, context)
    return {name: value.clone() for name, value in state.model.state_dict().items()}


@pytest.mark.parametrize("change", [*ALONE.split(), *PAIRS], ids=str)
def test_every_option_changes_the_weights(change, small_recipe, prepare, same):
    if isinstance(change, str):
        field, value = change.split("=", 1)
        one = small_recipe("mri-ei-deq", data__n=3, contraction__target=0.1)
        other = one.with_overrides(**{field: json.loads(value)})
    else:
        name, field, *values = change
        one, other = (small_recipe(name, data__n=3, **{field: value}) for value in values)
    assert Recipe.parse(other.model_dump(mode="json")) == other != one
    # The schedule of another number of steps differs from the second step on.
    n = 2 if field == "steps" else 1
    assert not same(stepped(prepare(one), n), stepped(prepare(other), n))


def test_a_scalar_rate_moves_the_scalars_alone_by_its_factor(small_recipe, prepare):
    """Adam's first step is the learning rate, whatever the gradient."""
    one, ten = (small_recipe("ct-ei-deq", optimiser__scalar_rate=rate) for rate in (1.0, 10.0))
    start, ends = one.build_model().state_dict(), [stepped(prepare(recipe)) for recipe in (one, ten)]
    for name, factor in (("iterate.data_step.log_penalty", 10.0), ("iterate.denoiser.network.0.weight", 1.0)):
        moves = [(weights[name] - start[name]).abs() for weights in ends]
        torch.testing.assert_close(moves[1], factor * moves[0], rtol=1e-2, atol=1e-7)

"""How far the gradient that a training uses is from the exact one, looked at along the training."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point import GMRES, GradientMode, Implicit, JacobianFree
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Packing, as_tuple
from eiwork.models import DEQ
from eiwork.training.randomness import batch_indices, seeded
from eiwork.training.state import TrainingState
from eiwork.training.step import StepContext

_TOL, _MAX_ITER = 1e-6, 300
_PRODUCTS = 40


def probe_gradients(state: TrainingState, context: StepContext) -> dict[str, float]:
    """Compare gradients of the loss at the step at hand, before it is done; changes neither weights nor random state.

    Returns step, cosine_jfb and norm_ratio_jfb (Jacobian-free against exact), cosine_own and norm_ratio_own (the
    recipe's mode and tolerances against exact), exact_norm, and spectral_radius of dF/dz at the fixed points of the
    batch (mean of estimates by power iteration). "Exact" is Implicit() with both tolerances at 1e-6. The contraction
    penalty is left out: it is the same for all.
    """
    model = state.model
    assert isinstance(model, DEQ)
    solver, mode = model.solver, model.gradient
    tight = replace(solver, tol=_TOL, max_iter=_MAX_ITER)
    try:
        own = _gradient(state, context, solver, mode)
        exact = _gradient(state, context, tight, Implicit(GMRES(tol=_TOL, max_iter=_MAX_ITER)))
        radius = _spectral_radius(state, context)
        free = _gradient(state, context, tight, JacobianFree())
    finally:
        model.solver, model.gradient = solver, mode
    values = {"step": float(state.step), "exact_norm": float(exact.norm()), "spectral_radius": radius}
    for name, gradient in (("jfb", free), ("own", own)):
        values[f"cosine_{name}"] = float(torch.nn.functional.cosine_similarity(gradient, exact, dim=0))
        values[f"norm_ratio_{name}"] = float(gradient.norm() / exact.norm().clamp(min=1e-30))
    return values


def _batch(state: TrainingState, context: StepContext) -> tuple[Tensor, Tensor | None]:
    recipe = context.recipe
    indices = batch_indices(recipe.seed, state.step, len(context.images), recipe.optimiser.batch_size)
    batch = context.images[indices].to(context.device)
    return batch.y, batch.x


def _gradient(
    state: TrainingState, context: StepContext, solver: FixedPointSolver, mode: GradientMode
) -> Float[Tensor, " n"]:
    """The gradient of the step's loss, with the step's own random draws, as one float64 vector."""
    model = state.model
    assert isinstance(model, DEQ)
    model.solver, model.gradient = solver, mode
    y, x = _batch(state, context)
    parameters = [p for p in model.parameters() if p.requires_grad]
    with seeded(context.recipe.seed, "steps", state.step):
        x_net = context.loss.reconstruct(model, y, context.physics)
        total, _ = context.loss(x_net=x_net, y=y, physics=context.physics, model=model, x=x)
        found = torch.autograd.grad(total, parameters, materialize_grads=True)
    return torch.cat([part.detach().double().flatten() for part in found])


def _spectral_radius(state: TrainingState, context: StepContext) -> float:
    """Growth of J^T v in the second half of a power iteration: |largest eigenvalue| of dF/dz, mean over the batch."""
    model = state.model
    assert isinstance(model, DEQ)
    y, _ = _batch(state, context)
    with seeded(context.recipe.seed, "probe", state.step):
        with torch.no_grad():
            x_net = context.loss.reconstruct(model, y, context.physics)
        image, y, physics = context.loss.equation(x_net, y, context.physics)
        z = model.iterate.state_from(image, y, physics)
        packing = Packing.of(z)
        parts = tuple(part.detach().requires_grad_() for part in as_tuple(z))
        out = packing.pack(model.iteration(parts if packing.is_tuple else parts[0], y, physics))
        v, lengths = torch.randn_like(out), []
        for _ in range(_PRODUCTS):
            products = torch.autograd.grad(out, parts, v, retain_graph=True, materialize_grads=True)
            v = packing.pack(products if packing.is_tuple else products[0])
            length = v.norm(dim=1, keepdim=True).clamp(min=1e-30)
            v = v / length
            lengths.append(length.log())
    half = torch.stack(lengths[_PRODUCTS // 2 :]).mean(dim=0)
    return float(half.exp().mean())

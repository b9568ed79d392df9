"""Implicit gradients: one tracked evaluation of f, one adjoint solve, autograd nodes differentiable to any order."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.adjoint import GMRES, AdjointSolver, solve_adjoint
from eiwork.fixed_point.calling import aware, without_autocast
from eiwork.fixed_point.capture import Capture, unseen
from eiwork.fixed_point.solve import run_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Flat, Packing, State, StateMap, as_tuple, detach, norms

Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Evaluation:
    """One tracked evaluation of z -> f(z; p) at a fixed point: the graph of `outputs` starts from state and parameters.

    state: z, cut off from what is behind it. parameters: aliases of all that f closes over. solver: for systems with
    I - df/dz; None if there is no state, and `outputs` is an explicit function of the parameters.
    """

    outputs: Tensors
    state: Tensors
    parameters: Tensors
    solver: AdjointSolver | None

    def pull(self, targets: Tensors, v: Tensors, *, create_graph: bool = False) -> tuple[Tensor, ...]:
        """v^T d(outputs)/d(targets), zeros where there is no path."""
        pairs = [(o, w) for o, w in zip(self.outputs, v, strict=True) if o.requires_grad]
        if not pairs or not targets:
            return tuple(torch.zeros_like(t) for t in targets)
        outputs, weights = zip(*pairs, strict=True)
        options = {"retain_graph": True, "create_graph": create_graph, "allow_unused": True}
        with torch.enable_grad(), without_autocast(weights[0].device.type):
            return torch.autograd.grad(outputs, targets, weights, materialize_grads=True, **options)

    def adjoint(self, g: Tensors) -> Tensors:
        """v with (I - J^T) v = g, sample by sample; g itself for an explicit function."""
        if self.solver is None:
            return g
        packing = Packing.of(g)
        product = packing.on_parts(lambda v: self.pull(self.state, v))
        with torch.no_grad(), without_autocast(packing.device.type):
            return as_tuple(packing.unpack(solve_adjoint(self.solver, product, packing.pack(g))))


class _Cut(torch.autograd.Function):
    """The identity, with no derivative behind it; `capture.unseen` knows its node by name."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> None:
        return


def cut_off(tensors: Iterable[Tensor]) -> Tensors:
    """The tensors as starts of a graph of their own, for a node that accounts for the paths through them."""
    return tuple(_Cut.apply(part.detach().requires_grad_()) for part in tensors)


class _ImplicitNode(torch.autograd.Function):
    """The identity on (evaluation, *outputs, *attached closed-over tensors); g becomes v with (I - J^T) v = g.

    v flows through the graph of that evaluation, which autograd frees as usual; when a graph of the gradient is asked
    for, to the closed-over tensors through `_differentiable_pull` instead.
    """

    @staticmethod
    def forward(ctx: Any, evaluation: Evaluation, *tensors: Tensor) -> Tensors:
        outputs = tuple(part.clone() for part in tensors[: len(evaluation.outputs)])
        ctx.evaluation = evaluation
        ctx.save_for_backward(*tensors[len(evaluation.outputs) :], *outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        evaluation: Evaluation = ctx.evaluation
        n = len(evaluation.parameters)
        if not torch.is_grad_enabled():
            return None, *evaluation.adjoint(gradients), *[None] * n
        if unseen(evaluation.outputs, (*evaluation.state, *evaluation.parameters)):
            raise InputError(
                "This fixed point cannot be differentiated twice: a tensor that needs gradients enters f as a direct "
                "argument of a custom autograd.Function, where it cannot be followed. Pass it through an ordinary "
                "operation first, for example x * 1.0 inside f."
            )
        saved = ctx.saved_tensors
        found = _differentiable_pull(evaluation, saved[:n], saved[n:], gradients)
        return None, *[None] * len(evaluation.outputs), *found

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> None:
        raise InputError(
            "Fixed points have no forward-mode derivatives (torch.autograd.forward_ad): differentiate in reverse. J v "
            "is the derivative of w -> w^T J applied to v: two torch.autograd.grad, the first with create_graph=True."
        )


class _ExplicitNode(torch.autograd.Function):
    """The value of a tracked evaluation, attached to `attached` with the derivative that its graph knows."""

    @staticmethod
    def forward(ctx: Any, evaluation: Evaluation, value: Tensors, *attached: Tensor) -> Tensors:
        outputs = tuple(part.detach().clone() for part in value)
        ctx.evaluation = evaluation
        ctx.save_for_backward(*attached, *outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        evaluation: Evaluation = ctx.evaluation
        if not torch.is_grad_enabled():
            return None, None, *evaluation.pull(evaluation.parameters, evaluation.adjoint(gradients))
        n = len(evaluation.parameters)
        saved = ctx.saved_tensors
        return None, None, *_differentiable_pull(evaluation, saved[:n], saved[n:], gradients)


def _differentiable_pull(evaluation: Evaluation, attached: Tensors, values: Tensors, g: Tensors) -> Tensors:
    """v^T df/dp with (I - J^T) v = g, differentiable in g, in p (`attached`) and in the fixed point (`values`).

    v solves v = g + J^T v: a fixed point again, whose closed-over tensors are g, the parameters and the fixed point.
    """
    link, v = (values, g) if evaluation.solver is not None else ((), g)
    if evaluation.solver is not None:
        solved = evaluation.adjoint(tuple(part.detach() for part in g))
        leaf, g_leaf = _leaves(solved), _leaves(g)
        products = evaluation.pull(evaluation.state, leaf, create_graph=True)
        with torch.enable_grad():
            outputs = tuple(a + b for a, b in zip(g_leaf, products, strict=True))
        of_v = replace(
            evaluation, outputs=outputs, state=leaf, parameters=(*evaluation.parameters, *evaluation.state, *g_leaf)
        )
        v = _ExplicitNode.apply(of_v, solved, *attached, *link, *g)
    leaf = _leaves(v)
    pulled = evaluation.pull(evaluation.parameters, leaf, create_graph=True)
    of_pulled = Evaluation(pulled, (), (*evaluation.parameters, *evaluation.state, *leaf), None)
    return _ExplicitNode.apply(of_pulled, pulled, *attached, *link, *v)


def _leaves(tensors: Tensors) -> Tensors:
    return tuple(t.detach().clone().requires_grad_() for t in tensors)


@dataclass(frozen=True)
class Implicit:
    """Gradient by the implicit function theorem, exact at the fixed point, memory independent of the solve.

    At z = f(z, theta): dL/dtheta = v^T df/dtheta, with (I - J^T) v = dL/dz and J = df/dz. One call is one node of the
    autograd graph, differentiable to any order; forward mode and torch.func are refused (InputError).

    solver: GMRES (default), or any fixed-point solver, for the adjoint system, to `tol` relative to ||dL/dz||.
    Source: Bai, Kolter & Koltun, arXiv 1909.01377; the modular use under EI losses: arXiv 2511.18667.
    """

    solver: AdjointSolver = field(default_factory=GMRES)

    def __call__(self, f: StateMap, z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f; gradients reach every tensor that f closes over."""
        solution, progress = run_fixed_point(f, z0, solver)
        if not torch.is_grad_enabled():
            return solution.value
        packing = Packing.of(solution.value)
        with torch.no_grad():
            # The evaluation that autograd needs anyway is made where the solver would go next: beyond the tolerance.
            ahead, _ = solver.propose(progress)
            usable = progress.converged & ahead.isfinite().all(dim=1)
            ahead = torch.where(usable[:, None], ahead, progress.best_z)
        evaluation, attached = self._track(f, ahead, packing)
        with torch.no_grad():
            fz = packing.pack(detach(evaluation.outputs))
            # As good as the solve's own result, to within rounding where a sample has failed and stayed?
            allowed = 1.001 * solution.residual.clamp(min=solver.tol) * norms(fz)
            misled = not bool((norms(fz - ahead) <= allowed).all())
        if misled:
            del evaluation, attached
            evaluation, attached = self._track(f, progress.best_z, packing)
        if not attached and not unseen(evaluation.outputs, evaluation.state):
            return detach(evaluation.outputs if packing.is_tuple else evaluation.outputs[0])  # by nothing
        outputs = _ImplicitNode.apply(evaluation, *evaluation.outputs, *attached)
        return outputs if packing.is_tuple else outputs[0]

    def _track(self, f: StateMap, flat: Flat, packing: Packing) -> tuple[Evaluation, list[Tensor]]:
        """One evaluation of f with gradients, and the tensors it closes over."""
        state = cut_off(as_tuple(packing.unpack(flat)))
        with torch.compiler.set_stance("force_eager"), Capture(state) as capture:
            value = packing.check(f(state if packing.is_tuple else state[0]))
        return Evaluation(as_tuple(value), state, tuple(capture.aliases), aware(self.solver, f)), capture.attached

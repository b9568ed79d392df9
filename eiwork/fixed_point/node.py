"""The autograd nodes of implicit differentiation, differentiable to any order."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.adjoint import AdjointSolver, solve_adjoint
from eiwork.fixed_point.capture import unseen
from eiwork.fixed_point.state import Packing, as_tuple

Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Evaluation:
    """One tracked evaluation of z -> f(z; p) at a fixed point.

    state: the z that the graph of `outputs` starts from, cut off from everything behind it. parameters: aliases of all
    that f closes over, in the graph of `outputs`. solver: for systems with I - df/dz; None if there is no state,
    and `outputs` is an explicit function of the parameters.
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
        with torch.enable_grad():
            return torch.autograd.grad(
                outputs,
                targets,
                weights,
                retain_graph=True,
                create_graph=create_graph,
                allow_unused=True,
                materialize_grads=True,
            )

    def adjoint(self, g: Tensors) -> Tensors:
        """v with (I - J^T) v = g, sample by sample; g itself for an explicit function."""
        if self.solver is None:
            return g
        packing = Packing.of(g)
        with torch.no_grad():
            product = packing.on_parts(lambda v: self.pull(self.state, v))
            return as_tuple(packing.unpack(solve_adjoint(self.solver, product, packing.pack(g))))


class Cut(torch.autograd.Function):
    """The identity, with no derivative behind it; `capture.unseen` knows its node by name."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Pass x on."""
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> None:
        """Nothing passes."""
        return


class ImplicitNode(torch.autograd.Function):
    """The identity on the outputs of a tracked evaluation; the gradient g becomes v with (I - J^T) v = g.

    The gradient of the loss then flows through the graph of that evaluation, which autograd frees as usual. When a
    graph of the gradient is asked for, it flows to the closed-over tensors through `differentiable_pull` instead.
    """

    @staticmethod
    def forward(ctx: Any, evaluation: Evaluation, *tensors: Tensor) -> Tensors:
        """Copies of the outputs; `tensors` are the outputs and the attached closed-over tensors."""
        outputs = tuple(part.clone() for part in tensors[: len(evaluation.outputs)])
        ctx.evaluation = evaluation
        ctx.save_for_backward(*tensors[len(evaluation.outputs) :], *outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """First derivatives through the outputs, or differentiable ones straight to the closed-over tensors."""
        evaluation: Evaluation = ctx.evaluation
        n_parameters = len(evaluation.parameters)
        if not torch.is_grad_enabled():
            return None, *evaluation.adjoint(gradients), *[None] * n_parameters
        inside = (*evaluation.state, *evaluation.parameters)
        if unseen(evaluation.outputs, inside):
            raise InputError(
                "This fixed point cannot be differentiated twice: a tensor that needs gradients enters f as a direct "
                "argument of a custom autograd.Function, where it cannot be followed. Pass it through an ordinary "
                "operation first, for example x * 1.0 inside f."
            )
        saved = ctx.saved_tensors
        attached, values = saved[:n_parameters], saved[n_parameters:]
        found = differentiable_pull(evaluation, attached, values, gradients)
        return None, *[None] * len(evaluation.outputs), *found

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> None:
        """Forward mode is refused."""
        raise InputError(
            "Fixed points have no forward-mode derivatives (torch.autograd.forward_ad): differentiate in reverse. J v "
            "is the derivative of w -> w^T J applied to v: two torch.autograd.grad, the first with create_graph=True."
        )


class ExplicitNode(torch.autograd.Function):
    """The value of a tracked evaluation, attached to `attached` with the derivative that its graph knows."""

    @staticmethod
    def forward(ctx: Any, evaluation: Evaluation, value: Tensors, *attached: Tensor) -> Tensors:
        """Copies of `value`."""
        outputs = tuple(part.detach().clone() for part in value)
        ctx.evaluation = evaluation
        ctx.save_for_backward(*attached, *outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """v^T d(outputs)/d(parameters), after the adjoint solve if there is a state."""
        evaluation: Evaluation = ctx.evaluation
        if not torch.is_grad_enabled():
            return None, None, *evaluation.pull(evaluation.parameters, evaluation.adjoint(gradients))
        n = len(evaluation.parameters)
        saved = ctx.saved_tensors
        return None, None, *differentiable_pull(evaluation, saved[:n], saved[n:], gradients)


def differentiable_pull(evaluation: Evaluation, attached: Tensors, values: Tensors, g: Tensors) -> Tensors:
    """v^T df/dp with (I - J^T) v = g, itself differentiable in g, in p and in the fixed point.

    attached: the parameters with the graph behind them; values: the fixed point, attached through its own node. v
    solves v = g + J^T v: a fixed point again, whose closed-over tensors are g, the parameters and the fixed point.
    """
    link: Tensors = values if evaluation.solver is not None else ()
    v: Tensors = g
    if evaluation.solver is not None:
        solved = evaluation.adjoint(tuple(part.detach() for part in g))
        leaf, g_leaf = _leaves(solved), _leaves(g)
        products = evaluation.pull(evaluation.state, leaf, create_graph=True)
        with torch.enable_grad():
            outputs = tuple(a + b for a, b in zip(g_leaf, products, strict=True))
        of_v = Evaluation(outputs, leaf, (*evaluation.parameters, *evaluation.state, *g_leaf), evaluation.solver)
        v = ExplicitNode.apply(of_v, solved, *attached, *link, *g)
    leaf = _leaves(v)
    pulled = evaluation.pull(evaluation.parameters, leaf, create_graph=True)
    of_pulled = Evaluation(pulled, (), (*evaluation.parameters, *evaluation.state, *leaf), None)
    return ExplicitNode.apply(of_pulled, pulled, *attached, *link, *v)


def _leaves(tensors: Tensors) -> Tensors:
    return tuple(t.detach().clone().requires_grad_() for t in tensors)

"""First-order gradients: the adjoint solve is left out, cut short, or replaced by a few tracked iterations."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point.capture import unseen
from eiwork.fixed_point.implicit import Evaluation, Tensors, cut_off
from eiwork.fixed_point.record import publish_residual, require, require_damping
from eiwork.fixed_point.solve import run_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import PackedMap, Packing, State, StateMap, as_tuple, detach, norms, relative


class _AfterSolve:
    """A mode that solves without gradient and attaches an approximate one to the fixed point."""

    def __call__(self, f: StateMap, z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f, with the approximate gradient attached."""
        value = run_fixed_point(f, z0, solver)[0].value
        return self._attach(f, value) if torch.is_grad_enabled() else value

    def _attach(self, f: StateMap, value: State) -> State:
        raise NotImplementedError


@dataclass(frozen=True)
class JacobianFree(_AfterSolve):
    """Differentiates one evaluation of f at the fixed point and ignores J: cheap, and biased.

    v^T df/dtheta with v = dL/dz in place of (I - J^T)^{-1} dL/dz. Raises InputError when differentiated again.
    Source: Fung et al., AAAI 2022, arXiv 2103.12803.
    """

    def _attach(self, f: StateMap, value: State) -> State:
        return _first_order(Packing.of(value).check(f(detach(value))), "JacobianFree")


@dataclass(frozen=True)
class Phantom(_AfterSolve):
    """Solves without gradient, then backpropagates through `steps` damped iterations that start at the solution.

    z <- (1 - damping) z + damping f(z), and the output is the last z: many steps approach the implicit gradient, one
    with damping 1 is Jacobian-free. steps: >= 1; memory grows with them. damping: in (0, 1]. Raises InputError when
    differentiated again. Source: Geng et al., NeurIPS 2021, arXiv 2111.05177 (the unrolled form).
    """

    steps: int = 5
    damping: float | int = 0.5

    def __post_init__(self) -> None:
        require(self, self.steps >= 1, "at least one step is needed; try 5.", steps=self.steps)
        require_damping(self, self.damping)

    def _attach(self, f: StateMap, value: State) -> State:
        packing = Packing.of(value)
        flat_map, z = PackedMap(f, packing), packing.pack(detach(value))
        for _ in range(self.steps):
            z = (1 - self.damping) * z + self.damping * flat_map(z)
        return _first_order(packing.unpack(z), "Phantom")


@dataclass(frozen=True)
class Neumann(_AfterSolve):
    """The gradient v^T df/dtheta with v = sum_{k=0}^{terms} (J^T)^k g, where g = dL/dz and J = df/dz.

    terms: vector-Jacobian products, >= 0 (else InputError); 0 is Jacobian-free. Memory does not grow with them;
    truncated, hence biased. The residual of the adjoint report is the size of the last term, relative to g:
    ConvergenceWarning where it exceeds 1 and the series grows. Raises InputError when differentiated again.
    Source: Lorraine, Vicol & Duvenaud, AISTATS 2020, arXiv 1911.02590; for DEQs: arXiv 2111.05177.
    """

    terms: int = 5

    def __post_init__(self) -> None:
        require(self, self.terms >= 0, "must not be negative; 0 is Jacobian-free, try 5.", terms=self.terms)

    def _attach(self, f: StateMap, value: State) -> State:
        packing = Packing.of(value)
        state = cut_off(as_tuple(value))
        outputs = packing.check(f(state if packing.is_tuple else state[0]))
        if not unseen(as_tuple(outputs), state):
            return detach(outputs)  # nothing to differentiate by
        evaluation = Evaluation(as_tuple(outputs), state, (), None)

        def backward(gradients: Tensors) -> Tensors:
            product = packing.on_parts(lambda v: evaluation.pull(state, v))
            total = term = g = packing.pack(gradients)
            for _ in range(self.terms):
                term = product(term)
                total = total + term
            last = relative(norms(term), norms(g))
            settled = publish_residual("adjoint", "Neumann", 1.0, last, self.terms)
            if not bool(settled.all()):
                warnings.warn(
                    f"The Neumann series grows for {int((~settled).sum())} of {settled.numel()} samples: its last term "
                    f"is {float(last.max()):.1e} times dL/dz, so the gradient is wrong. f is not a contraction there: "
                    "use gradient=Implicit(), or control the Lipschitz constant of the operator.",
                    ConvergenceWarning,
                    stacklevel=2,
                )
            return as_tuple(packing.unpack(total))

        return _first_order(outputs, "Neumann", backward)


def refuse_second_derivative(mode: str) -> None:
    """InputError in a backward pass that builds a graph of the gradient."""
    if torch.is_grad_enabled():
        raise InputError(
            f"{mode} cannot be differentiated twice: create_graph=True was set in a backward pass through a fixed "
            "point, and the derivative of its first-order rule is no second derivative. Use gradient=Implicit(), "
            "which is differentiable to any order."
        )


def _first_order(z: State, mode: str, rule: Callable[[Tensors], Tensors] | None = None) -> State:
    """z itself, with a graph for first derivatives; `rule`, if given, turns dL/dz into what enters the graph of z."""
    outputs = _FirstOrder.apply(mode, rule, *as_tuple(z))
    return outputs[0] if isinstance(z, Tensor) else outputs


class _FirstOrder(torch.autograd.Function):
    """The identity forward; backward, the gradients pass through a rule, once."""

    @staticmethod
    def forward(ctx: Any, mode: str, rule: Callable[[Tensors], Tensors] | None, *outputs: Tensor) -> Tensors:
        ctx.mode, ctx.rule = mode, rule
        return tuple(part.view_as(part) for part in outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative(ctx.mode)
        return None, None, *(gradients if ctx.rule is None else ctx.rule(gradients))

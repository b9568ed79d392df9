"""Implicit gradients: one tracked evaluation of f at the fixed point and one adjoint solve."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from eiwork.fixed_point.adjoint import GMRES, AdjointSolver
from eiwork.fixed_point.capture import Capture, not_compiled
from eiwork.fixed_point.node import Cut, Evaluation, ImplicitNode
from eiwork.fixed_point.solve import Run, run_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Flat, Packing, State, StateMap, as_tuple, detach, norms


@dataclass(frozen=True)
class Implicit:
    """Gradient by the implicit function theorem, exact at the fixed point, memory independent of the solve.

    At z = f(z, theta): dL/dtheta = v^T df/dtheta, with (I - J^T) v = dL/dz and J = df/dz. One call is one node of the
    autograd graph, so calls compose: an EI loss with two reconstructions has two nodes and needs no further rule. The
    node is differentiable to any order (`create_graph=True`); forward mode and torch.func are refused (InputError).
    f must treat the samples of a batch independently (no batch normalisation in training mode).

    solver: GMRES (default), or any fixed-point solver, for the adjoint system; its tolerance is relative to
    ||dL/dz|| of each sample. Source: Bai, Kolter & Koltun, arXiv 1909.01377; the modular use under EI losses: arXiv
    2511.18667.
    """

    solver: AdjointSolver = field(default_factory=GMRES)

    def __call__(self, f: StateMap, z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f; gradients reach every tensor that f closes over."""
        run = run_fixed_point(f, z0, solver)
        if not torch.is_grad_enabled():
            return run.solution.value
        packing, ahead = run.packing, run.look_ahead()
        evaluation, attached = self._track(f, ahead, packing)
        # The evaluation that autograd needs anyway is one step further; where the step misled, it is made again.
        if not _no_worse(packing.pack(detach(evaluation.outputs)), ahead, run):
            del evaluation, attached
            evaluation, attached = self._track(f, run.progress.best_z, packing)
        outputs = ImplicitNode.apply(evaluation, *evaluation.outputs, *attached)
        return outputs if packing.is_tuple else outputs[0]

    def _track(self, f: StateMap, flat: Flat, packing: Packing) -> tuple[Evaluation, list[Tensor]]:
        """One evaluation of f with gradients, and the tensors it closes over."""
        # The node accounts for the path through z, so that path is cut inside the evaluation.
        state = tuple(Cut.apply(part.detach().requires_grad_()) for part in as_tuple(packing.unpack(flat)))
        with not_compiled(), Capture(state) as capture:
            value = packing.check(f(state if packing.is_tuple else state[0]))
        return Evaluation(as_tuple(value), state, tuple(capture.aliases), self.solver), capture.attached


def _no_worse(fz: Flat, z: Flat, run: Run) -> bool:
    """Whether z is as good as the solve's own result: to its tolerance, or to its residual where that is larger."""
    with torch.no_grad():
        residual = norms(fz - z)
        # A sample that failed has stayed where it was, where its residual is the same to within rounding.
        allowed = 1.001 * run.solution.residual.clamp(min=run.solver.tol) * norms(fz)
        return bool((residual <= allowed).all())

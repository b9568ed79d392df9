"""Neumann gradients: the adjoint solve is replaced by a truncated Neumann series."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point.gradients.rule import attach, refuse_transforms
from eiwork.fixed_point.record import Report, publish
from eiwork.fixed_point.solve import solve_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Flat, FlatMap, State, norms


@dataclass(frozen=True)
class Neumann:
    """The gradient v^T df/dtheta with v = sum_{k=0}^{terms} (J^T)^k g, where g = dL/dz and J = df/dz.

    `terms` counts the terms beyond g, and so the vector-Jacobian products: 0 is Jacobian-free (v = g), 1 is
    v = g + J^T g. One tracked evaluation of f, memory independent of `terms`; truncated, hence biased.

    The adjoint report carries ||(J^T)^terms g|| / ||g||, the size of the last term, which is the residual of the sum
    without it (no further product is spent on the residual of the whole). Warns with ConvergenceWarning where that
    exceeds 1: the series grows. Raises InputError for terms < 0, when differentiated again, or under torch.func.
    Source: Lorraine, Vicol & Duvenaud, AISTATS 2020, arXiv 1911.02590; for DEQs: arXiv 2111.05177.
    """

    terms: int = 5

    def __post_init__(self) -> None:
        if self.terms < 0:
            raise InputError(f"Neumann(terms={self.terms}): must not be negative; 0 is Jacobian-free, try 5.")

    def __call__(self, f: Callable[[State], State], z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f, with the truncated gradient attached."""
        refuse_transforms("Neumann")
        value = solve_fixed_point(f, z0, solver).value
        return attach(f, value, "Neumann", self._sum) if torch.is_grad_enabled() else value

    def _sum(self, product: FlatMap, g: Flat) -> Flat:
        total = term = g
        for _ in range(self.terms):
            term = product(term)
            total = total + term
        last = relative(norms(term), norms(g))
        settled = last <= 1
        publish(Report("adjoint", "Neumann", 1.0, self.terms, last, settled))
        if not bool(settled.all()):
            warnings.warn(
                f"The Neumann series grows for {int((~settled).sum())} of {settled.numel()} samples: its last term is "
                f"{float(last.max()):.1e} times dL/dz, so the gradient is wrong. f is not a contraction there: use "
                "gradient=Implicit(), or control the Lipschitz constant of the operator.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return total


def relative(size: Tensor, reference: Tensor) -> Tensor:
    """size / reference per sample; 0 where both vanish."""
    ratio = size / reference.clamp(min=torch.finfo(reference.dtype).tiny)
    return torch.where(size == 0, torch.zeros_like(ratio), ratio)

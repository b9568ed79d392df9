"""Phantom gradients: a few tracked, damped iterations from the fixed point."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from eiwork.errors import InputError
from eiwork.fixed_point.gradients.rule import first_order, refuse_transforms
from eiwork.fixed_point.solve import solve_fixed_point
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Packing, State, detach


@dataclass(frozen=True)
class Phantom:
    """Solves without gradient, then backpropagates through `steps` damped iterations that start at the solution.

    z <- (1 - damping) z + damping f(z), from the detached fixed point; the output is the last z. In the limit of many
    steps the gradient is the implicit one; steps = 1 and damping = 1 is Jacobian-free. Memory grows with `steps`.

    steps: tracked evaluations of f, >= 1. damping: weight of f(z) in (0, 1]. The detached start makes the first
    derivative biased and a second one meaningless: InputError when it is differentiated again, or under torch.func.
    Source: Geng et al., NeurIPS 2021, arXiv 2111.05177 (the unrolled form).
    """

    steps: int = 5
    damping: float | int = 0.5

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"Phantom(steps={self.steps}): at least one step is needed; try 5.")
        if not 0 < self.damping <= 1:
            raise InputError(f"Phantom(damping={self.damping}): damping must lie in (0, 1]; 1 is undamped.")

    def __call__(self, f: Callable[[State], State], z0: State, solver: FixedPointSolver) -> State:
        """The fixed point of f, with the phantom gradient attached."""
        refuse_transforms("Phantom")
        value = solve_fixed_point(f, z0, solver).value
        if not torch.is_grad_enabled():
            return value
        packing = Packing.of(value)
        flat_map, z = packing.flat_map(f), packing.pack(detach(value))
        for _ in range(self.steps):
            z = (1 - self.damping) * z + self.damping * flat_map(z)
        return first_order(packing.unpack(z), "Phantom")

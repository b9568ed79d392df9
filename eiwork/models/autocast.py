"""Low precision where it is harmless: the denoiser in bfloat16, everything that measures in float32."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point import FixedPointSolver, GradientMode
from eiwork.fixed_point.state import Packing, State, norms
from eiwork.models.batch_map import BatchMap
from eiwork.models.deq import DEQ

Image = Float[Tensor, "batch channel height width"]
LOW_PRECISION = (torch.bfloat16, torch.float16)


class Autocast(nn.Module):
    """An iteration whose denoiser runs under autocast; data step, physics, states and outputs keep their type.

    The equilibrium and its gradient are those of the rounded map: the relative difference is about the rounding of the
    denoiser (4e-4 of the image in bfloat16 for a ResidualCNN) over sigma_min(I - J). `MixedPrecisionDEQ` removes it.

    iteration: one with a `denoiser`, e.g. ProximalGradient(ResidualCNN()); its weights stay in their own type.
    dtype: torch.bfloat16 or torch.float16. Raises InputError for another dtype or an iteration without a denoiser.
    """

    def __init__(self, iteration: nn.Module, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        if dtype not in LOW_PRECISION:
            raise InputError(f"Autocast(dtype={dtype}): choose torch.bfloat16 or torch.float16.")
        require_denoiser(iteration, "Autocast")
        self.iteration: Any = iteration
        self.dtype = dtype

    def forward(self, z: State, y: Tensor, physics: LinearPhysics) -> State:
        """One application of F with the denoiser in low precision."""
        return with_denoiser(self.iteration, lambda d: _Cast(d, self.dtype))(z, y, physics)

    def start(self, y: Tensor, physics: LinearPhysics) -> State:
        """The iteration's start."""
        return self.iteration.start(y, physics)

    def image(self, z: State) -> Image:
        """The iteration's image of a state."""
        return self.iteration.image(z)

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> State:
        """The iteration's state with image x."""
        return self.iteration.state_from(x, y, physics)


class MixedPrecisionDEQ(DEQ):
    """A DEQ whose solve runs in low precision while it is far from the fixed point, and in full precision after.

    An evaluation whose residual falls below `switch_at` for any sample is repeated in full precision, and so are all
    that follow, in the same run of the solver with the same history. What converges, the tracked evaluation and the
    adjoint products are therefore those of the DEQ itself, and so are the equilibrium and the gradient to the solver's
    tolerance. Weights and state_dict are the DEQ's.

    switch_at: relative residual in (0, 1), above the rounding of the map (4e-4 in bfloat16); twice the solver's
    tolerance where that is larger. Other arguments as DEQ and Autocast; raises InputError as they do.
    """

    def __init__(
        self,
        iteration: nn.Module,
        solver: FixedPointSolver | None = None,
        gradient: GradientMode | None = None,
        *,
        switch_at: float | int = 5e-3,
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        super().__init__(iteration, solver, gradient)
        require_denoiser(iteration, "MixedPrecisionDEQ")
        if dtype not in LOW_PRECISION:
            raise InputError(f"MixedPrecisionDEQ(dtype={dtype}): choose torch.bfloat16 or torch.float16.")
        if not 0 < switch_at < 1:
            raise InputError(f"MixedPrecisionDEQ(switch_at={switch_at}): a relative residual in (0, 1); try 5e-3.")
        self.switch_at, self.dtype = switch_at, dtype

    def _map(self, y: Tensor, physics: LinearPhysics, solver: FixedPointSolver) -> Callable[[State], State]:
        low: Any = with_denoiser(cast(nn.Module, self.iterate), lambda d: _Cast(d, self.dtype))
        # No sample may converge by an evaluation in low precision, however loose the tolerance.
        switch_at = max(self.switch_at, 2 * solver.tol)
        return _Staged(BatchMap(low, y, physics), BatchMap(self.iterate, y, physics), _Stage(switch_at))


@dataclass
class _Stage:
    """Whether a solve is still far from its fixed point; shared by the maps of all its active sets."""

    switch_at: float | int
    coarse: bool = True


@dataclass
class _Staged:
    """z -> low(z) until a sample's residual is below `switch_at`, exact(z) from then on and where gradients are on."""

    low: BatchMap
    exact: BatchMap
    stage: _Stage

    def __call__(self, z: State) -> State:
        if not self.stage.coarse or torch.is_grad_enabled():
            return self.exact(z)
        out = self.low(z)
        before, after = (Packing.of(state).pack(state) for state in (z, out))
        if bool((norms(after - before) > self.stage.switch_at * norms(after)).all()):
            return out
        self.stage.coarse = False
        return self.exact(z)

    def select(self, indices: Tensor) -> "_Staged | None":
        """The map of some samples, as BatchMap.select; it switches together with this one."""
        low, exact = self.low.select(indices), self.exact.select(indices)
        return None if low is None or exact is None else _Staged(low, exact, self.stage)


class _Cast(nn.Module):
    """A module under autocast, its output in the type of its input."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module, self.dtype = module, dtype

    def forward(self, x: Tensor, *arguments: Any) -> Tensor:
        with torch.autocast(x.device.type, self.dtype):
            return self.module(x, *arguments).to(x.dtype)


def require_denoiser(iteration: nn.Module, name: str) -> None:
    """InputError unless the iteration has its own denoiser: one inside a wrapped iteration cannot be exchanged."""
    if "denoiser" not in iteration._modules:  # noqa: SLF001
        raise InputError(
            f"{name} takes an iteration with its own `denoiser`, such as ProximalGradient(denoiser); "
            f"{type(iteration).__name__} has none. Wrap the innermost iteration first."
        )


def with_denoiser(iteration: nn.Module, change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """The iteration with another denoiser: a shallow copy that shares every weight; the original is untouched."""
    changed = copy.copy(iteration)
    changed.__dict__["_modules"] = dict(iteration._modules)  # noqa: SLF001
    changed.denoiser = change(iteration.denoiser)  # type: ignore[arg-type]
    return changed

"""torch.compile inside an iteration, for the evaluations that need no gradient."""

import copy
import os
import shutil
import sys
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.state import State
from eiwork.models.autocast import require_denoiser, with_denoiser

Image = Float[Tensor, "batch channel height width"]


class Compiled(nn.Module):
    """An iteration whose denoiser is compiled for the solve; wherever gradients are on, it runs as it is.

    The compiled map differs from the iteration by rounding alone (1e-6 relative in float32). The tracked evaluation and
    its vector-Jacobian products are the iteration's own: a compiled graph cannot be differentiated twice, watching it
    compiles it again, and on a CPU its products are slower (6.7 ms against 3.4 ms for a ResidualCNN at 64x64, batch 8).
    The first evaluations compile, which takes seconds: once for the first shape, once for all others.
    The physics is not traced: its sparse and complex operations would only break the graph.

    iteration: one with a `denoiser`, e.g. ProximalGradient(ResidualCNN()). backend: a torch.compile backend.
    Raises InputError for another iteration or backend, and when the default backend finds no C++ compiler for the CPU.
    """

    def __init__(self, iteration: nn.Module, backend: str = "inductor") -> None:
        super().__init__()
        known = torch.compiler.list_backends(exclude_tags=None)
        if backend not in known:
            raise InputError(f"Compiled(backend={backend!r}): choose one of {', '.join(sorted(known))}.")
        require_denoiser(iteration, "Compiled")
        self.iteration: Any = iteration
        self.backend = backend
        # Not a submodule: the weights appear once in the state_dict.
        self._compiled: tuple[Any, ...] = ()

    def forward(self, z: State, y: Tensor, physics: LinearPhysics) -> State:
        """One application of F."""
        if torch.is_grad_enabled():
            return self.iteration(z, y, physics)
        return with_denoiser(self.iteration, self._compile)(z, y, physics)

    def _compile(self, denoiser: nn.Module) -> nn.Module:
        if not self._compiled:
            self._require_compiler(next(denoiser.parameters(), torch.zeros(0)).device)
            self._compiled = (torch.compile(denoiser, backend=self.backend),)
        return self._compiled[0]

    def start(self, y: Tensor, physics: LinearPhysics) -> State:
        """The iteration's start."""
        return self.iteration.start(y, physics)

    def image(self, z: State) -> Image:
        """The iteration's image of a state."""
        return self.iteration.image(z)

    def state_from(self, x: Image, y: Tensor, physics: LinearPhysics) -> State:
        """The iteration's state with image x."""
        return self.iteration.state_from(x, y, physics)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Compiled":
        """A copy compiles for itself: compiled code belongs to the weights that it was made for."""
        return Compiled(copy.deepcopy(self.iteration, memo), self.backend)

    def _require_compiler(self, device: torch.device) -> None:
        if self.backend != "inductor" or device.type != "cpu":
            return
        # The one that inductor would call: CXX, or the platform's own.
        name = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
        if shutil.which(name) is None:
            raise InputError(
                f"torch.compile needs the C++ compiler {name!r} for the CPU, which is not on the PATH. Install it, "
                "point CXX at another one, or leave out Compiled (recipe: model.compiled)."
            )

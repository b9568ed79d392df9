"""What a library under comparison is: ways to solve forward, ways to solve backward, and how they make a model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

Level = float | int


@dataclass(frozen=True)
class Method:
    """A solver with every setting fixed but one, its `level`: a tolerance or a number of iterations.

    levels: from the cheapest to the most accurate. solver: the library's own description of the solver at a level.
    """

    name: str
    levels: tuple[Level, ...]
    solver: Callable[[Level], Any]


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library: its forward and backward methods, and `compose(forward, backward, D, gamma)`, its DEQ.

    defaults(D, gamma): its DEQ with nothing chosen. accurate: its forward solver for a fixed point as exact as it gets.
    budget(n): its backward solvers capped at n products. tolerance(tol): forward and backward solvers that
    stop by a relative tolerance, as its users set them.
    """

    name: str
    version: str
    forward: tuple[Method, ...]
    backward: tuple[Method, ...]
    compose: Callable[[Any, Any, nn.Module, float], nn.Module]
    defaults: Callable[[nn.Module, float], nn.Module]
    accurate: Any
    budget: Callable[[int], dict[str, Any]]
    tolerance: Callable[[float], tuple[Any, Any]]

    def method(self, kind: Literal["forward", "backward"], name: str) -> Method:
        """The method of a name."""
        return next(method for method in getattr(self, kind) if method.name == name)


@dataclass(frozen=True)
class Setting:
    """One point of a library's grid: a forward and a backward method, each at a level."""

    library: Library
    forward: Method
    forward_level: Level
    backward: Method
    backward_level: Level

    def model(self, denoiser: nn.Module, step_size: float) -> nn.Module:
        """Compose the DEQ, a module that takes y and the physics."""
        return self.library.compose(
            self.forward.solver(self.forward_level),
            self.backward.solver(self.backward_level),
            denoiser,
            step_size,
        )

    @property
    def label(self) -> str:
        """Both methods with their levels."""
        return f"{self.forward.name} {self.forward_level:.3g} / {self.backward.name} {self.backward_level:.3g}"

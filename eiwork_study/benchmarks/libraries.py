"""The libraries that are compared: ours, deepinv, and torchdeq where it is installed."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

from deepinv.optim import PGD, PnP
from deepinv.optim.data_fidelity import L2
from deepinv.optim.optimizers import AndersonAccelerationConfig, DEQConfig
from deepinv.physics import LinearPhysics
from torch import Tensor, nn

import eiwork
from eiwork.fixed_point import GMRES, Anderson, Implicit
from eiwork.models import DEQ, GradientStep, ProximalGradient


@dataclass(frozen=True, kw_only=True)
class Library:
    """How a library makes the DEQ of proximal gradient descent with a denoiser D and a step of 1.

    compose(forward, backward, D): with its own solvers. defaults(D): with nothing chosen. accurate: its forward solver
    for a fixed point as exact as it gets. budget(n): its backward solvers capped at n products. tolerance(tol): forward
    and backward solvers that stop by a relative tolerance, as its users set them.
    """

    name: str
    version: str
    compose: Callable[[Any, Any, nn.Module], nn.Module]
    defaults: Callable[[nn.Module], nn.Module]
    accurate: Any
    budget: Callable[[int], dict[str, Any]]
    tolerance: Callable[[float], tuple[Any, Any]]


def _iteration(denoiser: nn.Module) -> ProximalGradient:
    step = GradientStep(1.0)
    step.requires_grad_(False)
    return ProximalGradient(denoiser, step)


OURS = Library(
    name="eiwork",
    version=eiwork.__version__,
    compose=lambda forward, backward, denoiser: DEQ(_iteration(denoiser), forward, Implicit(backward)),
    defaults=lambda denoiser: DEQ(_iteration(denoiser)),
    accurate=Anderson(tol=1e-13, max_iter=2000, memory=20),
    budget=lambda n: {
        "GMRES": GMRES(tol=1e-13, max_iter=n, restart=n),
        "Anderson(memory=10)": Anderson(tol=1e-13, max_iter=n, memory=10),
    },
    tolerance=lambda tol: (Anderson(tol=tol, max_iter=1000, memory=10), GMRES(tol=tol, max_iter=1000)),
)


@dataclass(frozen=True)
class _Forward:
    """Arguments of PGD: a cap, a threshold on the batch mean (None runs to the cap) and Anderson's settings."""

    max_iter: int
    threshold: float | None
    anderson: AndersonAccelerationConfig


def _deepinv(forward: _Forward, backward: DEQConfig, denoiser: nn.Module) -> nn.Module:
    return PGD(
        prior=PnP(denoiser),
        data_fidelity=L2(),
        stepsize=1.0,
        max_iter=forward.max_iter,
        early_stop=forward.threshold is not None,
        # The same threshold stops the backward solve, which has none of its own; without one the caps rule.
        thres_conv=1e-30 if forward.threshold is None else forward.threshold,
        anderson_acceleration=forward.anderson,
        DEQ=backward,
        trainable_params=[],
    )


def _backward(history: int, beta: float, eps: float, n: int) -> DEQConfig:
    return DEQConfig(
        anderson_acceleration_backward=history > 0,
        history_size_backward=max(history, 1),
        beta_backward=beta,
        eps_backward=eps,
        max_iter_backward=n,
    )


# eps is absolute in deepinv, so the value that works depends on the scale of the residual and of the loss: beside the
# defaults of both passes, down to where it no longer matters in float64.
_SETTINGS = ((0, 1.0, 0.0), (10, 0.9, 0.1), (5, 1.0, 1e-4), (20, 1.0, 1e-20), (20, 1.0, 1e-24), (40, 1.0, 1e-28))
DEEPINV = Library(
    name="deepinv",
    version=version("deepinv"),
    compose=_deepinv,
    defaults=lambda denoiser: PGD(prior=PnP(denoiser), data_fidelity=L2(), stepsize=1.0, DEQ=True, trainable_params=[]),
    accurate=_Forward(500, None, AndersonAccelerationConfig(20, 1.0, 1e-28)),
    budget=lambda n: {
        f"Anderson(history={h}, beta={beta:g}, eps={eps:g})" if h else "plain": _backward(h, beta, eps, n)
        for h, beta, eps in _SETTINGS
    },
    tolerance=lambda tol: (
        _Forward(1000, tol, AndersonAccelerationConfig(10, 1.0, 1e-16)),
        _backward(10, 1.0, 1e-16, 1000),
    ),
)


@dataclass(frozen=True)
class _Solver:
    """One of torchdeq's solvers with a relative tolerance, a cap and its own options."""

    name: str
    tol: float
    max_iter: int
    options: dict[str, Any] = field(default_factory=dict)

    def register(self) -> str:
        """The key under which torchdeq finds the solver with these options (its only way to set them backward)."""
        from torchdeq.solver import get_solver, register_solver

        key = self.name + "".join(f",{k}={v}" for k, v in self.options.items())
        if self.options:
            register_solver(key, partial(get_solver(self.name), **self.options))
        return key


class _TorchDEQ(nn.Module):
    """torchdeq's implicit layer around our iteration, as model(y, physics)."""

    def __init__(self, denoiser: nn.Module, **options: Any) -> None:
        super().__init__()
        from torchdeq import get_deq

        self.iterate, self.deq = _iteration(denoiser), get_deq(ift=True, **options)

    def forward(self, y: Tensor, physics: LinearPhysics) -> Tensor:
        """The reconstruction of measurements."""
        outputs, _ = self.deq(lambda x: self.iterate(x, y, physics), self.iterate.start(y.detach(), physics))
        return outputs[-1]


def _torchdeq(forward: _Solver, backward: _Solver, denoiser: nn.Module) -> nn.Module:
    caps = {"f_max_iter": forward.max_iter, "b_max_iter": backward.max_iter}
    stops = {"f_tol": forward.tol, "b_tol": backward.tol, "f_stop_mode": "rel", "b_stop_mode": "rel"}
    solvers = {"f_solver": forward.register(), "b_solver": backward.register()}
    return _TorchDEQ(denoiser, **solvers, **caps, **stops).train()


def libraries() -> list[Library]:
    """Ours first, then the peers that are installed."""
    if importlib.util.find_spec("torchdeq") is None:
        return [OURS, DEEPINV]
    options = {"fixed_point_iter": {}, "anderson": {"m": 20, "lam": 1e-24}, "broyden": {}}
    torchdeq = Library(
        name="torchdeq",
        version=version("torchdeq"),
        compose=_torchdeq,
        defaults=lambda denoiser: _TorchDEQ(denoiser).train(),
        accurate=_Solver("broyden", 1e-13, 500),
        budget=lambda n: {name: _Solver(name, 1e-13, n, own) for name, own in options.items()},
        tolerance=lambda tol: (_Solver("broyden", tol, 500), _Solver("broyden", tol, 500)),
    )
    return [OURS, DEEPINV, torchdeq]

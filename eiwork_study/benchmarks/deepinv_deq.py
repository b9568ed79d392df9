"""deepinv's grid: `PGD(..., DEQ=DEQConfig(...))` with its own Anderson acceleration or none."""

from dataclasses import dataclass
from importlib.metadata import version

from deepinv.optim import PGD, PnP
from deepinv.optim.data_fidelity import L2
from deepinv.optim.optimizers import AndersonAccelerationConfig, DEQConfig
from torch import nn

from eiwork_study.benchmarks.library import Level, Library, Method

COUNTS: tuple[Level, ...] = tuple(range(2, 40)) + tuple(range(40, 100, 4)) + tuple(range(100, 320, 20))


@dataclass(frozen=True)
class Forward:
    """Arguments of PGD: a cap, a threshold on the batch mean (None runs to the cap) and Anderson's settings."""

    max_iter: int
    threshold: float | None = None
    anderson: AndersonAccelerationConfig | None = None


def compose(forward: Forward, backward: DEQConfig, denoiser: nn.Module, step_size: float) -> nn.Module:
    """deepinv's DEQ of proximal gradient descent with D as plug-and-play prior."""
    return PGD(
        prior=PnP(denoiser),
        data_fidelity=L2(),
        stepsize=step_size,
        max_iter=forward.max_iter,
        early_stop=forward.threshold is not None,
        # The same threshold stops the backward solve, which has none of its own; without one the caps rule.
        thres_conv=1e-30 if forward.threshold is None else forward.threshold,
        anderson_acceleration=forward.anderson or False,
        DEQ=backward,
        trainable_params=[],
    )


def _forward_method(history: int, beta: float, eps: float) -> Method:
    config = AndersonAccelerationConfig(history, beta, eps) if history else None
    return Method(_name(history, beta, eps), COUNTS, lambda n: Forward(int(n), None, config))


def _name(history: int, beta: float, eps: float) -> str:
    return f"Anderson(history={history}, beta={beta:g}, eps={eps:g})" if history else "plain"


def _backward_method(history: int, beta: float, eps: float) -> Method:
    def config(n: Level) -> DEQConfig:
        return DEQConfig(
            anderson_acceleration_backward=history > 0,
            history_size_backward=max(history, 1),
            beta_backward=beta,
            eps_backward=eps,
            max_iter_backward=int(n),
        )

    return Method(_name(history, beta, eps), COUNTS, config)


# eps is absolute in deepinv, so the value that works depends on the scale of the residual and of the loss: beside the
# defaults of both passes, down to where it no longer matters in float32. Few steps of history lose, damping too.
_DEFAULTS: tuple[tuple[int, float, float], ...] = ((0, 1.0, 0.0), (10, 0.9, 0.1), (5, 1.0, 1e-4))
_TUNED: tuple[tuple[int, float, float], ...] = tuple(
    (history, 1.0, eps) for eps in (1e-12, 1e-16, 1e-20) for history in (5, 10, 20)
)
_SETTINGS = (*_DEFAULTS, *_TUNED)
_FLOAT64 = (*_DEFAULTS, (20, 1.0, 1e-20), (20, 1.0, 1e-24), (40, 1.0, 1e-28))


def _defaults(denoiser: nn.Module, step_size: float) -> nn.Module:
    return PGD(prior=PnP(denoiser), data_fidelity=L2(), stepsize=step_size, DEQ=True, trainable_params=[])


DEEPINV = Library(
    name="deepinv",
    version=version("deepinv"),
    forward=tuple(_forward_method(*setting) for setting in _SETTINGS),
    backward=tuple(_backward_method(*setting) for setting in _SETTINGS),
    compose=compose,
    defaults=_defaults,
    accurate=Forward(500, None, AndersonAccelerationConfig(20, 1.0, 1e-28)),
    budget=lambda n: {_name(*setting): _backward_method(*setting).solver(n) for setting in _FLOAT64},
    tolerance=lambda tol: (
        Forward(1000, tol, AndersonAccelerationConfig(10, 1.0, 1e-16)),
        _backward_method(10, 1.0, 1e-16).solver(1000),
    ),
)

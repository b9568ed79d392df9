"""Adam with a warm-up and a cosine, and the average of the weights."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from eiwork.errors import InputError


@dataclass(frozen=True)
class Optimiser:
    """Adam with a cosine schedule to zero, gradient clipping by norm, and an exponential average of the weights.

    learning_rate: > 0. batch_size: >= 1. warmup: steps over which the rate rises linearly to the schedule's; 0 for
    none. clip: largest norm of a step's gradient, > 0. ema: decay of the average, in [0, 1); 0 keeps the last weights.
    scalar_rate: learning rate of single numbers (step sizes and penalties, by their logarithms) in units of the
    weights'; > 0, and without effect where a model has none. Raises InputError for values out of range. Ours.
    """

    learning_rate: float = 1e-3
    batch_size: int = 8
    warmup: int = 50
    clip: float = 0.03
    ema: float = 0.995
    scalar_rate: float = 5.0

    def __post_init__(self) -> None:
        positive = {name: getattr(self, name) for name in ("learning_rate", "clip", "scalar_rate")}
        wrong = [f"{name}={value}" for name, value in positive.items() if not 0 < value < float("inf")]
        if wrong:
            raise InputError(f"{', '.join(wrong)}: must be positive and finite.")
        if self.batch_size < 1 or self.warmup < 0 or not 0 <= self.ema < 1:
            raise InputError(
                f"batch_size={self.batch_size}, warmup={self.warmup}, ema={self.ema}: needs batch_size >= 1, "
                "warmup >= 0, and ema in [0, 1)."
            )

    def adam(self, model: nn.Module) -> torch.optim.Adam:
        """Adam on a model's parameters; each group's `scale` is its learning rate in units of the schedule's."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        if not parameters:
            raise InputError(
                f"{type(model).__name__} has no parameter that requires a gradient, so there is nothing to train: pass "
                "a model with weights, or unfreeze them (model.requires_grad_())."
            )
        scalars, weights = [p for p in parameters if p.ndim == 0], [p for p in parameters if p.ndim > 0]
        if not scalars or not weights or self.scalar_rate == 1.0:
            groups = [{"params": parameters, "scale": 1.0}]
        else:
            groups = [{"params": weights, "scale": 1.0}, {"params": scalars, "scale": self.scalar_rate}]
        return torch.optim.Adam(groups, lr=self.learning_rate)

    def rate(self, step: int, steps: int) -> float:
        """Cosine from the learning rate at step 0 to zero at the last, times the linear rise of the warm-up."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / steps))

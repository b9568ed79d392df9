"""Denoisers trained by least squares on clean images: operators that are near a proximal map for another reason."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import ConvergenceError, InputError
from eiwork.training.randomness import batch_indices, seeded

Image = Float[Tensor, "n channel height width"]


def fit_denoiser(
    network: nn.Module,
    images: Image,
    *,
    seed: int,
    noise: float | int = 0.1,
    steps: int = 400,
    batch_size: int = 8,
    learning_rate: float = 2e-3,
) -> nn.Module:
    """Train a network on ||D(x + n) - x||^2, n white of a standard deviation uniform in [0, noise]; returns it.

    The least-squares denoiser of one noise level is the gradient of a potential, and a proximal map (Gribonval, IEEE
    Transactions on Signal Processing 59, 2011): a network that approximates it has reason to be near one. Adam with a
    cosine schedule, gradients clipped to norm 1. Everything random follows from the seed.
    Raises InputError for settings out of range, ConvergenceError if the loss is not finite.
    """
    if steps < 1 or batch_size < 1 or not learning_rate > 0 or not noise > 0:
        raise InputError(
            f"fit_denoiser(steps={steps}, batch_size={batch_size}, learning_rate={learning_rate}, noise={noise}): all "
            "must be positive."
        )
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        x = images[batch_indices(seed, step, len(images), batch_size, "pretraining")]
        with seeded(seed, "pretraining", step):
            level = noise * torch.rand(len(x), 1, 1, 1)
            noisy = x + level * torch.randn_like(x)
        optimiser.zero_grad(set_to_none=True)
        loss = (network(noisy) - x).square().mean()
        if not bool(loss.isfinite()):
            raise ConvergenceError(
                f"The denoiser's loss is {float(loss)} at step {step}: lower the learning rate, {learning_rate}."
            )
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return network

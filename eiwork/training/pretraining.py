"""Teaching the operator D to denoise before the training, from measurements alone."""

import torch

from eiwork.losses.denoising import denoiser_of, random_levels
from eiwork.training.interrupt import Interrupt
from eiwork.training.randomness import batch_indices, seeded
from eiwork.training.state import TrainingState
from eiwork.training.step import StepContext


def pretrain(state: TrainingState, context: StepContext, interrupt: Interrupt) -> bool:
    """Train D alone on ||D(A^+ y + n) - A^+ y||^2; returns whether it was finished, else the weights are as before.

    Ends at once for a recipe without pre-training. Everything random follows from the recipe's seed.
    """
    settings = context.recipe.pretraining
    if settings is None or state.pretrained:
        state.pretrained = True
        return True
    start = {name: value.clone() for name, value in state.model.state_dict().items()}
    denoiser = denoiser_of(state.model)
    optimiser = torch.optim.Adam(denoiser.parameters(), lr=settings.learning_rate)
    seed, batch_size = context.recipe.seed, context.recipe.optimiser.batch_size
    for step in range(settings.steps):
        if interrupt.requested:
            state.model.load_state_dict(start)
            return False
        indices = batch_indices(seed, step, len(context.images), batch_size, "pretraining")
        y = context.images[indices].to(context.device).y
        with seeded(seed, "pretraining", step):
            with torch.no_grad():
                clean = context.physics.A_dagger(y)
                noisy = clean + random_levels(clean, settings.sigma) * torch.randn_like(clean)
            optimiser.zero_grad(set_to_none=True)
            (denoiser(noisy) - clean).square().mean().backward()
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    for name, value in state.model.state_dict().items():
        state.average[name].copy_(value)
    state.pretrained = True
    return True

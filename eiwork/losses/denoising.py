"""Self-supervised denoising of the learned operator itself."""

from typing import Any, Literal

import torch
from deepinv.loss import Loss
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]
Target = Literal["inverse", "reconstruction"]


def denoiser_of(model: nn.Module) -> nn.Module:
    """The learned operator D inside a DEQ or an unrolled network; raises InputError where there is none."""
    module: nn.Module | None = model
    while module is not None:
        found = getattr(module, "denoiser", None)
        if isinstance(found, nn.Module):
            return found
        module = getattr(module, "iterate", None) or getattr(module, "iteration", None)
        module = module if isinstance(module, nn.Module) else None
    raise InputError(
        f"{type(model).__name__} holds no learned operator D: a denoising term needs a DEQ or an unrolled network."
    )


def random_levels(images: Image, sigma: tuple[float, float]) -> Float[Tensor, "batch 1 1 1"]:
    """A standard deviation for each image, uniform in [sigma[0], sigma[1]]."""
    low, high = sigma
    uniform = torch.rand(len(images), 1, 1, 1, dtype=images.dtype, device=images.device)
    return low + (high - low) * uniform


class DenoisingLoss(Loss):
    """||D(v + n) - v||^2 with Gaussian n of random size: D as a denoiser of images that need no ground truth.

    v = A^+ y ("inverse"), or the model's own reconstruction, detached ("reconstruction"). A measurement-only
    regulariser for DEQs in the spirit of HyDRA (arXiv 2601.01228), whose details we do not know: this one is ours.

    sigma: (smallest, largest) standard deviation of n, in image units, 0 <= smallest <= largest, largest > 0.
    target: what v is. Raises InputError for another range, and in use for a model without D.
    """

    def __init__(self, sigma: tuple[float, float] = (0.0, 0.1), *, target: Target = "inverse") -> None:
        low, high = sigma
        if not (0 <= low <= high and high > 0):
            raise InputError(f"DenoisingLoss(sigma={sigma}): needs 0 <= smallest <= largest, largest > 0.")
        super().__init__()
        self.sigma = (float(low), float(high))
        self.target = target

    def forward(
        self, x_net: Image, y: Tensor, physics: LinearPhysics, model: nn.Module, **kwargs: Any
    ) -> Float[Tensor, ""]:
        """The mean over batch and pixels; the gradient reaches D alone."""
        denoiser = denoiser_of(model)
        with torch.no_grad():
            clean = x_net.detach() if self.target == "reconstruction" else physics.A_dagger(y)
            noisy = clean + random_levels(clean, self.sigma) * torch.randn_like(clean)
        return (denoiser(noisy) - clean).square().mean()

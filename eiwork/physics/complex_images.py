"""Complex images as two real channels, deepinv's convention."""

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.physics.checks import check_tensor


def real_to_complex(x: Tensor) -> Float[Tensor, "batch 2 height width"]:
    """Give a real image (batch, 1, height, width) a zero imaginary part; `InputError` for any other input."""
    check_tensor(x, "x", (None, 1, None, None), "(batch, 1, height, width)")
    return torch.cat([x, torch.zeros_like(x)], dim=1)


def magnitude(x: Tensor) -> Float[Tensor, "batch 1 height width"]:
    """Absolute value of a complex image (batch, 2, height, width), else `InputError`; its derivative at 0 is 0."""
    check_tensor(x, "x", (None, 2, None, None), "(batch, 2, height, width), real and imaginary part")
    return torch.linalg.vector_norm(x, dim=1, keepdim=True)


def as_complex(x: Tensor) -> Tensor:
    """Two real channels (batch, 2, ...) as one complex tensor (batch, ...)."""
    return torch.complex(x[:, 0], x[:, 1])


def as_channels(z: Tensor) -> Tensor:
    """A complex tensor (batch, ...) as two real channels (batch, 2, ...)."""
    return torch.stack([z.real, z.imag], dim=1)

"""Coil sensitivities: synthetic ones, and estimates from images of the coils."""

import math

import torch
from jaxtyping import Complex
from torch import Tensor
from torch.nn import functional

from eiwork.errors import InputError
from eiwork.physics.masks import Array, as_tensor


def coil_sensitivities(n_coils: int, height: int, width: int) -> Complex[Tensor, "coil height width"]:
    """Smooth complex64 maps (shapes of ours) of coils evenly spread on a circle, with sum over coils of |s|^2 = 1."""
    y = torch.linspace(-1, 1, height, dtype=torch.float64)[:, None]
    x = torch.linspace(-1, 1, width, dtype=torch.float64)
    maps = []
    for angle in (2 * math.pi * coil / n_coils for coil in range(n_coils)):
        cy, cx = 1.2 * math.sin(angle), 1.2 * math.cos(angle)
        size = torch.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 0.7**2))
        maps.append(torch.polar(size, angle + 0.5 * math.pi * (cy * y + cx * x)))
    return functional.normalize(torch.stack(maps), dim=0).to(torch.complex64)


def checked_complex(value: Array, name: str, what: str) -> Complex[Tensor, "batch coil row column"]:
    """A finite complex tensor or array, with a batch axis of 1 in front of three axes; otherwise `InputError`."""
    value = as_tensor(value, name)
    if not value.is_complex() or value.ndim not in (3, 4):
        raise InputError(f"{name} is {tuple(value.shape)} {value.dtype}; pass complex {what}.")
    if not bool(torch.isfinite(value).all()):
        raise InputError(f"{name} holds NaN or infinite values: look at how it was read or estimated.")
    return value if value.ndim == 4 else value[None]


def walsh_coil_maps(images: Complex[Tensor, "coil height width"]) -> Complex[Tensor, "coil height width"]:
    """Maps from coil images: at each pixel the strongest eigenvector of the coils' covariance around it.

    The covariance is averaged over 5 x 5 pixels (Walsh, Gmitro and Marcellin 2000). sum |s|^2 = 1 at every pixel, also
    where there is no signal and the maps mean nothing: zeros there, as ESPIRiT gives (sigpy, through deepinv), let a
    trained model diverge outside the head. An eigenvector has no phase of its own: it is turned so that the strongest
    combination of the coils over the whole image has phase 0.
    """
    products = (images[:, None] * images[None].conj()).flatten(0, 1)
    parts = torch.view_as_real(products).movedim(-1, 0)
    mean = functional.avg_pool2d(parts, 5, stride=1, padding=2, count_include_pad=False)
    covariance = torch.complex(mean[0], mean[1]).unflatten(0, (len(images), -1)).permute(2, 3, 0, 1)
    strongest = torch.linalg.eigh(covariance).eigenvectors[..., -1].permute(2, 0, 1)
    overall = torch.linalg.eigh(covariance.mean(dim=(0, 1))).eigenvectors[:, -1]
    return strongest * torch.exp(-1j * (overall.conj()[:, None, None] * strongest).sum(dim=0).angle())

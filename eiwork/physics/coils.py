"""Coil sensitivities: synthetic ones, checked ones, and estimates from the measurement itself."""

import math

import torch
from jaxtyping import Complex
from torch import Tensor
from torch.nn import functional

from eiwork.errors import InputError
from eiwork.physics.checks import Numbers
from eiwork.physics.radial_fourier import radial_gridding, radial_trajectory


def coil_sensitivities(n_coils: int, height: int, width: int) -> Complex[Tensor, "coil height width"]:
    """Smooth complex64 maps (shapes of ours) of coils evenly spread on a circle, with sum over coils of |s|^2 = 1."""
    y = torch.linspace(-1, 1, height, dtype=torch.float64)[:, None]
    x = torch.linspace(-1, 1, width, dtype=torch.float64)[None, :]
    maps = []
    for coil in range(n_coils):
        angle = 2 * math.pi * coil / n_coils
        cy, cx = 1.2 * math.sin(angle), 1.2 * math.cos(angle)
        size = torch.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 0.7**2))
        phase = angle + 0.5 * math.pi * (cy * y + cx * x)
        maps.append(torch.polar(size, phase))
    stacked = torch.stack(maps)
    norm = torch.linalg.vector_norm(stacked, dim=0, keepdim=True)
    return (stacked / norm).to(torch.complex64)


def checked_coil_maps(maps: Tensor, size: int) -> Complex[Tensor, "coil size size"]:
    """Complex maps (coil, size, size), finite and not all zero; `InputError` for anything else."""
    if not maps.is_complex() or maps.ndim != 3 or maps.numel() == 0 or tuple(maps.shape[-2:]) != (size, size):
        raise InputError(f"coil_maps is {tuple(maps.shape)} {maps.dtype}; pass complex maps (coil, {size}, {size}).")
    if not bool(torch.isfinite(maps).all()) or not bool((maps != 0).any()):
        raise InputError("coil_maps holds NaN or infinite values, or zeros only: estimate the maps again.")
    return maps


def walsh_coil_maps(images: Complex[Tensor, "coil height width"]) -> Complex[Tensor, "coil height width"]:
    """Maps from coil images: at each pixel the strongest eigenvector of the coils' covariance around it.

    The covariance is averaged over 5 x 5 pixels (Walsh, Gmitro and Marcellin 2000). sum |s|^2 = 1 at every pixel, also
    where there is no signal and the maps mean nothing. An eigenvector has no phase of its own: it is turned so that the
    strongest combination of the coils over the whole image has phase 0.
    """
    products = (images[:, None] * images[None].conj()).flatten(0, 1)
    parts = torch.cat([products.real, products.imag])[None]
    mean = functional.avg_pool2d(parts, 5, stride=1, padding=2, count_include_pad=False)[0]
    n = images.shape[0]
    covariance = torch.complex(mean[: n * n], mean[n * n :]).unflatten(0, (n, n)).permute(2, 3, 0, 1)
    strongest = torch.linalg.eigh(covariance).eigenvectors[..., -1].permute(2, 0, 1)
    overall = torch.linalg.eigh(covariance.mean(dim=(0, 1))).eigenvectors[:, -1]
    return strongest * _phase((overall.conj()[:, None, None] * strongest).sum(dim=0)).conj()


def radial_coil_maps(
    kspace: Tensor, image_size: int, *, angles: Numbers | None = None, positions: Numbers | None = None
) -> Complex[Tensor, "coil size size"]:
    """Maps from the centre of radial k-space, which every scan samples densely: no calibration scan is needed.

    `walsh_coil_maps` of low-resolution coil images of `image_size` pixels a side. kspace: complex (coil, spoke,
    sample). angles, positions: as in `radial_mri`. `InputError` for unusable values.
    """
    images = _low_resolution(kspace, image_size, angles, positions)
    # Eigenvectors do not depend on the unit of the images, but their computation should not underflow.
    return walsh_coil_maps(images / images.abs().max().clamp_min(torch.finfo(images.dtype).tiny))


def maps_with_image_phase(
    kspace: Tensor, coil_maps: Tensor, *, angles: Numbers | None = None, positions: Numbers | None = None
) -> Complex[Tensor, "coil size size"]:
    """Coil maps (coil, size, size) turned so that a low-resolution image of the measurement is real and positive.

    A = F S sees only the product of maps S and image, so that a phase can stand in either: with these maps the image is
    nearly real, as a network trained on real images expects it; its magnitude does not change. The low-resolution phase
    is that of homodyne detection (Noll, Nishimura and Macovski 1991). kspace: complex (coil, spoke, sample). The rest:
    as in `radial_coil_maps`; faster phase stays in the image. `InputError` for unusable values.
    """
    if not coil_maps.is_complex() or coil_maps.ndim != 3:
        raise InputError(f"coil_maps has shape {tuple(coil_maps.shape)}; pass complex maps (coil, size, size).")
    images = _low_resolution(kspace, coil_maps.shape[-1], angles, positions)
    if len(kspace) != len(coil_maps):
        raise InputError(f"kspace has {len(kspace)} coils and coil_maps {len(coil_maps)}: they must agree.")
    return coil_maps * _phase((coil_maps.conj() * images).sum(dim=0))


def _low_resolution(kspace: Tensor, image_size: int, angles: Numbers | None, positions: Numbers | None) -> Tensor:
    """Coil images by gridding, with a Hann window over the centre of k-space, 24 cycles per field of view wide."""
    if not kspace.is_complex() or kspace.ndim != 3:
        raise InputError(f"kspace has shape {tuple(kspace.shape)}; pass complex samples (coil, spoke, sample).")
    trajectory = radial_trajectory(image_size, kspace.shape[1], angles=angles, positions=positions)
    if kspace.shape[1:] != trajectory.shape:
        n, k = kspace.shape[2], trajectory.shape[1]
        raise InputError(f"kspace has {n} samples a spoke, but there are {k} positions: pass those of the samples.")
    distance = torch.tensor(trajectory.positions, dtype=torch.float64) / 12
    hann = torch.cos(distance.clamp(-1, 1) * (torch.pi / 2)).square()
    return radial_gridding(kspace * hann.to(kspace.device, kspace.real.dtype), trajectory)


def _phase(z: Complex[Tensor, "height width"]) -> Complex[Tensor, "height width"]:
    """z / |z|, and 1 at zero."""
    return torch.where(z.abs() > 0, z / z.abs(), torch.ones_like(z))

"""Coil sensitivities from the measurement itself: low-resolution images, combined adaptively."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Complex
from torch import Tensor
from torch.nn import functional

from eiwork.errors import InputError
from eiwork.physics.checks import check_number
from eiwork.physics.radial_gridding import radial_gridding
from eiwork.physics.radial_trajectory import radial_trajectory


def walsh_coil_maps(
    images: Complex[Tensor, "coil height width"], *, window: int = 5
) -> Complex[Tensor, "coil height width"]:
    """Maps from coil images: at each pixel the strongest eigenvector of the coils' covariance around it.

    The covariance is averaged over window x window pixels (Walsh, Gmitro and Marcellin 2000). sum |s|^2 = 1 at every
    pixel, also where there is no signal and the maps mean nothing. An eigenvector has no phase of its own: it is turned
    so that the strongest combination of the coils over the whole image, which sees everything, has phase 0.

    Args:
        images: coil images in one complex unit, smooth ones for smooth maps.
        window: side of the averaging window, an odd number of pixels from 1 up.

    Raises:
        InputError: no such images, or an even window.
    """
    if not images.is_complex() or images.ndim != 3 or images.numel() == 0:
        raise InputError(
            f"images has shape {tuple(images.shape)} and type {images.dtype}; pass complex images (coil, height, "
            "width)."
        )
    rule = "an odd number of pixels from 1 up"
    check_number(window, "window", lambda v: v >= 1 and v % 2 == 1, rule, integer=True)
    products = (images[:, None] * images[None].conj()).flatten(0, 1)
    parts = torch.cat([products.real, products.imag])[None]
    mean = functional.avg_pool2d(parts, window, stride=1, padding=window // 2, count_include_pad=False)[0]
    n = images.shape[0]
    covariance = torch.complex(mean[: n * n], mean[n * n :]).unflatten(0, (n, n)).permute(2, 3, 0, 1)
    strongest = torch.linalg.eigh(covariance).eigenvectors[..., -1].permute(2, 0, 1)
    overall = torch.linalg.eigh(covariance.mean(dim=(0, 1))).eigenvectors[:, -1]
    seen = (overall.conj()[:, None, None] * strongest).sum(dim=0)
    phase = torch.where(seen.abs() > 0, seen / seen.abs(), torch.ones_like(seen))
    return strongest * phase.conj()


def radial_coil_maps(
    kspace: Complex[Tensor, "coil spoke sample"],
    image_size: int,
    *,
    angles: Sequence[float | int] | np.ndarray | Tensor | None = None,
    positions: Sequence[float | int] | np.ndarray | Tensor | None = None,
    calibration_width: float | int = 24,
    window: int = 5,
) -> Complex[Tensor, "coil size size"]:
    """Maps from the centre of radial k-space, which every scan samples densely: no calibration scan is needed.

    Low-resolution coil images by gridding, with a Hann window over the centre of k-space, then `walsh_coil_maps`.

    Args:
        kspace: the measurement of all coils.
        image_size: side of the maps in pixels.
        angles: as in `radial_mri`, in degrees.
        positions: as in `radial_mri`, in cycles per field of view.
        calibration_width: diameter of the centre, in cycles per field of view: image details finer than field of
            view / calibration_width stay out of the maps.
        window: as in `walsh_coil_maps`.

    Raises:
        InputError: unusable k-space, trajectory, width or window.
    """
    rule = "a positive number of cycles per field of view, such as 24"
    check_number(calibration_width, "calibration_width", lambda v: v > 0, rule)
    if not kspace.is_complex() or kspace.ndim != 3:
        raise InputError(f"kspace has shape {tuple(kspace.shape)}; pass complex samples (coil, spoke, sample).")
    trajectory = radial_trajectory(image_size, kspace.shape[1], angles=angles, positions=positions)
    if kspace.shape[1:] != trajectory.shape:
        raise InputError(
            f"kspace has {kspace.shape[2]} samples a spoke, but there are {trajectory.shape[1]} positions: pass the "
            "positions of the samples."
        )
    distance = torch.tensor(trajectory.positions, dtype=torch.float64) / (calibration_width / 2)
    hann = torch.cos(distance.clamp(-1, 1) * (torch.pi / 2)).square()
    images = radial_gridding(kspace * hann.to(kspace.device, kspace.real.dtype), trajectory)
    # Eigenvectors do not depend on the unit of the images, but their computation should not underflow.
    return walsh_coil_maps(images / images.abs().max().clamp_min(torch.finfo(images.dtype).tiny), window=window)

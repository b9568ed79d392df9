"""The slowly varying phase of an image, moved into the coil sensitivities."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Complex
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_number
from eiwork.physics.radial_gridding import radial_gridding
from eiwork.physics.radial_trajectory import radial_trajectory


def maps_with_image_phase(
    kspace: Tensor,
    coil_maps: Tensor,
    *,
    angles: Sequence[float | int] | np.ndarray | Tensor | None = None,
    positions: Sequence[float | int] | np.ndarray | Tensor | None = None,
    calibration_width: float | int = 24,
) -> Complex[Tensor, "coil size size"]:
    """Coil maps turned so that a low-resolution image of the measurement is real and positive.

    A measured image has a phase, from the coils, the field and the flow. A = F S sees only the product of maps S and
    image, so that a phase can stand in either: with these maps the image is nearly real, as a network trained
    on real images expects it. Its magnitude does not change. The low-resolution phase is that of homodyne detection
    (Noll, Nishimura and Macovski 1991), here from gridding with a Hann window over the centre of k-space.

    Args:
        kspace: the measurement of all coils, complex (coil, spoke, sample).
        coil_maps: complex sensitivities (coil, size, size), as `radial_coil_maps` gives them.
        angles: as in `radial_mri`, in degrees.
        positions: as in `radial_mri`, in cycles per field of view.
        calibration_width: diameter of the centre, in cycles per field of view: phase that varies faster stays in the
            image.

    Raises:
        InputError: unusable k-space, maps, trajectory or width.
    """
    rule = "a positive number of cycles per field of view, such as 24"
    check_number(calibration_width, "calibration_width", lambda v: v > 0, rule)
    if not kspace.is_complex() or kspace.ndim != 3 or not coil_maps.is_complex() or coil_maps.ndim != 3:
        raise InputError(
            f"kspace has shape {tuple(kspace.shape)} and coil_maps {tuple(coil_maps.shape)}; pass complex samples "
            "(coil, spoke, sample) and complex maps (coil, size, size)."
        )
    if len(kspace) != len(coil_maps):
        raise InputError(f"kspace has {len(kspace)} coils and coil_maps {len(coil_maps)}: they must agree.")
    size = coil_maps.shape[-1]
    trajectory = radial_trajectory(size, kspace.shape[1], angles=angles, positions=positions)
    if kspace.shape[1:] != trajectory.shape:
        raise InputError(
            f"kspace has {kspace.shape[2]} samples a spoke, but there are {trajectory.shape[1]} positions: pass the "
            "positions of the samples."
        )
    distance = torch.tensor(trajectory.positions, dtype=torch.float64) / (calibration_width / 2)
    hann = torch.cos(distance.clamp(-1, 1) * (torch.pi / 2)).square()
    images = radial_gridding(kspace * hann.to(kspace.device, kspace.real.dtype), trajectory)
    combined = (coil_maps.conj() * images).sum(dim=0)
    phase = torch.where(combined.abs() > 0, combined / combined.abs(), torch.ones_like(combined))
    return coil_maps * phase

"""Radial sampling of k-space: where the samples lie."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_number

GOLDEN_ANGLE = 180 / ((1 + math.sqrt(5)) / 2)
"""111.246 degrees: any number of consecutive spokes covers the circle nearly evenly (Winkelmann et al. 2007)."""


@dataclass(frozen=True)
class RadialTrajectory:
    """Spokes through the centre of k-space, all with the same sample positions.

    Attributes:
        image_size: side of the square image in pixels; the field of view is as wide.
        angles: direction of each spoke in degrees: k_x = k cos(angle) along the image's columns, to the right, and
            k_y = k sin(angle) along its rows, downwards.
        positions: signed k of the samples on every spoke, in cycles per field of view, ascending in equal steps. The
            image holds frequencies from -image_size / 2 to image_size / 2.
    """

    image_size: int
    angles: tuple[float, ...]
    positions: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(spokes, samples)."""
        return len(self.angles), len(self.positions)

    def frequencies(self) -> Float[np.ndarray, "2 samples"]:
        """k_y and k_x of all samples, spoke by spoke, in cycles per field of view."""
        theta, k = np.deg2rad(np.asarray(self.angles)), np.asarray(self.positions)
        return np.stack([np.outer(np.sin(theta), k).ravel(), np.outer(np.cos(theta), k).ravel()])


def radial_trajectory(
    image_size: int,
    n_spokes: int,
    *,
    angles: Sequence[float | int] | np.ndarray | Tensor | None = None,
    positions: Sequence[float | int] | np.ndarray | Tensor | None = None,
) -> RadialTrajectory:
    """A checked trajectory.

    Args:
        image_size: side of the square image in pixels, from 2 up.
        n_spokes: number of spokes, from 1 up.
        angles: `n_spokes` directions in degrees; by default the golden angle, i * 111.246.
        positions: k in cycles per field of view, at least 2, ascending in equal steps of at most 1, within
            image_size / 2 on both sides; by default the whole numbers from -image_size // 2 on, one sample a pixel.

    Raises:
        InputError: impossible values.
    """
    check_number(image_size, "image_size", lambda v: v >= 2, "a whole number of pixels from 2 up", integer=True)
    check_number(n_spokes, "n_spokes", lambda v: v >= 1, "a whole number of spokes from 1 up", integer=True)
    theta = np.arange(n_spokes) * GOLDEN_ANGLE if angles is None else _numbers(angles, "angles")
    if theta.shape != (n_spokes,):
        raise InputError(
            f"angles has shape {theta.shape}, but n_spokes = {n_spokes}; pass one angle in degrees for each spoke."
        )
    k = np.arange(image_size) - float(image_size // 2)
    if positions is not None:
        k = _numbers(positions, "positions")
    steps = np.diff(k) if k.ndim == 1 and len(k) > 1 else np.array([0.0])
    if not (steps > 0).all() or not np.allclose(steps, steps[0]) or steps[0] > 1 + 1e-9:
        raise InputError(
            "positions must be at least two ascending numbers of cycles per field of view in equal steps of at most 1: "
            "wider ones do not resolve the field of view."
        )
    if np.abs(k).max() > image_size / 2:
        raise InputError(
            f"positions reach {np.abs(k).max():g} cycles per field of view, but an image of {image_size} pixels holds "
            f"up to {image_size / 2:g}: crop k-space, or raise image_size."
        )
    return RadialTrajectory(image_size, tuple(theta.tolist()), tuple(k.tolist()))


def _numbers(values: Sequence[float | int] | np.ndarray | Tensor, name: str) -> np.ndarray:
    array = np.asarray(torch.as_tensor(values, dtype=torch.float64).cpu())
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinite values; pass finite numbers.")
    return array

"""Geometry of the embedded slices: planes of a volume, the square canvas, exact area averaging."""

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from eiwork.errors import InputError, listed

PLANES = ("axial", "coronal", "sagittal")

CANVAS = 128
"""Side, in stored pixels, of the square picture in which CT (3 mm pixels) and MR slices (2 mm) are centred."""

HU_OFFSET = 1024
"""A stored CT value is HU + 1024: the 12-bit range of scanners, -1024 HU to 3071 HU, as 0 to 4095."""


def in_plane(volume: NDArray[np.generic], plane: str) -> NDArray[np.generic]:
    """View of an embedded volume (feet to head, front to back, right to left) as a stack of slices of one plane.

    axial: the front on top; coronal: the head on top; both with the patient's right on the left of the picture, as
    radiologists look. sagittal: the head on top, the nose to the left. Raises InputError for another plane.
    """
    if plane == "axial":
        return volume
    if plane == "coronal":
        return volume[::-1].transpose(1, 0, 2)
    if plane == "sagittal":
        return volume[::-1].transpose(2, 0, 1)
    raise InputError(f"There is no plane {plane!r}: choose from {listed(PLANES)}.")


def centred(slices: Float[np.ndarray, "slice row column"], side: int) -> Float[np.ndarray, "slice side side"]:
    """Slices in the middle of a side x side canvas that is 0 elsewhere."""
    count, rows, columns = slices.shape
    canvas = np.zeros((count, side, side), dtype=slices.dtype)
    top, left = (side - rows) // 2, (side - columns) // 2
    canvas[:, top : top + rows, left : left + columns] = slices
    return canvas


def area_average(images: Float[np.ndarray, "image side side"], size: int) -> Float[np.ndarray, "image size size"]:
    """Square images resampled to a smaller size: each new pixel is the mean over the area that it covers.

    Exact for any ratio: a pixel cut by an edge counts with the cut fraction.
    """
    side = images.shape[-1]
    if size == side:
        return images
    edges = np.arange(size + 1) * (side / size)
    pixels = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.clip(overlap, 0.0, None) * (size / side)
    return np.asarray(weights @ images @ weights.T)

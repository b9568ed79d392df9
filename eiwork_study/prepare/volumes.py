"""From NIfTI bytes to oriented, quantised volumes: the processing of the CT and MRI sets."""

import gzip
import zlib
from typing import Any

import numpy as np
from jaxtyping import Float, Int16, UInt8, UInt16
from numpy.typing import NDArray

from eiwork.data.slices import HU_OFFSET
from eiwork.data.store import Real
from eiwork.errors import DataFormatError
from eiwork_study.prepare.packages import require


def read_nifti(raw: bytes, name: str) -> Float[np.ndarray, "slice row column"]:
    """Volume of a (gzipped) NIfTI-1 file in radiological display order, float64.

    Axis 0 runs from inferior to superior, axis 1 from anterior to posterior, axis 2 from the patient's right
    to the left: `volume[k]` is an axial picture as radiologists look at it (feet towards the viewer). Raises
    DataFormatError, naming the file, for bytes that are not one three-dimensional NIfTI image.
    """
    nibabel = require("nibabel")
    broken = (
        *(OSError, EOFError, ValueError, zlib.error, nibabel.filebasedimages.ImageFileError),
        *(nibabel.wrapstruct.WrapStructError, nibabel.spatialimages.HeaderDataError),
    )
    try:
        image = nibabel.Nifti1Image.from_bytes(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        volume = np.asarray(nibabel.as_closest_canonical(image).get_fdata(dtype=np.float64))
    except broken as error:
        raise DataFormatError(f"{name} cannot be read as a NIfTI image: {error}. Is the file complete?") from error
    if volume.ndim != 3 or not np.isfinite(volume).all():
        raise DataFormatError(f"{name}: a finite 3-D volume is expected, not shape {volume.shape} or NaN values.")
    # Canonical axes point right, anterior, superior.
    return np.ascontiguousarray(volume[::-1, ::-1, :].transpose(2, 1, 0))


def block_mean(volume: NDArray[np.float64], block: tuple[int, int, int]) -> NDArray[np.float64]:
    """Mean over blocks of (slice, row, column) voxels; voxels beyond the last whole block are cropped."""
    counts = [size // step for size, step in zip(volume.shape, block, strict=True)]
    cropped = volume[tuple(slice(count * step) for count, step in zip(counts, block, strict=True))]
    split = cropped.reshape([value for pair in zip(counts, block, strict=True) for value in pair])
    return np.asarray(split.mean(axis=(1, 3, 5)))


def quantise_ct(volume: Float[np.ndarray, "slice row column"]) -> UInt16[np.ndarray, "slice row column"]:
    """CT volume in HU, clipped to [-1024, 3071] and stored as HU + 1024 with a step of 1 HU."""
    return np.rint(np.clip(volume, -HU_OFFSET, 4095 - HU_OFFSET) + HU_OFFSET).astype(np.uint16)


def quantise_mri(volume: Float[np.ndarray, "slice row column"]) -> tuple[UInt8[np.ndarray, "slice row column"], float]:
    """MR magnitude volume scaled to 0..255, and the value that became 255.

    That value is the 99.5th percentile of the positive voxels; larger ones (fat, vessels) are clipped to it, and
    negative ones, which only interpolation makes, to 0. Raises DataFormatError for a volume without signal.
    """
    positive = volume[volume > 0]
    if positive.size == 0:
        raise DataFormatError("The MR volume has no positive voxel: it holds no image.")
    white = float(np.percentile(positive, 99.5))
    return np.rint(np.clip(volume / white, 0.0, 1.0) * 255).astype(np.uint8), white


def usable_slices(
    slices: NDArray[Any], threshold: Real, canvas: int, fraction: float = 0.05
) -> Int16[np.ndarray, " index"]:
    """Indices of the slices in which at least `fraction` of the canvas x canvas picture exceeds `threshold`."""
    count = (slices > threshold).sum(axis=(1, 2))
    return np.flatnonzero(count >= fraction * canvas**2).astype(np.int16)

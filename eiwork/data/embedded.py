"""The embedded images as tensors: `load`, and the subject of each image."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from eiwork.data.slices import HU_OFFSET, area_average, centred, in_plane
from eiwork.data.store import Real, entry_of, is_whole_number, read_arrays
from eiwork.errors import InputError

# Under this standard deviation a patch (sky, blurred background) shows nothing to learn or to test.
_FLAT = 0.05


def native_size(name: str, split: str, folder: Path | str | None = None) -> int:
    """Largest `image_size` that `load` gives for this set and split without inventing detail, in pixels."""
    return int(entry_of(name, split, folder)["native_size"])


def load(
    name: str,
    split: str,
    image_size: int = 64,
    *,
    window: tuple[Real, Real] | None = None,
    plane: str | None = None,
    folder: Path | str | None = None,
) -> Float[Tensor, "n 1 size size"]:
    """Images of an embedded set as float32 in [0, 1], in a fixed order.

    "ct": axial slices, feet to head, 384 mm wide, air around them; `window` = (low, high) in HU maps to [0, 1],
    (-1000, 1000) by default, clipped. train: a thorax; test: the abdomen of another patient.
    "mri": T1-weighted heads, 256 mm wide, zero around them; `plane` is "axial" (default), "coronal" or "sagittal".
    train: one head, then the MNI152 average head; test: Colin27, another head.
    "natural": square grayscale patches of photographs, those of the training photographs overlapping by half. Patches
    with a standard deviation under 0.05 are left out.

    Slices are averaged over the area of each pixel (CT: before the window), never enlarged; patches are cut. Splits
    share no person and no photograph. folder: written by `eiwork-study prepare`; the package's own by default. Raises
    InputError for an unknown set, split or plane, a size outside 1..`native_size(name, split)`, a window that is not
    low < high, an option that this set does not have; DataFormatError for a missing, truncated or altered file.
    """
    _check_options(name, split, image_size, window, plane, folder)
    stacks = [images for _, images in _stacks(name, split, image_size, plane, folder)]
    images = np.concatenate(stacks)
    if name == "ct":
        low, high = window or (-1000.0, 1000.0)
        images = np.clip((images - HU_OFFSET - low) / (high - low), 0.0, 1.0)
    else:
        images = images / 255
    return torch.from_numpy(images.astype(np.float32)).unsqueeze(1)


def subjects(
    name: str, split: str, image_size: int = 64, *, plane: str | None = None, folder: Path | str | None = None
) -> list[str]:
    """Name of the person or photograph behind each image that `load` returns for the same arguments."""
    _check_options(name, split, image_size, None, plane, folder)
    return [subject for subject, images in _stacks(name, split, image_size, plane, folder) for _ in range(len(images))]


def _stacks(name: str, split: str, image_size: int, plane: str | None, folder: Any) -> list[tuple[str, NDArray]]:
    """Per subject, its images in stored units at the wanted size."""
    arrays = read_arrays(name, split, folder)
    names = entry_of(name, split, folder)["subjects"]
    if name == "natural":
        stride = max(1, image_size // 2) if split == "train" else image_size
        return [(subject, _patches(arrays[subject], image_size, stride)) for subject in names]
    chosen = plane or "axial"
    side = native_size(name, split, folder)
    found = []
    for subject in names:
        slices = in_plane(arrays[subject], chosen)[arrays[f"{subject}.{chosen}"]].astype(np.float64)
        # Zero is air in both: -1024 HU, and no signal.
        found.append((subject, area_average(centred(slices, side), image_size)))
    return found


def _patches(photograph: NDArray[np.generic], size: int, stride: int) -> NDArray[np.float64]:
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (size, size))[::stride, ::stride]
    patches = windows.reshape(-1, size, size).astype(np.float64)
    return patches[patches.std(axis=(1, 2)) >= _FLAT * 255] if size > 1 else patches


def _check_options(
    name: str, split: str, image_size: int, window: tuple[Real, Real] | None, plane: str | None, folder: Any
) -> None:
    native = native_size(name, split, folder)
    if name == "radial":
        raise InputError("The set 'radial' holds k-space, not images: eiwork.data.radial_kspace() gives it.")
    if not is_whole_number(image_size) or not 1 <= image_size <= native:
        raise InputError(
            f"image_size={image_size!r} cannot be had: {name} {split} has native size {native}, and images are never "
            f"enlarged. Choose a whole number from 1 to {native}."
        )
    if window is not None and name != "ct":
        raise InputError(f"window={window!r} is for the set 'ct' alone: {name!r} has no HU. Leave it out.")
    if window is not None and not (len(window) == 2 and np.isfinite(window).all() and window[0] < window[1]):
        raise InputError(f"window={window!r} is not a HU window: give (low, high) with low < high, e.g. (-160, 240).")
    if plane is not None and name != "mri":
        raise InputError(f"plane={plane!r} is for the set 'mri' alone: leave it out for {name!r}.")

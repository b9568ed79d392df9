"""The embedded radial scan: measured k-space of a brain, for reconstruction without a ground truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from eiwork.data.store import entry_of, is_whole_number, read_arrays
from eiwork.errors import InputError

N_ECHOES = 16


@dataclass(frozen=True)
class RadialKSpace:
    """Measured spokes.

    kspace: samples of the virtual coils, strongest first, as the sum over the image's pixels of value times
    exp(-i phase): images are about 1 at their bright end, whatever the `image_size`, their side in pixels.
    angles: direction of each spoke in degrees, in [0, 360): k_x = k cos(angle) to the right, k_y = k sin(angle)
    downwards, front of the head on top. positions: k of the samples of every spoke, in cycles per field of view.
    echoes: echo of each spoke, from 0 (bright, little contrast) to 15 (fluid alone is bright).
    """

    kspace: Complex[Tensor, "coil spoke sample"]
    angles: Float[Tensor, " spoke"]
    positions: Float[Tensor, " sample"]
    echoes: Int[Tensor, " spoke"]
    image_size: int

    def spokes(self, index: Tensor | slice | list[int]) -> "RadialKSpace":
        """Some of the spokes: slice(25) is the first 25, `self.echoes == 0` those of the first echo."""
        return RadialKSpace(
            self.kspace[:, index], self.angles[index], self.positions, self.echoes[index], self.image_size
        )


def radial_kspace(
    image_size: int = 64, *, n_coils: int | None = None, folder: Path | str | None = None
) -> RadialKSpace:
    """Raw k-space of one axial slice of a brain: 400 spokes in the order of their measurement, golden angle.

    A multi-echo spin echo: spoke i is echo i mod 16 of excitation i // 16, so neighbours differ in contrast (T2 decay
    to 24 % of the signal), and one echo has 25 spokes. Angles and order of the echoes are inferred from the data, and
    the samples are centred for the delays of the gradients. The scan's pixel size and echo times are unknown.

    image_size: side in pixels of the images to reconstruct, from 2 to 128: as many samples a spoke are given, the
    centre of k-space. n_coils: the strongest virtual coils, from 1 to 8; None gives all. folder: as in `load`. Raises
    InputError for a size or number of coils out of range, DataFormatError as `load`.
    """
    entry = entry_of("radial", "test", folder)
    native = int(entry["native_size"])
    if not is_whole_number(image_size) or not 2 <= image_size <= native:
        raise InputError(
            f"image_size={image_size!r} cannot be had: choose a whole number from 2 to {native}, the samples."
        )
    arrays = read_arrays("radial", "test", folder)
    (name,) = entry["subjects"]
    coils = len(arrays[name])
    kept = coils if n_coils is None else n_coils
    if not is_whole_number(kept) or not 1 <= kept <= coils:
        raise InputError(
            f"n_coils={n_coils!r} cannot be had: choose a whole number from 1 to {coils}, or None for all."
        )
    positions = np.arange(image_size) - image_size // 2
    parts = arrays[name][:kept, :, positions + native // 2].astype(np.float64)
    # A sum over fewer pixels of the same image is smaller.
    parts *= arrays[f"step.{name}"].item() * (image_size / native) ** 2
    spokes = np.arange(parts.shape[1])
    return RadialKSpace(
        kspace=torch.view_as_complex(torch.from_numpy(parts)).to(torch.complex64),
        angles=torch.from_numpy(arrays[f"angles.{name}"].astype(np.float64)),
        positions=torch.from_numpy(positions.astype(np.float64)),
        echoes=torch.from_numpy(spokes % N_ECHOES),
        image_size=int(image_size),
    )

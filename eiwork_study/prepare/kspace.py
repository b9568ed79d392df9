"""From a raw radial scan to a small file: the processing of the k-space set."""

import numpy as np
from jaxtyping import Complex, Float, Int16

from eiwork.errors import DataFormatError
from eiwork.physics.radial_mri import GOLDEN_ANGLE

SAMPLES, SPOKES, COILS = 512, 400, 16
"""Axes of the raw file in BART's order, the first varying fastest (its header says 512 400 1 16)."""

KEPT_COILS, KEPT_SAMPLES = 8, 128

DELAYS = (0.155, 0.235)
"""Shift of the samples, in cycles per field of view, that the gradients along columns and rows cause.

Found by least squares: the shifts with which one image and its coil maps explain the spokes of two neighbouring echoes
best, averaged over four pairs of echoes, which agree within 0.01. Uncorrected, a third of the (density-weighted)
signal of the first pair stays unexplained; corrected, a tenth.
"""

WHITE = 2.4e-6
"""Raw value that becomes 1: the 99th percentile of the image of all spokes, by gridding and root sum of squares."""


def read_radial(raw: bytes, name: str) -> Complex[np.ndarray, "coil spoke sample"]:
    """K-space of a BART .cfl file of the axes above, complex128. Raises DataFormatError for any other file."""
    expected = 8 * SAMPLES * SPOKES * COILS
    if len(raw) != expected:
        raise DataFormatError(f"{name} has {len(raw)} bytes, but this scan has {expected}. Is the file complete?")
    kspace = np.frombuffer(raw, dtype="<c8").reshape(COILS, SPOKES, SAMPLES).astype(np.complex128)
    if not np.isfinite(kspace).all() or not kspace.any():
        raise DataFormatError(f"{name} holds NaN or infinite values, or zeros only: it is no scan.")
    return kspace


def golden_angles(count: int) -> Float[np.ndarray, " spoke"]:
    """Directions of the spokes in degrees, in [0, 360), in the order of their measurement."""
    return np.mod(np.arange(count) * GOLDEN_ANGLE, 360.0)


def centred_projections(
    kspace: Complex[np.ndarray, "coil spoke sample"], angles: Float[np.ndarray, " spoke"], delays: tuple[float, float]
) -> Complex[np.ndarray, "coil spoke half"]:
    """Half the samples, twice as far apart, with k = 0 at index half // 2 on every spoke.

    The readout is sampled twice as densely as the image needs: each projection (the Fourier transform of a spoke) is
    cut to the inner half of the scanner's field of view, outside which there is noise alone. A phase ramp on the
    projections moves spoke samples back by d_x cos^2 + d_y sin^2 of the spoke's angle, the part along the spoke of
    the shift that delayed gradients cause (Peters, Derbyshire and McVeigh 2003); the part across is below 0.05.
    angles: of the spokes, in degrees. delays: (d_x, d_y) in cycles per field of view of the cut image.
    """
    n = kspace.shape[-1]
    theta = np.deg2rad(angles)
    shift = delays[0] * np.cos(theta) ** 2 + delays[1] * np.sin(theta) ** 2
    pixel = (np.arange(n) - n // 2) / (n // 2)
    projection = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, axes=-1), axis=-1), axes=-1)
    projection = projection * np.exp(2j * np.pi * np.outer(shift, pixel))
    inner = projection[..., n // 4 : n // 4 + n // 2]
    return np.fft.fftshift(np.fft.fft(np.fft.ifftshift(inner, axes=-1), axis=-1), axes=-1)


def compress_coils(
    kspace: Complex[np.ndarray, "coil spoke sample"], count: int
) -> tuple[Complex[np.ndarray, "virtual spoke sample"], float]:
    """The `count` strongest orthonormal combinations of the coils, and the share of the energy that they hold.

    The singular value decomposition of the (coil, sample) matrix (Buehrer et al. 2007). Each combination is turned to
    make its largest coefficient positive, and rounded to 1e-6, so that every machine finds the same.
    """
    samples = kspace.reshape(kspace.shape[0], -1)
    values, vectors = np.linalg.eigh(samples @ samples.conj().T)
    strongest = vectors[:, ::-1][:, :count]
    largest = strongest[np.abs(strongest).argmax(axis=0), np.arange(count)]
    strongest = np.round(strongest * (largest.conj() / np.abs(largest)), 6)
    virtual = np.tensordot(strongest.conj().T, kspace, axes=1)
    return virtual, float(values[::-1][:count].sum() / values.sum())


def quantise(
    kspace: Complex[np.ndarray, "coil spoke sample"],
) -> tuple[Int16[np.ndarray, "coil spoke sample 2"], float]:
    """Real and imaginary parts as 16-bit integers, and their step."""
    parts = np.stack([kspace.real, kspace.imag], axis=-1)
    step = float(np.abs(parts).max() / 32767)
    return np.rint(parts / step).astype(np.int16), step

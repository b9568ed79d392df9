"""Parallel-beam geometry and its system matrix."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh


@dataclass(frozen=True)
class ParallelBeam:
    """Parallel rays through a square image of unit pixels, rotated about the image centre.

    Attributes:
        image_size: side of the image in pixels.
        n_detectors: detector bins per view, one pixel wide, centred on the rotation axis.
        angles: view angles in degrees. The ray bin of a point is t = x cos(angle) + y sin(angle), with x to the
            right and y upwards from the image centre (the convention of deepinv's `Tomography`).
    """

    image_size: int
    n_detectors: int
    angles: tuple[float, ...]

    @property
    def n_views(self) -> int:
        """Number of views."""
        return len(self.angles)

    @property
    def n_measurements(self) -> int:
        """Number of measured values: bins times views."""
        return self.n_detectors * self.n_views


def covering_detectors(image_size: int) -> int:
    """Fewest one-pixel bins that see the whole square at every angle: its diagonal, rounded up."""
    return math.ceil(math.sqrt(2.0) * image_size)


def backprojection_matrix(geometry: ParallelBeam) -> sp.csr_matrix:
    """Pixel-driven transpose of the projection, float64, of shape (pixels, bins * views), not normalised.

    Each pixel's value goes to the two bins next to its projected centre, weighted linearly, as in Joseph's and
    the pixel-driven methods compared by De Man and Basu (2004). Bins beyond the detector are dropped. The
    measurement's flat index is bin * n_views + view.
    """
    size, bins, views = geometry.image_size, geometry.n_detectors, geometry.n_views
    theta = np.deg2rad(np.asarray(geometry.angles, dtype=np.float64))
    centred = np.arange(size) - (size - 1) / 2
    x, y = np.tile(centred, size), np.repeat(-centred, size)
    position = np.outer(x, np.cos(theta)) + np.outer(y, np.sin(theta)) + (bins - 1) / 2
    left = np.floor(position).astype(np.int32)
    bin_index = np.stack([left, left + 1], axis=-1)
    weight = np.stack([left + 1 - position, position - left], axis=-1)
    inside = (bin_index >= 0) & (bin_index < bins) & (weight > 0)
    columns = (bin_index * views + np.arange(views, dtype=np.int32)[:, None])[inside]
    starts = np.zeros(size * size + 1, dtype=np.int32)
    np.cumsum(inside.sum(axis=(1, 2)), out=starts[1:])
    return sp.csr_matrix((weight[inside], columns, starts), shape=(size * size, bins * views))


def projection_matrix(geometry: ParallelBeam) -> tuple[sp.csr_matrix, sp.csr_matrix, float]:
    """Return (A, A^T, norm): the projection and its transpose in CSR form, float64, divided by the norm of A.

    The norm is the largest singular value, by Lanczos on A^T A from a fixed start (relative error near 1e-12).
    """
    transpose = backprojection_matrix(geometry)
    forward = transpose.T.tocsr()
    transpose = forward.T.tocsr()  # the second transposition sorts the column indices
    pixels = transpose.shape[0]
    normal = LinearOperator((pixels, pixels), matvec=lambda v: transpose @ (forward @ v), dtype=np.float64)
    largest = eigsh(normal, k=1, which="LM", tol=1e-12, v0=np.ones(pixels), return_eigenvectors=False)
    norm = math.sqrt(float(largest[0]))
    return forward / norm, transpose / norm, norm


def view_weights(geometry: ParallelBeam) -> Float[np.ndarray, " view"]:
    """Angle in radians that each view stands for: half the gap to each neighbour, modulo 180 degrees.

    Evenly spread views get pi / n_views. A gap over ten times the median one is a missing wedge, in which
    nothing was measured, and counts as one median gap (this limit is ours).
    """
    theta = np.deg2rad(np.mod(np.asarray(geometry.angles, dtype=np.float64), 180.0))
    order = np.argsort(theta, kind="stable")
    gaps = np.diff(theta[order], append=theta[order[0]] + np.pi)
    median = float(np.median(gaps))
    if median > 0:
        gaps = np.where(gaps > 10 * median, median, gaps)
    weights = np.empty_like(theta)
    weights[order] = (gaps + np.roll(gaps, 1)) / 2
    return weights

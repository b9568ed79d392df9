"""Parallel-beam geometry and its system matrix."""

import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh


@dataclass(frozen=True)
class ParallelBeam:
    """Parallel rays through a square image of image_size x image_size unit pixels, rotated about its centre.

    n_detectors: bins per view, one pixel wide, centred on the rotation axis. angles: in degrees; a point falls on the
    bin t = x cos(angle) + y sin(angle), x to the right and y upwards (the convention of deepinv's `Tomography`).
    """

    image_size: int
    n_detectors: int
    angles: tuple[float, ...]

    @property
    def n_views(self) -> int:
        """Number of views."""
        return len(self.angles)


def backprojection_matrix(geometry: ParallelBeam) -> sp.csr_matrix:
    """Transpose of the area-weighted projection, float64, of shape (pixels, bins * views), not normalised.

    A measurement is the exact integral of the image, constant on each pixel, over the strip of its bin (Kak and Slaney
    1988, section 7.1): each pixel's shadow is a trapezoid, shared between the (at most three) bins it falls on. Shadows
    beyond the detector are dropped. The measurement's flat index is bin * n_views + view.
    """
    size, bins, views = geometry.image_size, geometry.n_detectors, geometry.n_views
    theta = np.deg2rad(np.asarray(geometry.angles, dtype=np.float64))
    centred = np.arange(size) - (size - 1) / 2
    x, y = np.tile(centred, size), np.repeat(-centred, size)
    position = np.outer(x, np.cos(theta)) + np.outer(y, np.sin(theta)) + (bins - 1) / 2
    reach = (np.abs(np.cos(theta)) + np.abs(np.sin(theta))) / 2
    first = np.floor(position - reach + 0.5).astype(np.int32)
    edges = first[:, :, None] + np.arange(4) - 0.5 - position[:, :, None]
    weight = np.diff(_shadow_below(edges, theta[:, None]), axis=-1)
    bin_index = first[:, :, None] + np.arange(3, dtype=np.int32)
    inside = (bin_index >= 0) & (bin_index < bins) & (weight > 1e-12)
    columns = (bin_index * views + np.arange(views, dtype=np.int32)[:, None])[inside]
    starts = np.zeros(size * size + 1, dtype=np.int32)
    np.cumsum(inside.sum(axis=(1, 2)), out=starts[1:])
    return sp.csr_matrix((weight[inside], columns, starts), shape=(size * size, bins * views))


def _shadow_below(t: NDArray[np.float64], theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of a unit pixel's shadow left of t: the shadow is one box convolved with another, |cos| and |sin| wide."""
    a, b = np.abs(np.cos(theta)), np.abs(np.sin(theta))
    wide, narrow = np.maximum(a, b), np.minimum(a, b)
    # A very narrow box is lost to rounding: along the axes the shadow is the other box alone, to 1e-7.
    slope = np.maximum(narrow, 1e-7)
    outer, inner = (wide + slope) / 2, (wide - slope) / 2
    ramps = [np.square(np.maximum(t + shift, 0.0)) for shift in (outer, inner, -inner, -outer)]
    trapezoid = (ramps[0] - ramps[1] - ramps[2] + ramps[3]) / (2 * wide * slope)
    return np.clip(np.where(narrow > 1e-7, trapezoid, t / wide + 0.5), 0.0, 1.0)


def projection_matrix(geometry: ParallelBeam) -> tuple[sp.csr_matrix, sp.csr_matrix, float]:
    """(A, A^T, norm): the projection and its transpose in CSR form, float64, divided by the largest singular value."""
    transpose = backprojection_matrix(geometry)
    forward = transpose.T.tocsr()
    transpose = forward.T.tocsr()  # the second transposition sorts the column indices
    pixels = transpose.shape[0]
    normal = LinearOperator((pixels, pixels), matvec=lambda v: transpose @ (forward @ v), dtype=np.float64)
    largest = eigsh(normal, k=1, which="LM", tol=1e-12, v0=np.ones(pixels), return_eigenvectors=False)
    norm = math.sqrt(float(largest[0]))
    return forward / norm, transpose / norm, norm


@functools.lru_cache(maxsize=16)
def view_weights(geometry: ParallelBeam) -> Float[np.ndarray, " view"]:
    """Angle in radians that each view stands for: half the gap to each neighbour, modulo 180 degrees.

    A gap over ten times the mean of the others is a missing wedge, in which nothing was measured, and counts as much as
    that mean (this limit is ours). Directions that were measured several times share the angle of one.
    """
    theta = np.deg2rad(np.mod(np.asarray(geometry.angles, dtype=np.float64), 180.0))
    order = np.argsort(theta, kind="stable")
    gaps = np.diff(theta[order], append=theta[order[0]] + np.pi)
    if len(gaps) > 1:
        others = (np.pi - gaps) / (len(gaps) - 1)
        gaps = np.where((gaps > 10 * others) & (others > 0), others, gaps)
    weights = np.empty_like(theta)
    weights[order] = (gaps + np.roll(gaps, 1)) / 2
    return weights

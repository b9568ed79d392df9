"""The symmetry of a scan: quarter turns and mirrorings of the square image that permute its measurements."""

from itertools import product

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from eiwork.physics.projection import ParallelBeam

Permutation = NDArray[np.int64]
# (quarter turns, mirrored): the eight symmetries of the square, the dihedral group D4.
_ELEMENTS = tuple(product(range(4), (False, True)))


def measurement_permutation(geometry: ParallelBeam, quarter_turns: int, mirrored: bool) -> Permutation | None:
    """Where each measurement goes when the image is mirrored (angle -> -angle) and then turned by 90 degrees.

    A ray with direction n and offset t is the ray (-n, -t), too, so a view may come back with its bins reversed.
    None if some view has no counterpart in the scan, within 1e-9 degrees.
    """
    angles = np.asarray(geometry.angles, dtype=np.float64)
    target = (-angles if mirrored else angles) + 90.0 * quarter_turns
    difference = target[:, None] - angles[None, :]
    distance = np.abs(np.mod(difference + 90.0, 180.0) - 90.0)
    view = distance.argmin(axis=1)
    each = np.arange(len(angles))
    if distance[each, view].max() > 1e-9 or len(np.unique(view)) != len(angles):
        return None
    reversed_view = np.abs(np.mod(difference[each, view] + 180.0, 360.0) - 180.0) > 90.0
    bins = np.arange(geometry.n_detectors)[:, None]
    image = np.where(reversed_view, geometry.n_detectors - 1 - bins, bins) * geometry.n_views + view
    return image.ravel()


def invariant_bases(geometry: ParallelBeam) -> list[tuple[sp.csc_matrix, ...]]:
    """Orthonormal bases (measurements, k) of subspaces that A A^T maps to themselves; together a basis of all.

    Bases in one tuple share one matrix B^T A A^T B. Evenly spread views of even number have the full symmetry of the
    square: four subspaces of 1/8 of the measurements and one pair of 1/4 each; of odd number, four of 1/4; any other
    scan has the half turn, two of 1/2 (one subspace, where an angle occurs twice). Source: symmetry-adapted bases,
    Serre, Linear Representations of Finite Groups (1977), section 2.6.
    """
    found = {
        element: permutation
        for element in _ELEMENTS
        if (permutation := measurement_permutation(geometry, *element)) is not None
    }
    half_turn = (2, False)
    mirrors = (half_turn, (0, True), (2, True))
    if len(found) == len(_ELEMENTS):
        # Characters that see the half turn as 1, and half of the two-dimensional representation with its turned twin.
        even = [_sign_basis([(p, a**k * b**m) for (k, m), p in found.items()]) for a, b in product((1, -1), repeat=2)]
        axes = [(found[k, m], (-1) ** (k // 2)) for k, m in ((0, False), *mirrors)]
        odd = _sign_basis(axes)
        # Row i of the turned basis is row g^-1(i), so that the vector of measurement i goes to g(i).
        twin = odd[np.argsort(found[1, False])]
        return [*((basis,) for basis in even if basis.shape[1]), (odd, twin)]
    if all(element in found for element in mirrors):
        group = [(0, False), *mirrors]
        signs = list(product((1, -1), repeat=2))
        bases = [_sign_basis([(found[k, m], c ** (k // 2) * b**m) for k, m in group]) for c, b in signs]
        return [(basis,) for basis in bases if basis.shape[1]]
    if half_turn in found:
        bases = [_sign_basis([(found[0, False], 1), (found[half_turn], sign)]) for sign in (1, -1)]
        return [(basis,) for basis in bases if basis.shape[1]]
    return [(sp.identity(geometry.n_measurements, format="csc"),)]


def _sign_basis(group: list[tuple[Permutation, int]]) -> sp.csc_matrix:
    """One unit vector per orbit: the sum of its members, each with the sign of the element that leads there."""
    images = np.stack([permutation for permutation, _ in group])
    signs = np.array([sign for _, sign in group], dtype=np.float64)
    size = images.shape[1]
    first = np.flatnonzero(images.min(axis=0) == np.arange(size))
    rows = images[:, first]
    columns = np.broadcast_to(np.arange(len(first)), rows.shape)
    values = np.broadcast_to(signs[:, None], rows.shape)
    sums = sp.coo_matrix((values.ravel(), (rows.ravel(), columns.ravel())), shape=(size, len(first))).tocsc()
    lengths = np.sqrt(np.asarray(sums.multiply(sums).sum(axis=0)).ravel())
    # An orbit whose members cancel has no vector of this character.
    kept = lengths > 0.5
    return (sums[:, kept] @ sp.diags(1 / lengths[kept])).tocsc()

"""Exact inverses from one eigendecomposition per block: A A^T of tomography, A^T A of multi-coil Cartesian MRI.

Tomography's blocks come from the quarter turns and mirrorings of the square image that permute the measurements.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Complex, Float
from numpy.typing import NDArray
from torch import Tensor

from eiwork.physics.linear import csr_tensor
from eiwork.physics.projection import ParallelBeam

MAX_BLOCK = 4600
"""Size up to which a block of A A^T is decomposed: 128x128 pixels with 100 evenly spread views, or 256x256 with 50."""

_KEPT_FACTORS = 4
_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
_EXACT = (torch.float64, torch.device("cpu"))

Permutation = NDArray[np.int64]
# (quarter turns, mirrored): the eight symmetries of the square, the dihedral group D4.
_ELEMENTS = tuple(product(range(4), (False, True)))


@dataclass(frozen=True)
class _Block:
    """B^T A A^T B = V diag(values) V^T of an invariant subspace."""

    values: Float[Tensor, " k"]
    vectors: Float[Tensor, "k k"]


class GramSpectrum:
    """A A^T of a scan as Q (direct sum of V diag(lambda) V^T) Q^T, in float64, computed on first use.

    The symmetry of the square makes A A^T block-diagonal in a sparse basis Q (`invariant_bases`): an even number of
    evenly spread views leaves an eighth of the numbers, and a fortieth of the work. matrix: A in CSR form.
    """

    def __init__(self, matrix: sp.csr_matrix, geometry: ParallelBeam) -> None:
        self._matrix, self._geometry = matrix, geometry
        self._changes: dict[tuple[bool, torch.dtype, torch.device], Tensor] = {}
        self._blocks: dict[tuple[torch.dtype, torch.device], list[_Block]] = {}
        self._factors: OrderedDict[tuple[float, torch.dtype, torch.device], list[Tensor]] = OrderedDict()

    @cached_property
    def _bases(self) -> list[tuple[sp.csc_matrix, ...]]:
        return invariant_bases(self._geometry)

    @property
    def available(self) -> bool:
        """Whether every block is small enough to be decomposed."""
        return max(group[0].shape[1] for group in self._bases) <= MAX_BLOCK

    def whiten(self, r: Float[Tensor, "batch m"], regularisation: float | Tensor) -> Float[Tensor, "batch m"]:
        """(A A^T + regularisation I)^-1 r in the dtype of r, without autograd.

        The blocks of the inverse are kept for the four numbers used last; a tensor is likely to change.
        """
        if not isinstance(regularisation, Tensor):
            inverses = self._inverses(regularisation, r.dtype, r.device)
            return self._by_blocks(r, lambda i, v: v @ inverses[i])
        blocks, shift = self._decomposed(r.dtype, r.device), regularisation.to(r)
        scales = [block.values + shift for block in blocks]
        return self._by_blocks(r, lambda i, v: ((v @ blocks[i].vectors) / scales[i]) @ blocks[i].vectors.t())

    def pseudo_inverse(self, r: Float[Tensor, "batch m"], rtol: float) -> Float[Tensor, "batch m"]:
        """(A A^T)^+ r in float64, without autograd: singular values below `rtol` times the largest count as zero."""
        blocks = self._decomposed(torch.float64, r.device)
        # By NumPy, which waits for no device.
        ascending = [block.values.numpy() for block in self._decomposed(*_EXACT)]
        cut = rtol**2 * max(values[-1] for values in ascending)

        def multiply(i: int, v: Tensor) -> Tensor:
            kept = slice(int(np.searchsorted(ascending[i], cut, side="right")), None)
            vectors = blocks[i].vectors[:, kept].contiguous()
            return ((v @ vectors) / blocks[i].values[kept]) @ vectors.t()

        return self._by_blocks(r.double(), multiply)

    def _by_blocks(self, r: Float[Tensor, "batch m"], multiply: Callable[[int, Tensor], Tensor]) -> Tensor:
        """Q (direct sum of the blocks' maps) Q^T r: block i maps vectors (rows, k) by `multiply`."""
        within = torch.mm(self._change(True, r.dtype, r.device), r.t())
        mapped, start = [], 0
        for i, group in enumerate(self._bases):
            size = group[0].shape[1]
            part = within[start : start + size * len(group)].t().reshape(-1, size)
            mapped.append(multiply(i, part).view(r.shape[0], -1))
            start += size * len(group)
        return torch.mm(self._change(False, r.dtype, r.device), torch.cat(mapped, dim=1).t()).t().contiguous()

    def _change(self, transpose: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Q, or Q^T, as a CSR tensor."""
        key = (transpose, dtype, device)
        if key not in self._changes:
            q = sp.hstack([basis for group in self._bases for basis in group])
            matrix = (q.T if transpose else q).tocsr()
            matrix.sort_indices()
            self._changes[key] = csr_tensor(matrix, dtype, device)
        return self._changes[key]

    def _decomposed(self, dtype: torch.dtype, device: torch.device) -> list[_Block]:
        if not self._blocks:
            for basis, *_ in self._bases:
                rows = (basis.T @ self._matrix).tocsr()
                values, vectors = torch.linalg.eigh(torch.from_numpy((rows @ rows.T).toarray()))
                self._blocks.setdefault(_EXACT, []).append(_Block(values.clamp_min(0.0), vectors))
        key = (dtype, device)
        if key not in self._blocks:
            exact = self._blocks[_EXACT]
            self._blocks[key] = [_Block(b.values.to(device, dtype), b.vectors.to(device, dtype)) for b in exact]
        return self._blocks[key]

    def _inverses(self, regularisation: float, dtype: torch.dtype, device: torch.device) -> list[Tensor]:
        key = (regularisation, dtype, device)
        if key not in self._factors:
            inverses = []
            for block in self._decomposed(*_EXACT):
                inverse = (block.vectors / (block.values + regularisation)) @ block.vectors.t()
                inverses.append(((inverse + inverse.t()) / 2).to(device, dtype))
            self._factors[key] = inverses
            if len(self._factors) > _KEPT_FACTORS:
                self._factors.popitem(last=False)
        self._factors.move_to_end(key)
        return self._factors[key]


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

    Bases in one tuple share one matrix B^T A A^T B. Evenly spread views of even number: four subspaces of 1/8 of the
    measurements and one pair of 1/4 each; of odd number: four of 1/4; other scans: two of 1/2 (one, where an angle
    occurs twice). Source: Serre, Linear Representations of Finite Groups (1977), section 2.6.
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
    return [(sp.identity(geometry.n_detectors * geometry.n_views, format="csc"),)]


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


class ReadoutGram:
    """A^T A = direct sum over rows of V diag(lambda) V^H, decomposed once, in complex128.

    A mask of whole columns leaves the transform along them (the readout) complete, so A^T A couples the pixels of a row
    alone: row h has the block P * (sum over coils of conj(s_h) s_h^T), entry by entry, P = F^H diag(columns^2) F. The
    decoupling is that of SENSE (Pruessmann et al. 1999). eigenvalues: (height, width), of each row's block, ascending.
    columns: 1 where a column of k-space is measured, or its weight. maps: coil sensitivities.
    """

    def __init__(self, columns: Float[Tensor, " w"], maps: Complex[Tensor, "coil h w"]) -> None:
        maps = maps.to(torch.complex128)
        identity = torch.eye(len(columns), dtype=torch.complex128, device=columns.device)
        masked = columns.square().to(torch.complex128)[:, None] * _transform(identity)
        of_row = _transform(masked, inverse=True)
        self.eigenvalues, vectors = torch.linalg.eigh(of_row * torch.einsum("chi,chj->hij", maps.conj(), maps))
        self._vectors = {(torch.float64, maps.device): vectors}

    def solve(self, b: Float[Tensor, "batch 2 h w"], shift: float | Tensor) -> Float[Tensor, "batch 2 h w"]:
        """(A^T A + shift I)^-1 b in the dtype of b, without autograd; shift > 0, a number or tensor without axes."""
        return self._scaled(b, 1 / (self.eigenvalues.to(b.device) + shift))

    def pseudo_inverse(self, b: Float[Tensor, "batch 2 h w"], rtol: float | int) -> Float[Tensor, "batch 2 h w"]:
        """(A^T A)^+ b: singular values of A below `rtol` times the largest count as zero; differentiable in b."""
        values = self.eigenvalues.to(b.device)
        kept = values > rtol**2 * values.max()
        return self._scaled(b, torch.where(kept, 1 / values.where(kept, torch.ones_like(values)), 0.0))

    def _scaled(self, b: Tensor, factors: Float[Tensor, "h w"]) -> Tensor:
        """The map with the same eigenvectors and these eigenvalues."""
        key = (b.dtype, b.device)
        if key not in self._vectors:
            exact = next(iter(self._vectors.values()))
            self._vectors[key] = exact.to(b.device, _COMPLEX[b.dtype])
        vectors = self._vectors[key]
        # Rows first, images in columns: one product for all rows.
        rows = torch.complex(b[:, 0], b[:, 1]).permute(1, 2, 0)
        scaled = (vectors @ ((vectors.mH @ rows) * factors.to(b.dtype)[..., None])).permute(2, 0, 1)
        return torch.stack((scaled.real, scaled.imag), dim=1)


def readout_gram(mask: Float[Tensor, "... h w"], maps: Complex[Tensor, "sets coil h w"]) -> ReadoutGram | None:
    """That of a mask and of one set of coil maps; None for a mask that is not of whole columns, or for several sets."""
    rows = mask.flatten(0, -2)
    if len(maps) != 1 or not bool((rows == rows[0]).all()):
        return None
    return ReadoutGram(rows[0], maps[0])


def _transform(x: Complex[Tensor, "w n"], *, inverse: bool = False) -> Complex[Tensor, "w n"]:
    """The centred orthonormal Fourier transform of each column of x, as deepinv's operator has it."""
    turn = torch.fft.ifft if inverse else torch.fft.fft
    return torch.fft.fftshift(turn(torch.fft.ifftshift(x, dim=0), dim=0, norm="ortho"), dim=0)

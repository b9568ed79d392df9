"""Exact inverses of A A^T of a scan, from one eigendecomposition per block that its symmetry leaves."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import scipy.sparse as sp
import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.projection import ParallelBeam
from eiwork.physics.scan_symmetry import invariant_bases
from eiwork.physics.sparse_tensors import csr_tensor

MAX_BLOCK = 4600
"""Size up to which a block of A A^T is decomposed. An even number of evenly spread views has blocks of a quarter of
its measurements and less, so that this admits 128x128 pixels with 100 views, or 256x256 with 50."""

_KEPT_FACTORS = 4
_EXACT = (torch.float64, torch.device("cpu"))


@dataclass(frozen=True)
class _Block:
    """B^T A A^T B = V diag(values) V^T of an invariant subspace that occurs `copies` times."""

    values: Float[Tensor, " k"]
    vectors: Float[Tensor, "k k"]
    copies: int


class GramSpectrum:
    """A A^T of a scan as Q (direct sum of V diag(lambda) V^T) Q^T, in float64, computed on first use.

    The symmetry of the square makes A A^T block-diagonal in a sparse basis Q (`invariant_bases`): an even number of
    evenly spread views leaves an eighth of the numbers of the dense matrix to keep, read and multiply, and
    a fortieth of the work of its eigendecomposition.

    Args:
        matrix: A, in CSR form.
        geometry: the scan that it belongs to.
    """

    def __init__(self, matrix: sp.csr_matrix, geometry: ParallelBeam) -> None:
        self._matrix, self._geometry = matrix, geometry
        self._bases: list[tuple[sp.csc_matrix, ...]] | None = None
        self._changes: dict[tuple[bool, torch.dtype, torch.device], Tensor] = {}
        self._blocks: dict[tuple[torch.dtype, torch.device], list[_Block]] = {}
        self._factors: OrderedDict[tuple[float, torch.dtype, torch.device], list[Tensor]] = OrderedDict()

    @property
    def available(self) -> bool:
        """Whether every block is small enough to be decomposed."""
        return self.largest_block <= MAX_BLOCK

    @property
    def largest_block(self) -> int:
        """Size of the largest block."""
        return max(group[0].shape[1] for group in self._invariant_bases())

    def basis(self, dtype: torch.dtype, device: torch.device) -> tuple[Float[Tensor, " m"], Float[Tensor, "m m"]]:
        """Eigenvalues of A A^T in ascending order, none below zero, and eigenvectors in columns, dense.

        Raises:
            InputError: a block has more than `MAX_BLOCK` rows.
        """
        blocks = self._decomposed(*_EXACT)
        values = torch.cat([block.values.repeat(block.copies) for block in blocks])
        vectors = torch.block_diag(*[block.vectors for block in blocks for _ in range(block.copies)])
        order = values.argsort()
        turned = torch.mm(self._change(False, *_EXACT), vectors[:, order])
        return values[order].to(device, dtype), turned.to(device, dtype)

    def whiten(self, r: Float[Tensor, "batch m"], regularisation: float | Tensor) -> Float[Tensor, "batch m"]:
        """(A A^T + regularisation I)^-1 r in the dtype of r, without autograd.

        A number gives one product with each block of the inverse, which are kept (those of the four numbers used
        last); a tensor, which is likely to change, two products with each block's eigenvectors.
        """
        if not isinstance(regularisation, Tensor):
            inverses = self._inverses(regularisation, r.dtype, r.device)
            return self._by_blocks(r, lambda i, v: v @ inverses[i])
        blocks, shift = self._decomposed(r.dtype, r.device), regularisation.to(r)
        return self._by_blocks(
            r, lambda i, v: ((v @ blocks[i].vectors) / (blocks[i].values + shift)) @ blocks[i].vectors.t()
        )

    def pseudo_inverse(self, r: Float[Tensor, "batch m"], rtol: float) -> Float[Tensor, "batch m"]:
        """(A A^T)^+ r in float64, without autograd: singular values below `rtol` times the largest count as zero."""
        blocks = self._decomposed(torch.float64, r.device)
        cut = rtol**2 * max(float(block.values[-1]) for block in blocks)

        def multiply(i: int, v: Tensor) -> Tensor:
            kept = blocks[i].values > cut
            vectors = blocks[i].vectors[:, kept]
            return ((v @ vectors) / blocks[i].values[kept]) @ vectors.t()

        return self._by_blocks(r.double(), multiply)

    def _by_blocks(
        self, r: Float[Tensor, "batch m"], multiply: Callable[[int, Tensor], Tensor]
    ) -> Float[Tensor, "batch m"]:
        """Q (direct sum of the blocks' maps) Q^T r: block i maps vectors (rows, k) by `multiply`."""
        within = torch.mm(self._change(True, r.dtype, r.device), r.t())
        mapped, start = [], 0
        for i, group in enumerate(self._invariant_bases()):
            size = group[0].shape[1]
            part = within[start : start + size * len(group)].t().reshape(-1, size)
            mapped.append(multiply(i, part).view(r.shape[0], -1))
            start += size * len(group)
        return torch.mm(self._change(False, r.dtype, r.device), torch.cat(mapped, dim=1).t()).t().contiguous()

    def _invariant_bases(self) -> list[tuple[sp.csc_matrix, ...]]:
        if self._bases is None:
            self._bases = invariant_bases(self._geometry)
        return self._bases

    def _change(self, transpose: bool, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Q, or Q^T, as a CSR tensor."""
        key = (transpose, dtype, device)
        if key not in self._changes:
            q = sp.hstack([basis for group in self._invariant_bases() for basis in group])
            matrix = (q.T if transpose else q).tocsr()
            matrix.sort_indices()
            self._changes[key] = csr_tensor(matrix, dtype, device)
        return self._changes[key]

    def _decomposed(self, dtype: torch.dtype, device: torch.device) -> list[_Block]:
        if not self.available:
            raise InputError(
                f"the scan has {self._matrix.shape[0]} measurements, of which its symmetry leaves blocks of up to "
                f"{self.largest_block}, more than the {MAX_BLOCK} for which A A^T is decomposed. Use fewer "
                "or evenly spread views, fewer detectors or a smaller image."
            )
        if not self._blocks:
            self._blocks[_EXACT] = [self._decompose(group) for group in self._invariant_bases()]
        key = (dtype, device)
        if key not in self._blocks:
            self._blocks[key] = [
                _Block(b.values.to(device, dtype), b.vectors.to(device, dtype), b.copies) for b in self._blocks[_EXACT]
            ]
        return self._blocks[key]

    def _decompose(self, group: tuple[sp.csc_matrix, ...]) -> _Block:
        rows = (group[0].T @ self._matrix).tocsr()
        values, vectors = torch.linalg.eigh(torch.from_numpy((rows @ rows.T).toarray()))
        return _Block(values.clamp_min(0.0), vectors, len(group))

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

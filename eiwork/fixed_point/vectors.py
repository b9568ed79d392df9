"""Many vectors of a sample, appended one by one without copies (Krylov bases, histories), and Arnoldi's process."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point.calling import without_autocast
from eiwork.fixed_point.state import Flat, FlatMap, norms

_LONG = 1024  # from here on, one matrix-vector product a sample beats the batched one on a CPU, up to 20 times


@dataclass
class _Block:
    """Room (batch, size, n) for some vectors, of which the first `filled` are final."""

    room: Tensor
    filled: int


@dataclass(frozen=True)
class Vectors:
    """An immutable list of vectors (batch, n), oldest first: `append` returns the next one and shares the storage.

    A slot is written once, so older lists stay valid. The list lies between slot `first` of the first block and slot
    `end` of the last.
    """

    blocks: tuple[_Block, ...] = ()
    first: int = 0
    end: int = 0

    def __len__(self) -> int:
        """Number of vectors."""
        return sum(block.room.shape[1] for block in self.blocks[:-1]) + self.end - self.first

    def append(self, v: Flat, scale: Float[Tensor, "batch 1"] | None = None, *, keep: int, size: int = 8) -> "Vectors":
        """The list with scale * v at its end and only the last `keep` vectors, stored in blocks of `size`."""
        if torch.is_grad_enabled() and v.requires_grad:
            # Autograd needs every vector as it was made: a block of its own.
            own = _Block((v if scale is None else v * scale)[:, None], 1)
            return self._shortened((*self._closed(), own), 1, keep)
        last = self.blocks[-1] if self.blocks else None
        if last is None or last.filled != self.end or self.end == last.room.shape[1]:
            blocks, end = (*self._closed(), _Block(v.new_empty(v.shape[0], size, v.shape[1]), 0)), 0
        else:
            blocks, end = self.blocks, self.end
        slot = blocks[-1].room[:, end]
        with torch.no_grad():
            torch.mul(v, 1.0 if scale is None else scale, out=slot)
        blocks[-1].filled = end + 1
        return self._shortened(blocks, end + 1, keep)

    @property
    def last(self) -> Flat:
        """The newest vector."""
        return self.blocks[-1].room[:, self.end - 1]

    def parts(self) -> list[Float[Tensor, "batch k n"]]:
        """The vectors as a few matrices, views of the storage."""
        stops = [block.room.shape[1] for block in self.blocks[:-1]] + [self.end]
        starts = [self.first] + [0] * (len(self.blocks) - 1)
        return [b.room[:, i:j] for b, i, j in zip(self.blocks, starts, stops, strict=True)]

    def dots(self, w: Flat) -> Float[Tensor, "batch k"]:
        """The inner products of w with each vector."""
        return torch.cat([_dots(part, w) for part in self.parts()], dim=1)

    def combine(self, weights: Float[Tensor, "batch k"]) -> Flat:
        """sum_j weights_j v_j."""
        return self.subtract_(torch.zeros_like(self.last), -weights)

    def subtract_(self, w: Flat, weights: Float[Tensor, "batch k"]) -> Flat:
        """w - sum_j weights_j v_j, in place."""
        at = 0
        for part in self.parts():
            k = part.shape[1]
            w[:, None].baddbmm_(weights[:, None, at : at + k], part, alpha=-1)
            at += k
        return w

    def _closed(self) -> tuple[_Block, ...]:
        """The blocks, none with unused slots, so that another block may follow."""
        if not self.blocks or self.end == self.blocks[-1].room.shape[1]:
            return self.blocks
        return (*self.blocks[:-1], _Block(self.blocks[-1].room[:, : self.end], self.end))

    def _shortened(self, blocks: tuple[_Block, ...], end: int, keep: int) -> "Vectors":
        first = self.first + max(0, len(self) + 1 - keep)
        while first >= blocks[0].room.shape[1]:
            first -= blocks[0].room.shape[1]
            blocks = blocks[1:]
        return Vectors(blocks, first, end)


def _dots(part: Float[Tensor, "batch k n"], w: Flat) -> Float[Tensor, "batch k"]:
    if part.device.type == "cpu" and part.shape[2] >= _LONG:
        return torch.stack([vectors @ x for vectors, x in zip(part, w, strict=True)])
    return torch.bmm(part, w[:, :, None])[:, :, 0]


def orthogonalise_(basis: Vectors, w: Flat) -> Float[Tensor, "batch k"]:
    """Make w orthogonal to an orthonormal basis in place, by Gram-Schmidt, twice; its coefficients on the basis."""
    first = basis.dots(w)
    second = basis.dots(basis.subtract_(w, first))
    basis.subtract_(w, second)
    return first + second


def most_amplified(product: FlatMap, start: Flat, size: int) -> Flat:
    """The unit vector v of the Krylov space span(start, M start, ...) with the largest ||M v||, by `size` products.

    A power iteration needs many more where a cluster of almost equal eigenvalues is in the way: the null space of A.
    """
    with without_autocast(start.device.type):
        tiny = torch.finfo(start.dtype).tiny
        basis = Vectors().append(start, 1 / norms(start).clamp(min=tiny).to(start.dtype)[:, None], keep=size)
        hessenberg = start.new_zeros(start.shape[0], size + 1, size)
        for k in range(size):
            w = product(basis.last).clone()
            column = orthogonalise_(basis, w)
            height = norms(w).to(w.dtype)
            hessenberg[:, : k + 1, k], hessenberg[:, k + 1, k] = column, height
            if k + 1 < size:
                basis = basis.append(w, 1 / height.clamp(min=tiny)[:, None], keep=size)
        weights = torch.linalg.svd(hessenberg.double()).Vh[:, 0].to(start.dtype)
        return basis.combine(weights)

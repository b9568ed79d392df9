"""The exact inverse of A^T A + s I of multi-coil MRI whose mask measures whole columns: one small block per row."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

_SINGLE = {torch.float32: torch.complex64, torch.float64: torch.complex128}


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
            self._vectors[key] = exact.to(b.device, _SINGLE[b.dtype])
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

"""Anderson acceleration (type II) with relative regularisation and a safeguard."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.solver import FixedPointSolver, Progress
from eiwork.fixed_point.state import Flat, norms

# A residual this many times above the best one means that the extrapolation misled: go back and damp.
_GROWTH = 4.0


@dataclass(frozen=True)
class _History:
    """Differences of past iterates and residuals, newest last, and the damping of each sample."""

    delta_z: tuple[Flat, ...]
    delta_r: tuple[Flat, ...]
    z: Flat
    r: Flat
    damping: Float[Tensor, " batch"]


@dataclass(frozen=True, kw_only=True)
class Anderson(FixedPointSolver):
    """Anderson acceleration: combine the last residuals so that their sum is smallest, and step from there.

    With r_k = f(z_k) - z_k and differences dz_j, dr_j of the last `memory` steps, the weights g minimise
    ||r_k - sum_j g_j dr_j||, and z_{k+1} = z_k + b r_k - sum_j g_j (dz_j + b dr_j). The differences are
    normalised before the small system is solved in float64, so `regularisation` is relative to the Gram
    matrix and means the same at every scale of the problem. When the residual grows fourfold over the best one, the
    sample returns to its best iterate, forgets its history and halves its damping.

    memory: number of differences kept, >= 1. damping: b in (0, 1]. regularisation: >= 0.
    Source: Anderson (1965); Walker & Ni, SIAM J. Numer. Anal. 49 (2011).
    """

    memory: int = 5
    damping: float = 1.0
    regularisation: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory < 1:
            raise InputError(f"Anderson(memory={self.memory}): at least one difference is needed; try 5.")
        if not 0 < self.damping <= 1:
            raise InputError(f"Anderson(damping={self.damping}): damping must lie in (0, 1]; 1 is undamped.")
        if not self.regularisation >= 0:
            raise InputError(
                f"Anderson(regularisation={self.regularisation}): must not be negative; try 1e-10."
            )

    def propose(self, progress: Progress) -> tuple[Flat, _History]:
        """The accelerated step, or the damped step from the best iterate where the residual has grown."""
        z, r = progress.z, progress.fz - progress.z
        past: _History | None = progress.memory
        if past is None:
            damping = torch.full_like(progress.residual, self.damping).to(z.dtype)
            return z + damping[:, None] * r, _History((), (), z, r, damping)

        misled = progress.residual > _GROWTH * progress.best_residual
        keep = (~misled)[:, None].to(z.dtype)
        damping = torch.where(misled, past.damping / 2, past.damping)
        z = torch.where(misled[:, None], progress.best_z, z)
        r = torch.where(misled[:, None], progress.best_fz - progress.best_z, r)
        delta_z = tuple(keep * d for d in (*past.delta_z, z - past.z)[-self.memory :])
        delta_r = tuple(keep * d for d in (*past.delta_r, r - past.r)[-self.memory :])

        weights = self._weights(torch.stack(delta_r, dim=1), r)
        step = damping[:, None]
        moved = torch.stack([dz + step * dr for dz, dr in zip(delta_z, delta_r, strict=True)], dim=1)
        candidate = z + step * r - torch.einsum("bm,bmn->bn", weights, moved)
        return candidate, _History(delta_z, delta_r, z, r, damping)

    def _weights(self, delta_r: Float[Tensor, "batch memory n"], r: Flat) -> Float[Tensor, "batch memory"]:
        size = norms(r)
        # In units of the residual no square over- or underflows, whatever the scale of the problem.
        size = torch.where(size > 0, size, torch.ones_like(size))
        wide = delta_r.to(size.dtype) / size[:, None, None]
        gram = torch.einsum("bmn,bkn->bmk", wide, wide).double()
        right = torch.einsum("bmn,bn->bm", wide, r.to(size.dtype) / size[:, None]).double()
        length = gram.diagonal(dim1=1, dim2=2).clamp(min=torch.finfo(wide.dtype).tiny).sqrt()
        gram = gram / (length[:, :, None] * length[:, None, :])
        # The floor keeps the system solvable in float64 when differences are parallel or forgotten (zero).
        ridge = max(self.regularisation, 1e-14) * torch.eye(
            gram.shape[1], dtype=gram.dtype, device=gram.device
        )
        solved = torch.linalg.solve(gram + ridge, right / length)
        return (solved / length).to(r.dtype)

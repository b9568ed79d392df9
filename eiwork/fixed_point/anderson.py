"""Anderson acceleration (type II) with relative regularisation and a safeguard."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from eiwork.fixed_point.record import require, require_damping
from eiwork.fixed_point.solver import FixedPointSolver, Progress
from eiwork.fixed_point.state import Flat, norms
from eiwork.fixed_point.vectors import Vectors

_GROWTH = 4.0  # of the residual over the best one: the extrapolation misled
_AGEING = 2.0  # growth of the regularisation with the age of a difference: of parallel ones the newest counts
_BLOCK = 5  # vectors a block of the history


@dataclass(frozen=True)
class _History:
    """Differences of past iterates and residuals, newest last, both in units of the residual difference's norm.

    gram_z, gram_r: their inner products, float64, which stay for a sample that has stopped. valid: whether a difference
    counts. rest: plain damped steps still to take; next_rest: how many follow the next return to the best iterate.
    """

    delta_z: Vectors
    delta_r: Vectors
    gram_z: Float[Tensor, "batch k k"]
    gram_r: Float[Tensor, "batch k k"]
    valid: Bool[Tensor, "batch k"]
    z: Flat
    r: Flat
    damping: Float[Tensor, " batch"]
    rest: Int[Tensor, " batch"]
    next_rest: Int[Tensor, " batch"]


@dataclass(frozen=True, kw_only=True)
class Anderson(FixedPointSolver):
    """Anderson acceleration: combine the last residuals so that their sum is smallest, and step from there.

    With r_k = f(z_k) - z_k and differences dz_j, dr_j of the last `memory` steps, the weights g minimise
    ||r_k - sum_j g_j dr_j||, and z_{k+1} = z_k + b r_k - sum_j g_j (dz_j + b dr_j). When the residual grows fourfold
    over the best one, the sample returns to its best iterate, forgets its history, halves its damping and takes plain
    damped steps for a while, twice as many each time. One that has not halved its residual in 90 evaluations is given
    up.

    memory: differences kept, >= 1, each two vectors of the state's size. damping: b in (0, 1]. regularisation: >= 0,
    relative to the Gram matrix, at least the rounding of the state's type; it doubles with the age of a difference.
    tol: by default for a gradient right to 1e-3 near spectral radius 1.
    Source: Anderson (1965); Walker & Ni, SIAM J. Numer. Anal. 49 (2011).
    """

    patience: ClassVar[int | None] = 90
    tol: float = 1e-6
    max_iter: int = 200
    memory: int = 15
    damping: float = 1.0
    regularisation: float = 1e-10

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, self.memory >= 1, "at least one difference is needed; try 15.", memory=self.memory)
        require_damping(self, self.damping)
        fine = self.regularisation >= 0
        require(self, fine, "must not be negative; try 1e-10.", regularisation=self.regularisation)

    def propose(self, progress: Progress) -> tuple[Flat, _History]:
        """The accelerated step, or the damped step from the best iterate where the residual has grown."""
        z, r = progress.z, progress.fz - progress.z
        past: _History | None = progress.memory
        if past is None:
            damping = torch.full_like(progress.residual, self.damping)
            none, rest = z.new_zeros(len(z), 0, 0, dtype=torch.float64), z.new_zeros(len(z), dtype=torch.long)
            empty = z.new_zeros(len(z), 0, dtype=torch.bool)
            history = _History(Vectors(), Vectors(), none, none, empty, z, r, damping, rest, rest + 1)
            return _step(z, r, damping), history

        # Not the relative residual: where f(z) passes near zero, that one grows without anything being wrong.
        misled = progress.absolute > _GROWTH * norms(progress.best_fz - progress.best_z)
        # Without a rest that grows, a sample can return to the same iterate and be misled the same way for ever.
        rest = torch.where(misled, past.next_rest, (past.rest - 1).clamp(min=0))
        next_rest = torch.where(misled, 2 * past.next_rest, past.next_rest)
        eager = (2 * past.damping).clamp(max=self.damping)
        damping = torch.where(misled, past.damping / 2, torch.where(rest > 0, past.damping, eager))
        z = torch.where(misled[:, None], progress.best_z, z)
        r = torch.where(misled[:, None], progress.best_fz - progress.best_z, r)
        history = replace(self._remember(past, z, r, misled, damping), rest=rest, next_rest=next_rest)
        weights = torch.where(rest[:, None] > 0, 0.0, self._weights(history)).to(z.dtype)
        candidate = _step(z, r, damping)
        history.delta_z.subtract_(candidate, weights)
        return history.delta_r.subtract_(candidate, damping.to(z.dtype)[:, None] * weights), history

    def sigma_min(self, progress: Progress) -> Float[Tensor, " batch"]:
        """The smallest stretch of I - J over the last `memory` steps."""
        if progress.memory is None:
            return torch.full_like(progress.residual, torch.nan)
        past, none = progress.memory, torch.zeros_like(progress.converged)
        last = self._remember(past, progress.z, progress.fz - progress.z, none, past.damping)
        eps = torch.finfo(progress.z.dtype).eps
        return _sigma_from_secants(last.gram_r, last.gram_z, last.valid, eps).to(progress.residual)

    def _remember(
        self, past: _History, z: Flat, r: Flat, misled: Bool[Tensor, " batch"], damping: Float[Tensor, " batch"]
    ) -> _History:
        """The history with the newest difference; a misled sample forgets all of its differences."""
        delta_r = r - past.r
        moved = (length := norms(delta_r)) > 0
        # In these units no square over- or underflows.
        unit = torch.where(moved, 1 / torch.where(moved, length, 1.0), 0.0).to(z.dtype)[:, None]
        size = min(self.memory, _BLOCK)
        every_z = past.delta_z.append(z - past.z, unit, keep=self.memory, size=size)
        every_r = past.delta_r.append(delta_r, unit, keep=self.memory, size=size)
        # A difference below the rounding of f(z) says nothing of f.
        telling = length > torch.finfo(z.dtype).eps * norms(z + r)
        valid = torch.cat([past.valid, telling[:, None]], dim=1)[:, -self.memory :]
        kept = pad(past.valid, (0, valid.shape[1] - past.valid.shape[1]))
        return replace(
            past,
            delta_z=every_z,
            delta_r=every_r,
            gram_z=_bordered(past.gram_z, every_z.dots(every_z.last).double(), moved),
            gram_r=_bordered(past.gram_r, every_r.dots(every_r.last).double(), moved),
            valid=torch.where(moved[:, None], valid, kept) & ~misled[:, None],
            z=z,
            r=r,
            damping=damping,
        )

    def _weights(self, history: _History) -> Float[Tensor, "batch k"]:
        """The least-squares weights of the normalised residual differences, from their Gram matrix, in float64."""
        pair = history.valid[:, :, None] & history.valid[:, None, :]
        gram = torch.where(pair, history.gram_r, 0.0)
        right = torch.where(history.valid, history.delta_r.dots(history.r).double(), 0.0)
        # The sums of the Gram matrix round in the type of the state: below that, parallel differences are noise.
        ridge = max(self.regularisation, 8 * torch.finfo(history.r.dtype).eps)
        age = torch.arange(gram.shape[1] - 1, -1, -1, dtype=gram.dtype, device=gram.device)
        diagonal = torch.where(history.valid, ridge * _AGEING**age, 1.0)
        # Never singular: no look at that, for which a device would have to wait.
        return torch.linalg.solve_ex(gram + torch.diag_embed(diagonal), right).result


def _step(z: Flat, r: Flat, damping: Float[Tensor, " batch"]) -> Flat:
    return torch.addcmul(z, r, damping.to(z.dtype)[:, None])


def _bordered(
    old: Float[Tensor, "batch k k"], row: Float[Tensor, "batch m"], moved: Bool[Tensor, " batch"]
) -> Float[Tensor, "batch m m"]:
    """The Gram matrix of the last m vectors, whose newest row is `row`; that of a resting sample stays."""
    m = row.shape[1]
    kept = old[:, old.shape[1] - m + 1 :, old.shape[1] - m + 1 :]
    new = torch.cat([torch.cat([kept, row[:, :-1, None]], dim=2), row[:, None]], dim=1)
    more = m - old.shape[1]
    return torch.where(moved[:, None, None], new, pad(old, (0, more, 0, more)))


def _sigma_from_secants(
    gram_r: Float[Tensor, "batch memory memory"],
    gram_z: Float[Tensor, "batch memory memory"],
    valid: Bool[Tensor, "batch memory"],
    eps: float,
) -> Float[Tensor, " batch"]:
    """The smallest ||sum_j c_j dr_j|| / ||sum_j c_j dz_j||, the stretch of I - J over the last steps; nan without any.

    From the Gram matrices (float64); combinations that vanish to within rounding (`eps` of the vectors) are left out.
    """
    threshold = 3 * eps**0.5
    length = gram_z.diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
    valid = valid & (length > 0)
    scale = torch.where(valid, 1 / torch.where(valid, length, 1.0), 0.0)
    outer = scale[:, :, None] * scale[:, None, :]
    values, vectors = torch.linalg.eigh(gram_z * outer)
    kept = values > threshold
    whiten = vectors * torch.where(kept, values.clamp(min=threshold).rsqrt(), 0.0)[:, None]
    stretch = whiten.mT @ (gram_r * outer) @ whiten
    large = 1 + 2 * torch.linalg.matrix_norm(stretch)[:, None]
    stretch = stretch + torch.diag_embed(torch.where(kept, 0.0, large))
    # The Gram matrices are known to within rounding, and so is the square of the stretch.
    sigma = torch.linalg.eigvalsh(stretch)[:, 0].clamp(min=4 * eps).sqrt()
    return torch.where(kept.any(dim=1), sigma, torch.nan)

"""Limited-memory Broyden method, with the inverse Jacobian that it learns at hand."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.fixed_point.record import require, require_damping
from eiwork.fixed_point.solver import FixedPointSolver, Progress
from eiwork.fixed_point.state import Flat, norms

_GROWTH = 100.0  # of the residual over the best one: the inverse misled; Broyden residuals rise before they fall
_SINGULAR = 0.1  # an update may not shrink the determinant of H^{-1} below this factor (Powell's safeguard)
_RESOLUTION = 2 / 3  # a step shorter than eps to this power, relative to z, teaches rounding to a part eps^(1/3)


@dataclass(frozen=True)
class InverseEstimate:
    """H = damping I + sum_j u_j v_j^T per sample, close to the inverse (I - J)^{-1} with J = df/dz.

    u, v, damping: in float32 or better. z, r, direction: the last iterate, its residual r = f(z) - z, whose Jacobian is
    J - I (H is close to MINUS its inverse), and H r. slot: where the next pair goes.
    """

    u: Float[Tensor, "batch pairs n"]
    v: Float[Tensor, "batch pairs n"]
    damping: Float[Tensor, " batch"]
    z: Flat
    r: Flat
    direction: Flat
    slot: int

    def apply(self, x: Flat, *, transpose: bool = False) -> Flat:
        """H x, close to (I - J)^{-1} x, or H^T x."""
        left, right = (self.v, self.u) if transpose else (self.u, self.v)
        weights = torch.einsum("bmn,bn->bm", right, x)
        return self.damping[:, None] * x + torch.einsum("bm,bmn->bn", weights, left)

    def norm(self) -> Float[Tensor, " batch"]:
        """The spectral norm of H, from its restriction to the span of all u and v; 0 without any pair."""
        if not self.u.shape[1]:
            return self.damping.new_zeros(len(self.damping))
        pairs = torch.cat([self.u, self.v], dim=1)
        gram = torch.einsum("bin,bjn->bij", pairs, pairs).double()
        values, vectors = torch.linalg.eigh(gram)
        coordinates = vectors * values.clamp(min=0).sqrt()[:, None]
        left, right = coordinates.split(self.u.shape[1], dim=1)
        small = left.mT @ right + self.damping.double()[:, None, None] * torch.eye(
            pairs.shape[1], dtype=gram.dtype, device=gram.device
        )
        learnt = (gram.diagonal(dim1=1, dim2=2) > 0).any(dim=1)
        return torch.where(learnt, torch.linalg.matrix_norm(small, 2), 0.0).to(self.damping)

    def forget(self, which: Bool[Tensor, " batch"], damping: Float[Tensor, " batch"]) -> "InverseEstimate":
        """H = damping I for the samples in `which`; the others keep theirs."""
        damping, gone = torch.where(which, damping, self.damping), which[:, None, None]
        return replace(
            self,
            u=torch.where(gone, 0.0, self.u),
            v=torch.where(gone, 0.0, self.v),
            damping=damping,
            direction=torch.where(which[:, None], damping[:, None] * self.r, self.direction),
        )


@dataclass(frozen=True, kw_only=True)
class Broyden(FixedPointSolver):
    """Broyden's "good" method for z - f(z) = 0: z <- z + H (f(z) - z), with H learnt from the steps.

    H starts as damping * I and is corrected after every step so that it maps the change of z - f(z) to that of z; after
    `memory` corrections it is learnt anew. When the residual grows a hundredfold over the best one, the sample returns
    to its best iterate, forgets H and halves its damping.

    memory: corrections kept, >= 1, each two vectors of the state's size. damping: in (0, 1].
    Sources: Broyden, Math. Comp. 19 (1965); limited memory: Kelley, Solving Nonlinear Equations with Newton's Method
    (2003); Powell's safeguard: A hybrid method for nonlinear equations (1970).
    """

    patience: ClassVar[int | None] = 90
    tol: float = 1e-6
    max_iter: int = 200
    memory: int = 30
    damping: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, self.memory >= 1, "at least one correction is needed; try 30.", memory=self.memory)
        require_damping(self, self.damping)

    def propose(self, progress: Progress) -> tuple[Flat, InverseEstimate]:
        """The quasi-Newton step, or the damped step from the best iterate where the residual has grown."""
        past: InverseEstimate | None = progress.memory
        wide = torch.promote_types(progress.z.dtype, torch.float32)  # for sums over many pairs
        if past is None:
            z, r = progress.z.to(wide), progress.fz.to(wide) - progress.z.to(wide)
            none, damping = z.new_zeros(len(z), 0, z.shape[1]), z.new_full((len(z),), self.damping)
            estimate = InverseEstimate(none, none, damping, z, r, self.damping * r, 0)
        else:
            # Not the relative residual: f(z) grows with z, so that one stays near 1 however far a step has gone astray.
            misled = progress.absolute > _GROWTH * norms(progress.best_fz - progress.best_z)
            z = torch.where(misled[:, None], progress.best_z, progress.z).to(wide)
            fz = torch.where(misled[:, None], progress.best_fz, progress.fz).to(wide)
            estimate = self._learn(past, z, fz - z, misled)
        return (estimate.z + estimate.direction).to(progress.z.dtype), estimate

    def sigma_min(self, progress: Progress) -> Float[Tensor, " batch"]:
        """1 / ||H||, H being the estimate of (I - J)^{-1} after the last step; nan where nothing was learnt."""
        _, estimate = self.propose(progress)
        norm = estimate.norm().to(progress.residual)
        return torch.where(norm > 0, 1 / torch.where(norm > 0, norm, 1.0), torch.nan)

    def _learn(self, past: InverseEstimate, z: Flat, r: Flat, misled: Bool[Tensor, " batch"]) -> InverseEstimate:
        length = norms(z - past.z)
        # A sample that stopped, or that was sent back, teaches nothing; a stopped one keeps what it knows.
        resolved = length > torch.finfo(z.dtype).eps ** _RESOLUTION * norms(z)
        moved = resolved & ~misled
        length = torch.where(moved, length, torch.ones_like(length))[:, None]
        past = past.forget(misled, past.damping / 2)
        if past.slot == self.memory:
            past = replace(past.forget(moved, past.damping), slot=0)
        s, h_r = (z - past.z) / length, past.apply(r)
        h_y = (past.direction - h_r) / length
        shrinkage = (s * h_y).sum(dim=1, keepdim=True)
        sign = torch.where(shrinkage < 0, -_SINGULAR, _SINGULAR)
        theta = torch.where(shrinkage.abs() < _SINGULAR, (1 - sign) / (1 - shrinkage), 1.0)
        u = theta * (s - h_y) / (1 - theta + theta * shrinkage)
        v = past.apply(s, transpose=True)
        direction = h_r + u * (v * r).sum(dim=1, keepdim=True)
        usable = moved & direction.isfinite().all(dim=1)
        direction = torch.where(usable[:, None], direction, h_r)

        def written(pairs: Tensor, new: Flat) -> Tensor:
            """`pairs` with `new` in the slot, which is appended where it does not exist yet."""
            row = torch.where(usable[:, None], new, pairs[:, past.slot] if past.slot < pairs.shape[1] else 0.0)
            return torch.cat([pairs[:, : past.slot], row[:, None], pairs[:, past.slot + 1 :]], dim=1)

        pairs = written(past.u, u), written(past.v, v)
        return InverseEstimate(*pairs, past.damping, z, r, direction, past.slot + 1)

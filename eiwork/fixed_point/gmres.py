"""Batched, restarted GMRES for the adjoint systems of implicit gradients."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import ConvergenceError, InputError
from eiwork.fixed_point.adjoint import LinearResult
from eiwork.fixed_point.arnoldi import orthogonalise
from eiwork.fixed_point.solver import OnFailure
from eiwork.fixed_point.state import Flat, FlatMap, norms


@dataclass(frozen=True, kw_only=True)
class GMRES:
    """Generalised minimal residual method for (I - M) v = b, every sample its own Krylov space.

    The residual never grows with the evaluations, whatever the spectrum, which is why it is the default for
    adjoint systems. Arnoldi vectors are orthogonalised twice, so the running residual stays true.

    tol: relative residual at which a sample is solved, > 0. max_iter: largest number of products with M.
    restart: size of the Krylov space, the memory in vectors of the state's size.
    Source: Saad & Schultz, SIAM J. Sci. Stat. Comput. 7 (1986).
    """

    tol: float = 1e-6
    max_iter: int = 100
    restart: int = 40
    on_failure: OnFailure = "warn"

    def __post_init__(self) -> None:
        if not self.tol > 0:
            raise InputError(f"GMRES(tol={self.tol}): the tolerance must be positive, for example 1e-6.")
        if self.max_iter < 1 or self.restart < 1:
            raise InputError(
                f"GMRES(max_iter={self.max_iter}, restart={self.restart}): both must be at least 1."
            )
        if self.on_failure not in ("warn", "raise"):
            raise InputError(f'GMRES(on_failure={self.on_failure!r}): choose "warn" or "raise".')

    def solve_linear(self, product: FlatMap, b: Flat) -> LinearResult:
        """Solve (I - M) v = b; raises ConvergenceError if a product is not finite."""
        reference = norms(b).clamp(min=torch.finfo(torch.float32).tiny)
        value, n_evaluations = torch.zeros_like(b), 0
        remainder, residual = b, norms(b) / reference
        while n_evaluations < self.max_iter and bool((residual > self.tol).any()):
            if n_evaluations:
                # After a restart the true residual replaces the running one.
                remainder = b - (value - product(value))
                n_evaluations += 1
            size = min(self.restart, self.max_iter - n_evaluations)
            if size == 0:
                residual = norms(remainder) / reference
                break
            correction, residual, used = self._cycle(product, remainder, reference, size)
            value, n_evaluations = value + correction, n_evaluations + used
        return LinearResult(value, residual, residual <= self.tol, n_evaluations)

    def _cycle(
        self, product: FlatMap, remainder: Flat, reference: Float[Tensor, " batch"], size: int
    ) -> tuple[Flat, Float[Tensor, " batch"], int]:
        """One Krylov space from `remainder`: the correction, the relative residuals, the products used."""
        batch, length = norms(remainder).shape[0], norms(remainder)
        tiny = torch.finfo(remainder.dtype).tiny
        basis = [remainder / length.clamp(min=tiny).to(remainder.dtype)[:, None]]
        # The small problem lives in float64 on the CPU, where a rank-revealing least squares exists.
        hessenberg = torch.zeros(batch, size + 1, size, dtype=torch.float64)
        start = length.double().cpu()
        weights = torch.zeros(batch, size, dtype=torch.float64)
        residual = (length / reference).double().cpu()
        scale = reference.double().cpu()
        used = 0
        for k in range(size):
            if not bool((residual > self.tol).any()):
                break
            v = basis[k]
            w = v - product(v)
            used += 1
            column, w = orthogonalise(torch.stack(basis, dim=1), w)
            height = norms(w)
            if not bool(height.isfinite().all()):
                raise ConvergenceError(
                    f"A vector-Jacobian product returned non-finite values at adjoint evaluation {used}. "
                    "Check the parameters and the fixed point with torch.isfinite."
                )
            hessenberg[:, : k + 1, k] = column.double().cpu()
            hessenberg[:, k + 1, k] = height.double().cpu()
            # Below rounding the Krylov space is complete for this sample: a zero vector ends its expansion.
            alive = height > 10 * torch.finfo(w.dtype).eps * torch.linalg.vector_norm(column, dim=1)
            basis.append(
                torch.where(
                    alive[:, None], w / height.clamp(min=tiny).to(w.dtype)[:, None], torch.zeros_like(w)
                )
            )
            active = residual > self.tol
            solved, running = _least_squares(hessenberg[:, : k + 2, : k + 1], start)
            weights[active, : k + 1] = solved[active]
            residual[active] = (running / scale)[active]
        v_matrix = (
            torch.stack(basis[:used], dim=1) if used else remainder.new_zeros(batch, 0, remainder.shape[1])
        )
        combined = torch.einsum("bk,bkn->bn", weights[:, :used].to(remainder), v_matrix)
        return combined, residual.to(length), used


def _least_squares(
    hessenberg: Float[Tensor, "batch rows columns"], start: Float[Tensor, " batch"]
) -> tuple[Float[Tensor, "batch columns"], Float[Tensor, " batch"]]:
    """Minimise ||start e_1 - H y|| for each sample; returns y and the minimum."""
    right = torch.zeros(hessenberg.shape[:2], dtype=torch.float64)
    right[:, 0] = start
    y = torch.linalg.lstsq(hessenberg, right[:, :, None], driver="gelsd").solution
    return y[:, :, 0], torch.linalg.vector_norm(right - (hessenberg @ y)[:, :, 0], dim=1)

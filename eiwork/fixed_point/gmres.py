"""Batched, restarted GMRES for the adjoint systems of implicit gradients."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import ConvergenceError, InputError
from eiwork.fixed_point.adjoint import LinearResult
from eiwork.fixed_point.arnoldi import orthogonalise_
from eiwork.fixed_point.certificate import relative_error
from eiwork.fixed_point.hessenberg import HessenbergProblem
from eiwork.fixed_point.solver import OnFailure
from eiwork.fixed_point.state import Flat, FlatMap, norms
from eiwork.fixed_point.vectors import Vectors


@dataclass(frozen=True, kw_only=True)
class GMRES:
    """Generalised minimal residual method for (I - M) v = b, every sample its own Krylov space.

    The residual never grows with the evaluations, whatever the spectrum, which is why it is the default for
    adjoint systems. Arnoldi vectors are orthogonalised twice, so the running residual stays true. The smallest
    singular value of the Hessenberg matrices estimates sigma_min(I - M), from above, and so the error of v.

    tol: relative residual at which a sample is solved, > 0. max_iter: largest number of products with M.
    restart: size of the Krylov space; each product keeps a vector of the state's size (float32 or better) until then.
    Source: Saad & Schultz, SIAM J. Sci. Stat. Comput. 7 (1986).
    """

    tol: float = 1e-6
    max_iter: int = 200
    restart: int = 100
    on_failure: OnFailure = "warn"

    def __post_init__(self) -> None:
        if not self.tol > 0:
            raise InputError(f"GMRES(tol={self.tol}): the tolerance must be positive, for example 1e-6.")
        if self.max_iter < 1 or self.restart < 1:
            raise InputError(f"GMRES(max_iter={self.max_iter}, restart={self.restart}): both must be at least 1.")
        if self.on_failure not in ("warn", "raise"):
            raise InputError(f'GMRES(on_failure={self.on_failure!r}): choose "warn" or "raise".')

    def solve_linear(self, product: FlatMap, b: Flat) -> LinearResult:
        """Solve (I - M) v = b; raises ConvergenceError if a product is not finite."""
        run = _Run(product, b, self.tol)
        while run.n_evaluations < self.max_iter and run.unsolved:
            if run.n_evaluations:
                run.refresh()
            size = min(self.restart, self.max_iter - run.n_evaluations)
            if size and run.unsolved:
                run.cycle(size)
        return run.result()


class _Run:
    """One solve: the answer so far, in float32 or better, and what is known about it (per sample, on the CPU)."""

    def __init__(self, product: FlatMap, b: Flat, tol: float) -> None:
        # A Krylov basis in half precision would lose its orthogonality at once.
        self.b = b.float() if b.dtype in (torch.bfloat16, torch.float16) else b
        self.dtype, self.tol = b.dtype, tol
        self._product = product
        self.value = torch.zeros_like(self.b)
        self.remainder = self.b
        self.length = norms(self.b)
        self.reference = self.length.double().cpu().clamp(min=torch.finfo(torch.float32).tiny)
        self.residual = self.length.double().cpu() / self.reference
        self.sigma = torch.full_like(self.residual, torch.inf)
        self.trace: list[list[float]] = []
        self.n_evaluations = 0

    @property
    def unsolved(self) -> bool:
        return bool((self.residual > self.tol).any())

    def product(self, v: Flat) -> Flat:
        self.n_evaluations += 1
        return self._product(v.to(self.dtype)).to(self.b.dtype)

    def refresh(self) -> None:
        """After a restart the true residual replaces the running one."""
        self.remainder = self.b - (self.value - self.product(self.value))
        self.length = norms(self.remainder)
        self.residual = self.length.double().cpu() / self.reference
        self.trace.append(self.residual.tolist())

    def cycle(self, size: int) -> None:
        """Correct the answer within one Krylov space of at most `size` dimensions."""
        tiny, eps = torch.finfo(self.b.dtype).tiny, torch.finfo(self.b.dtype).eps
        basis = Vectors().append(self.remainder, 1 / self.length.clamp(min=tiny)[:, None], keep=size)
        problem = HessenbergProblem(self.residual * self.reference, size)
        # Samples whose Krylov space can still grow.
        open_ = torch.ones_like(self.residual, dtype=torch.bool)
        for k in range(size):
            v = basis.last
            w = v - self.product(v)
            column = orthogonalise_(basis, w)
            height = torch.linalg.vector_norm(w, dim=1, keepdim=True)
            # Below rounding the Krylov space is complete for this sample: a zero vector ends its expansion.
            growing = height > 10 * eps * torch.linalg.vector_norm(column, dim=1, keepdim=True)
            coefficients = torch.cat([column, height, growing.to(height.dtype)], dim=1).cpu().double()
            self._raise_if_not_finite(coefficients)
            problem.append(coefficients[:, :-1], (self.residual > self.tol) & open_)
            open_ = open_ & (coefficients[:, -1] > 0)
            self.residual = problem.minimum / self.reference
            self.trace.append(self.residual.tolist())
            if k + 1 == size or not bool(((self.residual > self.tol) & open_).any()):
                break
            basis = basis.append(w, torch.where(growing, 1 / height, 0.0), keep=size)
        self.value = self.value + basis.combine(problem.solve().to(self.b))
        self.sigma = torch.minimum(self.sigma, problem.sigma_min())

    def result(self) -> LinearResult:
        residual, sigma = self.residual.to(self.length), self.sigma.to(self.length)
        sigma = torch.where(sigma.isfinite(), sigma, torch.nan)
        return LinearResult(
            self.value.to(self.dtype),
            residual,
            (self.residual <= self.tol).to(residual.device),
            self.n_evaluations,
            list(residual.new_tensor(self.trace).unbind()),
            sigma,
            relative_error(residual * norms(self.b), norms(self.value), sigma, torch.finfo(self.dtype).eps),
        )

    def _raise_if_not_finite(self, coefficients: Float[Tensor, "batch entries"]) -> None:
        if not bool(coefficients.isfinite().all()):
            raise ConvergenceError(
                "A vector-Jacobian product returned non-finite values at adjoint evaluation "
                f"{self.n_evaluations}. Check the parameters and the fixed point with torch.isfinite."
            )

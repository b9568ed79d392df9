"""The adjoint system (I - J^T) v = g of an implicit gradient, solved sample by sample: batched, restarted GMRES."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from eiwork.errors import ConvergenceError
from eiwork.fixed_point.record import ROUNDING, LinearResult, Method, conclude, relative_error, require
from eiwork.fixed_point.solver import FixedPointSolver
from eiwork.fixed_point.state import Flat, FlatMap, norms
from eiwork.fixed_point.vectors import Vectors, orthogonalise_


@dataclass(frozen=True, kw_only=True)
class GMRES(Method):
    """Generalised minimal residual method for (I - M) v = b, every sample its own Krylov space.

    tol: relative residual, > 0. max_iter: largest number of products with M. restart: size of the Krylov space, whose
    vectors have the state's size. Source: Saad & Schultz, SIAM J. Sci. Stat. Comput. 7 (1986).
    """

    tol: float = 1e-6
    max_iter: int = 200
    restart: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, self.restart >= 1, "must be at least 1; try 100.", restart=self.restart)

    def solve_linear(self, product: FlatMap, b: Flat) -> LinearResult:
        """Solve (I - M) v = b; raises ConvergenceError if a product is not finite."""
        run = _Run(product, b, max(self.tol, self.rounding / ROUNDING))
        while run.n_evaluations < self.max_iter and bool((run.residual > run.tol).any()):
            run.cycle(self.restart, self.max_iter)
        return run.result()


AdjointSolver = GMRES | FixedPointSolver


def solve_adjoint(solver: AdjointSolver, product: FlatMap, g: Flat) -> Flat:
    """Solve (I - J^T) v = g per sample, scaled to unit norm (v = 0 where g = 0); publish, warn or raise on failure."""
    scale = norms(g)
    safe = torch.where(scale > 0, scale, torch.ones_like(scale)).to(g.dtype)[:, None]
    result = solver.solve_linear(product, g / safe)
    conclude(result, "adjoint", solver, g.dtype)
    return result.value * safe


class _Run:
    """One solve: the answer so far, in float32 or better, and what is known of each sample, on the CPU."""

    def __init__(self, product: FlatMap, b: Flat, tol: float) -> None:
        # A Krylov basis in half precision would lose its orthogonality at once.
        self.b = b.float() if b.dtype in (torch.bfloat16, torch.float16) else b
        self.dtype, self.tol = b.dtype, tol
        self._product = product
        self.value = torch.zeros_like(self.b)
        self.remainder = self.b
        self.length = norms(self.b)
        length = self.length.double().cpu()
        self.reference = length.clamp(min=torch.finfo(torch.float32).tiny)
        self.residual = length / self.reference
        self.sigma = torch.full_like(self.residual, torch.inf)
        self.trace: list[list[float]] = []
        self.n_evaluations = 0

    def product(self, v: Flat) -> Flat:
        self.n_evaluations += 1
        return self._product(v.to(self.dtype)).to(self.b.dtype)

    def cycle(self, restart: int, max_iter: int) -> None:
        """Correct the answer within one Krylov space, of at most `restart` dimensions."""
        if self.n_evaluations:
            # After a restart the true residual replaces the running one.
            self.remainder = self.b - (self.value - self.product(self.value))
            self.length = norms(self.remainder)
            self.residual = self.length.double().cpu() / self.reference
            self.trace.append(self.residual.tolist())
        size = min(restart, max_iter - self.n_evaluations)
        if size == 0 or not bool((self.residual > self.tol).any()):
            return
        tiny, eps = torch.finfo(self.b.dtype).tiny, torch.finfo(self.b.dtype).eps
        basis = Vectors().append(self.remainder, 1 / self.length.clamp(min=tiny)[:, None], keep=size)
        problem = HessenbergProblem(self.residual * self.reference, size)
        open_ = torch.ones_like(self.residual, dtype=torch.bool)  # whose Krylov space can still grow
        for k in range(size):
            w = basis.last - self.product(basis.last)
            column = orthogonalise_(basis, w)
            height = torch.linalg.vector_norm(w, dim=1, keepdim=True)
            # Below rounding the Krylov space is complete for this sample: a zero vector ends its expansion.
            growing = height > 10 * eps * torch.linalg.vector_norm(column, dim=1, keepdim=True)
            coefficients = torch.cat([column, height, growing.to(height.dtype)], dim=1).cpu().double()
            if not bool(coefficients.isfinite().all()):
                raise ConvergenceError(
                    "A vector-Jacobian product returned non-finite values at adjoint evaluation "
                    f"{self.n_evaluations}. Check the parameters and the fixed point with torch.isfinite."
                )
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
            value=self.value.to(self.dtype),
            converged=(self.residual <= self.tol).to(residual.device),
            residual=residual,
            n_evaluations=self.n_evaluations,
            trace=list(residual.new_tensor(self.trace).unbind()),
            sigma_min=sigma,
            error_bound=relative_error(residual * norms(self.b), norms(self.value), sigma, torch.finfo(self.dtype).eps),
        )


class HessenbergProblem:
    """min_y ||start e_1 - H y|| of each sample by Givens rotations, H upper Hessenberg, given column by column; CPU."""

    def __init__(self, start: Float[Tensor, " batch"], size: int) -> None:
        self.start = start
        self.minimum = start.clone()
        self.n_columns = torch.zeros_like(start, dtype=torch.long)
        self._hessenberg = start.new_zeros(start.shape[0], size + 1, size)
        self._rotation = torch.eye(size + 1, dtype=start.dtype, device=start.device).repeat(start.shape[0], 1, 1)
        self._size = 0

    def append(self, column: Float[Tensor, "batch rows"], active: Bool[Tensor, " batch"]) -> None:
        """Add column k, whose k + 2 entries may be nonzero, and update the minimum of the active samples."""
        k = self._size
        self._hessenberg[:, : k + 2, k] = column
        upper = (self._rotation[:, k, : k + 2] * column).sum(dim=1)
        lower = column[:, k + 1]
        length = torch.hypot(upper, lower)
        # A column that vanishes (space complete, I - M singular) cannot lower the minimum: exchange the rows.
        regular = length > 1e-15 * torch.linalg.vector_norm(column, dim=1)
        safe = torch.where(regular, length, 1.0)
        cosine = torch.where(regular, upper / safe, 0.0)[:, None]
        sine = torch.where(regular, lower / safe, 1.0)[:, None]
        above, below = self._rotation[:, k].clone(), self._rotation[:, k + 1].clone()
        self._rotation[:, k] = cosine * above + sine * below
        self._rotation[:, k + 1] = cosine * below - sine * above
        self._size = k + 1
        self.minimum = torch.where(active, self.start * self._rotation[:, k + 1, 0].abs(), self.minimum)
        self.n_columns += active

    def solve(self) -> Float[Tensor, "batch columns"]:
        """The minimisers, of smallest norm where H is rank-deficient, zero beyond a sample's own columns."""
        right = self.start.new_zeros(self.start.shape[0], self._size + 1, 1)
        right[:, 0, 0] = self.start
        return torch.linalg.lstsq(self._own(fill=0.0), right, driver="gelsd").solution[:, :, 0]

    def sigma_min(self) -> Float[Tensor, " batch"]:
        """Smallest singular value of H; inf for a sample without columns. Columns not its own become large ones."""
        large = 1 + 2 * torch.linalg.matrix_norm(self._hessenberg)
        smallest = torch.linalg.svdvals(self._own(fill=large))[:, -1]
        return torch.where(self.n_columns > 0, smallest, torch.inf)

    def _own(self, fill: Tensor | float) -> Float[Tensor, "batch rows columns"]:
        k = self._size
        own = torch.arange(k, device=self.start.device)[None] < self.n_columns[:, None]
        matrix = torch.where(own[:, None], self._hessenberg[:, : k + 1, :k], 0.0)
        below = matrix.diagonal(offset=-1, dim1=1, dim2=2)
        filler = torch.as_tensor(fill, dtype=matrix.dtype, device=matrix.device).reshape(-1, 1)
        below.copy_(torch.where(own, below, filler))
        return matrix

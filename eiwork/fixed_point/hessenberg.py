"""The small least-squares problems of GMRES, one a sample, in float64 on the CPU."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class HessenbergProblem:
    """min_y ||start e_1 - H y|| of each sample, H upper Hessenberg and given one column at a time.

    A Givens rotation a column keeps the minimum at hand; y is solved for once, at the end. A sample stops
    counting columns when it is no longer active.
    """

    def __init__(self, start: Float[Tensor, " batch"], size: int) -> None:
        self.start = start
        self.minimum = start.clone()
        self.n_columns = torch.zeros(start.shape[0], dtype=torch.long)
        self._hessenberg = start.new_zeros(start.shape[0], size + 1, size)
        self._rotation = torch.eye(size + 1, dtype=start.dtype).repeat(start.shape[0], 1, 1)
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
        minimum = self.start * self._rotation[:, k + 1, 0].abs()
        self.minimum = torch.where(active, minimum, self.minimum)
        self.n_columns += active

    def solve(self) -> Float[Tensor, "batch columns"]:
        """The minimisers, of smallest norm where H is rank-deficient, zero beyond a sample's own columns."""
        k = self._size
        right = self.start.new_zeros(self.start.shape[0], k + 1, 1)
        right[:, 0, 0] = self.start
        return torch.linalg.lstsq(self._own(fill=0.0), right, driver="gelsd").solution[:, :, 0]

    def sigma_min(self) -> Float[Tensor, " batch"]:
        """Smallest singular value of H: the smallest stretch of I - M seen; inf for a sample without columns."""
        # Columns that are not the sample's own become large orthogonal ones, which cannot hold the smallest value.
        large = 1 + 2 * torch.linalg.matrix_norm(self._hessenberg)
        smallest = torch.linalg.svdvals(self._own(fill=large))[:, -1]
        return torch.where(self.n_columns > 0, smallest, torch.inf)

    def _own(self, fill: Tensor | float) -> Float[Tensor, "batch rows columns"]:
        k = self._size
        own = torch.arange(k)[None] < self.n_columns[:, None]
        matrix = torch.where(own[:, None], self._hessenberg[:, : k + 1, :k], 0.0)
        below = matrix.diagonal(offset=-1, dim1=1, dim2=2)
        filler = torch.as_tensor(fill, dtype=matrix.dtype).reshape(-1, 1)
        below.copy_(torch.where(own, below, filler))
        return matrix

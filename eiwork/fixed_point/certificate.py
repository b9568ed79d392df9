"""From the residual of a solve to the error of its solution, through an estimate of sigma_min(I - J).

||error|| <= ||residual|| / sigma_min(I - J), since error = (I - J)^{-1} residual. A solver sees I - J along its own
steps alone, whose smallest stretch estimates sigma_min from above: the bounds below are estimates, not proofs.
"""

from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# Rounding of f or of a product, in units of the working precision; measured on the problems of the tests.
_ROUNDING = 4.0


def relative_error(
    residual: Float[Tensor, " batch"], size: Float[Tensor, " batch"], sigma_min: Float[Tensor, " batch"], eps: float
) -> Float[Tensor, " batch"]:
    """Estimated bound on ||v - v*|| / ||v*|| from the absolute residual, ||v|| and sigma_min(I - J).

    Rounding with relative precision `eps` counts as a residual. Zero where v = 0 solves the system exactly; inf where
    sigma_min is not known (nan).
    """
    nothing = (residual == 0) & (size == 0)
    ratio = residual / torch.where(size > 0, size, torch.ones_like(size))
    bound = torch.where(size > 0, (ratio + _ROUNDING * eps) / sigma_min, torch.inf)
    return torch.where(nothing, 0.0, bound.nan_to_num(nan=torch.inf, posinf=torch.inf))


def sigma_from_secants(
    gram_r: Float[Tensor, "batch memory memory"],
    gram_z: Float[Tensor, "batch memory memory"],
    valid: Bool[Tensor, "batch memory"],
    eps: float,
) -> Float[Tensor, " batch"]:
    """The smallest ||sum_j c_j dr_j|| / ||sum_j c_j dz_j||, from the Gram matrices of the differences (float64).

    The smallest stretch of I - J over the last steps, as dr_j = (J - I) dz_j for a linear map; nan where no difference
    is valid. Combinations that vanish to within rounding (`eps` of the vectors) are left out.
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
    large = 1 + 2 * torch.linalg.matrix_norm(stretch)
    stretch = stretch + torch.diag_embed(torch.where(kept, 0.0, large[:, None]))
    # The Gram matrices are known to within rounding, and so is the square of the stretch.
    sigma = torch.linalg.eigvalsh(stretch)[:, 0].clamp(min=4 * eps).sqrt()
    return torch.where(kept.any(dim=1), sigma, torch.nan)


def sigma_from_rate(trace: list[list[float]], tol: float, damping: float) -> list[float]:
    """1 - the contraction rate of each sample of a (damped) Picard iteration, from its residuals until they reach tol.

    The rate is the slowest of the last steps; nan where there are fewer than two residuals, 0 without contraction.
    """
    found = []
    for residuals in zip(*trace, strict=True):
        last = next((k for k, value in enumerate(residuals) if value <= tol), len(residuals) - 1)
        recent = residuals[max(0, last - 3) : last + 1]
        rates = [b / a for a, b in pairwise(recent) if a > 0]
        found.append(max(0.0, 1 - max(rates)) / damping if rates else float("nan"))
    return found

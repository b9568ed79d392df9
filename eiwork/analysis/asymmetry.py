"""How far a Jacobian is from symmetric: a gradient field has a symmetric one."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.estimate import Estimate, jackknife
from eiwork.analysis.jacobian import Jacobian
from eiwork.analysis.krylov import extreme_ritz_values
from eiwork.analysis.probes import Probes, RandomSigns
from eiwork.analysis.spectrum import symmetric_spectrum
from eiwork.errors import InputError

Vector = Float[Tensor, " batch"]


@dataclass(frozen=True)
class Asymmetry:
    """||J - J^T||_F / ||J + J^T||_F per image: 0 for a gradient field, about 1 for a matrix of independent entries.

    whole: of J itself. A denoiser is close to a multiple of the identity, which makes this small whatever it learnt.
    learnt: of J - c I, what the network adds to that multiple.
    multiple: c; the best one is tr J / n, on a subspace tr(P J P) / tr P.
    """

    whole: Estimate
    learnt: Estimate
    multiple: Estimate


def asymmetry(
    jacobian: Jacobian,
    probes: Probes | None = None,
    *,
    multiple: float | int | None = None,
    generator: torch.Generator | None = None,
) -> Asymmetry:
    """Asymmetry of a Jacobian, or of its restriction P J P, in Frobenius norms, by Hutchinson's estimator.

    probes: RandomSigns(32) by default; CompleteBasis() gives the exact numbers. multiple: c, by default the best one.
    Each probe costs one product with J and one with J^T. Standard errors are those of the jackknife over the probes.
    Raises InputError for random probes without a generator.
    """
    probes = RandomSigns() if probes is None else probes
    rows, shift = [], None
    for index in range(probes.count(jacobian.x)):
        w = probes.draw(jacobian.x, index, generator)
        unit = jacobian.identity(w)
        forward, backward = jacobian.apply(w), jacobian.transpose(w)
        symmetric, antisymmetric = (forward + backward) / 2, (forward - backward) / 2
        norm = _dot(unit, unit)
        if shift is None:
            # Sums of squares are taken near the multiple of the identity that dominates J, and lose no digits to it.
            # A unit vector may miss the subspace.
            shift = torch.where(norm > 0, _dot(symmetric, unit) / norm.clamp(min=1e-300), 0.0)
        rest = symmetric - shift.to(unit)[:, None, None, None] * unit
        rows.append(torch.stack([_dot(antisymmetric, antisymmetric), _dot(rest, rest), _dot(rest, unit), norm], dim=1))
    draws = torch.stack(rows)
    assert shift is not None
    start: Tensor = shift

    def ratio_beside(c: Tensor | float | int) -> "_Ratio":
        return _Ratio(c - start)

    whole = jackknife(ratio_beside(0.0), draws)
    if multiple is None:
        best = jackknife(lambda m: start + m[..., 2] / m[..., 3], draws)
        learnt = jackknife(_ratio_beside_best, draws)
    else:
        best = Estimate.exact(torch.full_like(start, float(multiple)))
        learnt = jackknife(ratio_beside(float(multiple)), draws)
    if probes.exact:
        whole, learnt, best = (Estimate.exact(e.value) for e in (whole, learnt, best))
    return Asymmetry(whole, learnt, best)


@dataclass(frozen=True)
class AsymmetryNorm:
    """||J - J^T||_2 / ||J + J^T||_2 per image, whole and without a multiple of the identity.

    antisymmetric, symmetric, symmetric_rest: spectral norms of (J - J^T) / 2, (J + J^T) / 2 and (J + J^T) / 2 - c I,
    each a lower bound that is within its residual of a true eigenvalue's modulus.
    """

    whole: Vector
    learnt: Vector
    antisymmetric: Vector
    symmetric: Vector
    symmetric_rest: Vector
    residual_antisymmetric: Vector
    residual_symmetric: Vector


def asymmetry_norm(
    jacobian: Jacobian,
    multiple: Vector | float | int,
    *,
    generator: torch.Generator,
    tol: float = 1e-2,
    max_size: int = 60,
) -> AsymmetryNorm:
    """Asymmetry in operator norms, by Krylov spaces of J - J^T and J + J^T with full reorthogonalisation.

    multiple: c, such as `asymmetry(...).multiple.value`. tol: residual of the extreme Ritz pairs relative to the
    largest one; max_size: of the Krylov spaces. Warns with ConvergenceWarning where the tolerance is not met.
    """
    if not tol > 0:
        raise InputError(f"asymmetry_norm(tol={tol}): must be positive, such as 1e-2.")
    even = symmetric_spectrum(jacobian, generator=generator, tol=tol, max_size=max_size)
    symmetric = torch.maximum(even.smallest.abs(), even.largest.abs())
    # What is left of a symmetric J is rounding, whose spectrum nobody needs to know.
    rounding = 100 * torch.finfo(jacobian.x.dtype).eps * float(symmetric.max())
    skew = extreme_ritz_values(
        jacobian.antisymmetric,
        jacobian.random,
        generator,
        tol=tol,
        max_size=max_size,
        skew=True,
        floor=rounding,
    )
    c = multiple.double() if isinstance(multiple, Tensor) else float(multiple)
    rest = torch.maximum((even.smallest - c).abs(), (even.largest - c).abs())
    return AsymmetryNorm(
        skew.largest / symmetric,
        skew.largest / rest,
        skew.largest,
        symmetric,
        rest,
        skew.residual_largest,
        torch.maximum(even.residual_smallest, even.residual_largest),
    )


@dataclass(frozen=True)
class _Ratio:
    """Means of (|A w|^2, |u|^2, <u, w>, |w|^2), u = (S - s I) w, to |A|_F / |S - (s + shift) I|_F."""

    shift: Tensor

    def __call__(self, means: Tensor) -> Tensor:
        a, u, q, m = means.unbind(dim=-1)
        return (a / (u - 2 * self.shift * q + self.shift.square() * m)).sqrt()


def _ratio_beside_best(means: Tensor) -> Tensor:
    a, u, q, m = means.unbind(dim=-1)
    return (a / (u - q.square() / m)).sqrt()


def _dot(a: Tensor, b: Tensor) -> Vector:
    return (a.double() * b.double()).flatten(1).sum(dim=1)

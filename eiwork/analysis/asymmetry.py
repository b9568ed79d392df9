"""How far a Jacobian is from symmetric: a gradient field has a symmetric one."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.estimate import CompleteBasis, Estimate, RandomSigns, jackknife
from eiwork.analysis.jacobian import Jacobian
from eiwork.analysis.quadrature import inner


@dataclass(frozen=True)
class Asymmetry:
    """||J - J^T||_F / ||J + J^T||_F per image: 0 for a gradient field, about 1 for a matrix of independent entries.

    whole: of J itself. A denoiser is close to a multiple of the identity, which makes this small whatever it learnt.
    learnt: of J - c I, what the network adds to that multiple.
    multiple: the best c: tr J / n, on a subspace tr(P J P) / tr P.
    """

    whole: Estimate
    learnt: Estimate
    multiple: Estimate


def asymmetry(
    jacobian: Jacobian, probes: RandomSigns | CompleteBasis | None = None, *, generator: torch.Generator | None = None
) -> Asymmetry:
    """Asymmetry of a Jacobian, or of its restriction P J P, in Frobenius norms, by Hutchinson's estimator.

    probes: RandomSigns(32) by default; CompleteBasis() gives the exact numbers. Each costs one product with J and one
    with J^T. Standard errors are those of the jackknife over the probes.
    Raises InputError for random probes without a generator.
    """
    probes = RandomSigns() if probes is None else probes
    rows: list[Tensor] = []
    start: Tensor | None = None
    for index in range(probes.count(jacobian.x)):
        w = probes.draw(jacobian.x, index, generator)
        unit = jacobian.identity(w)
        forward, backward = jacobian.apply(w), jacobian.transpose(w)
        symmetric, antisymmetric = (forward + backward) / 2, (forward - backward) / 2
        norm = inner(unit, unit)
        if start is None:
            # Sums of squares are taken near the multiple of the identity that dominates J, and lose no digits to it.
            # A unit vector may miss the subspace.
            start = torch.where(norm > 0, inner(symmetric, unit) / norm.clamp(min=1e-300), 0.0)
        rest = symmetric - start.to(unit)[:, None, None, None] * unit
        pairs = (antisymmetric, antisymmetric), (rest, rest), (rest, unit), (unit, unit)
        rows.append(torch.stack([inner(a, b) for a, b in pairs], dim=1))
    assert start is not None
    shift, draws = start, torch.stack(rows)

    def whole(means: Tensor) -> Tensor:
        a, u, q, m = means.unbind(dim=-1)
        return (a / (u + 2 * shift * q + shift.square() * m)).sqrt()

    def learnt(means: Tensor) -> Tensor:
        a, u, q, m = means.unbind(dim=-1)
        return (a / (u - q.square() / m)).sqrt()

    def multiple(means: Float[Tensor, "*draws batch 4"]) -> Tensor:
        return shift + means[..., 2] / means[..., 3]

    found = [jackknife(statistic, draws) for statistic in (whole, learnt, multiple)]
    if probes.exact:
        found = [Estimate.exact(estimate.value) for estimate in found]
    return Asymmetry(*found)

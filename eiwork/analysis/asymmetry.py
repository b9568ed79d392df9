"""How far a Jacobian is from symmetric, as that of a gradient field is, by random probes, with standard errors."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.jacobian import Image, Jacobian, inner
from eiwork.errors import InputError


@dataclass(frozen=True)
class Estimate:
    """One number per image with the standard error of its estimation (0 where nothing was drawn at random)."""

    value: Float[Tensor, " batch"]
    standard_error: Float[Tensor, " batch"]


def jackknife(statistic: Callable[[Tensor], Tensor], draws: Float[Tensor, "k batch columns"]) -> Estimate:
    """A smooth function of the means of random draws, with its standard error per sample.

    statistic: means (..., batch, columns) -> (..., batch). The error is that of the delete-one jackknife (Efron, 1982).
    Raises InputError for fewer than two draws.
    """
    k = len(draws)
    if k < 2:
        raise InputError(f"A standard error needs at least two random draws, got {k}: take more probes, such as 32.")
    total = draws.sum(dim=0)
    without_one = statistic((total - draws) / (k - 1))
    spread = (without_one - without_one.mean(dim=0)).square().sum(dim=0)
    return Estimate(statistic(total / k), (spread * (k - 1) / k).sqrt())


@dataclass(frozen=True)
class RandomSigns:
    """Hutchinson's probes: independent signs +1 and -1, other ones for every image (Hutchinson, 1989).

    number: probes per image, >= 2; the standard error falls with its square root. Needs a generator.
    """

    number: int = 32

    def __post_init__(self) -> None:
        if self.number < 2:
            raise InputError(f"RandomSigns({self.number}): a standard error needs at least two probes.")

    def count(self, x: Image) -> int:
        """The number of probes."""
        return self.number

    def draw(self, x: Image, index: int, generator: torch.Generator | None) -> Image:
        """Signs in the shape and type of x."""
        if generator is None:
            raise InputError("Random probes need a generator: pass torch.Generator().manual_seed(0).")
        signs = torch.randint(2, x.shape, generator=generator, device=generator.device)
        return (2 * signs - 1).to(x)


@dataclass(frozen=True)
class CompleteBasis:
    """Every pixel once: traces and Frobenius norms come out exactly, at as many products as an image has values."""

    def count(self, x: Image) -> int:
        """The number of values of one image."""
        return x[0].numel()

    def draw(self, x: Image, index: int, generator: torch.Generator | None) -> Image:
        """The unit vector of value `index` of the image."""
        unit = torch.zeros_like(x).flatten(1)
        unit[:, index] = 1
        return unit.view_as(x)


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
    if isinstance(probes, CompleteBasis):
        found = [Estimate(estimate.value, torch.zeros_like(estimate.value)) for estimate in found]
    return Asymmetry(*found)

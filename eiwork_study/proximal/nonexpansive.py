"""Lipschitz, monotonicity and cocoercivity constants of a denoiser on pairs of images, found and worst."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.quadrature import inner
from eiwork.errors import InputError

ImageMap = Callable[[Tensor], Tensor]
Image = Float[Tensor, "batch channel height width"]
Vector = Float[Tensor, " batch"]
Constant = Literal["lipschitz", "monotonicity", "cocoercivity"]
_CONSTANTS = ("lipschitz", "monotonicity", "cocoercivity")


@dataclass(frozen=True)
class PairConstants:
    """What a pair of images says of D, with d = x - x' and e = D(x) - D(x').

    lipschitz: ||e|| / ||d||. monotonicity: <e, d> / ||d||^2, >= 0 for every proximal map. cocoercivity:
    <e, d> / ||e||^2, >= 1 for all pairs exactly if D is firmly nonexpansive, as the proximal map of a convex function
    is (Moreau, 1965).
    """

    lipschitz: Vector
    monotonicity: Vector
    cocoercivity: Vector


def pair_constants(denoiser: ImageMap, x: Image, other: Image) -> PairConstants:
    """The constants of each pair (x, other), in float64; differentiable. Equal images give NaN."""
    d, e = x.double() - other.double(), denoiser(x).double() - denoiser(other).double()
    dd, ee, de = inner(d, d), inner(e, e), inner(d, e)
    return PairConstants((ee / dd).sqrt(), de / dd, de / ee)


@dataclass(frozen=True)
class WorstPairs:
    """The worst constant that the search found from each start, with its pair.

    value: the constant; first: the start's. x, other: the pair.
    """

    value: Vector
    first: Vector
    x: Image
    other: Image


def worst_pairs(
    denoiser: ImageMap,
    x: Image,
    other: Image,
    constant: Constant = "cocoercivity",
    *,
    steps: int = 30,
    radius: float | int = 0.1,
    min_distance: float | int = 0.05,
) -> WorstPairs:
    """Move each pair by gradient ascent (descent for monotonicity and cocoercivity) to where its constant is worst.

    The search is local, so its result bounds the constant from one side. Steps are normalised and kept only where they
    make it worse, else halved.

    radius: how far each image of a pair may move, as the root mean square of a pixel, > 0. min_distance: the pair stays
    this far apart, relative to its start, in (0, 1]. steps: evaluations of the gradient, >= 1.
    Raises InputError for settings out of range or an unknown constant.
    """
    if constant not in _CONSTANTS:
        raise InputError(f"constant={constant!r}: choose one of {', '.join(_CONSTANTS)}.")
    if steps < 1 or not radius > 0 or not 0 < min_distance <= 1:
        raise InputError(
            f"worst_pairs(steps={steps}, radius={radius}, min_distance={min_distance}): at least one step, a positive "
            "radius and a distance in (0, 1]."
        )
    start = torch.stack([x, other], dim=1).detach()
    reach = radius * x[0].numel() ** 0.5
    shortest = min_distance * _norm(start[:, 0] - start[:, 1])
    sign = 1.0 if constant == "lipschitz" else -1.0

    def score(pair: Tensor) -> Vector:
        return sign * getattr(pair_constants(denoiser, pair[:, 0], pair[:, 1]), constant)

    with torch.no_grad():
        best = first = score(start)
    pair, stride = start, torch.full_like(first, reach / 4)
    for _ in range(steps):
        with torch.enable_grad():
            leaf = pair.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(score(leaf).sum(), leaf)
        with torch.no_grad():
            length = _norm(gradient).clamp(min=1e-30)
            trial = _into_reach(pair + _wide(stride / length, gradient) * gradient, start, reach)
            value = score(trial)
            apart = _norm(trial[:, 0] - trial[:, 1]) >= shortest
            # A comparison with NaN is false: such a step is not taken.
            better = (value > best) & apart
            pair = torch.where(better.view(-1, *[1] * (pair.ndim - 1)), trial, pair)
            best = torch.where(better, value, best)
            stride = torch.where(better, stride * 1.3, stride / 2)
    return WorstPairs(sign * best, sign * first, pair[:, 0], pair[:, 1])


def _into_reach(pair: Tensor, start: Tensor, reach: float) -> Tensor:
    moved = pair - start
    length = moved.flatten(2).norm(dim=2).clamp(min=1e-30)
    return start + moved * (reach / length).clamp(max=1.0)[:, :, None, None, None]


def _norm(t: Tensor) -> Vector:
    return t.double().flatten(1).norm(dim=1)


def _wide(v: Vector, like: Tensor) -> Tensor:
    return v.to(like).view(-1, *[1] * (like.ndim - 1))

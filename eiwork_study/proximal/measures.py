"""What only the survey measures: random loops, dependence on the path, preimages and invariance of a prior, as JSON."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.analysis.circulation import Ellipse
from eiwork.analysis.estimate import Estimate
from eiwork.analysis.invariance import GroupTransform
from eiwork.analysis.prior import ImpliedPrior, PathPotential
from eiwork.analysis.quadrature import gauss_legendre, line_integral
from eiwork.errors import InputError
from eiwork.fixed_point import Anderson, FixedPointSolver, Solution, solve_fixed_point
from eiwork.fixed_point.state import State

ImageMap = Callable[[Tensor], Tensor]
StateMap = Callable[[State], State]
Image = Float[Tensor, "batch channel height width"]
Vector = Float[Tensor, " batch"]
Loops = Float[Tensor, "loops nodes channel height width"]
PerTransformed = Float[Tensor, " transformed"]


def as_json(numbers: Vector | Estimate) -> dict[str, Any]:
    """The mean over images with the standard error of that mean, and both numbers of every image.

    The error of the mean has the spread between images in it, which already contains their sampling errors; for one
    image it is that image's own.
    """
    estimate = numbers if isinstance(numbers, Estimate) else Estimate.exact(numbers)
    values = estimate.value.double()
    n = len(values)
    error = float(values.std() / math.sqrt(n)) if n > 1 else float(estimate.standard_error[0])
    return {
        "mean": float(values.mean()),
        "standard_error": error,
        "per_image": estimate.value.tolist(),
        "per_image_standard_error": estimate.standard_error.tolist(),
    }


@dataclass(frozen=True)
class Polygon:
    """Straight edges from vertex to vertex and back to the first, such as triangles of three images.

    vertices: (loops, corners, channel, height, width), at least three corners, else InputError. `order` counts
    Gauss-Legendre nodes an edge.
    """

    vertices: Loops

    def __post_init__(self) -> None:
        if self.vertices.shape[1] < 3:
            raise InputError(f"A polygon of {self.vertices.shape[1]} corners encloses no area: pass three.")

    def nodes(self, order: int) -> tuple[Loops, Loops]:
        """Gauss-Legendre nodes of every edge."""
        edges = self.vertices.roll(-1, dims=1) - self.vertices
        places, weights = gauss_legendre(order)
        points = torch.cat([self.vertices + t * edges for t in places], dim=1)
        return points, torch.cat([w * edges for w in weights], dim=1)


def random_triangles(images: Image, count: int, generator: torch.Generator) -> Polygon:
    """`count` triangles, each of three different images. Raises InputError for fewer than three images."""
    if len(images) < 3:
        raise InputError(f"Triangles need at least three images, got {len(images)}.")
    corners = torch.stack(
        [torch.randperm(len(images), generator=generator, device=generator.device)[:3] for _ in range(count)]
    )
    return Polygon(images[corners.to(images.device)])


def random_circles(images: Image, radius: float | int, generator: torch.Generator) -> Ellipse:
    """A circle around every image in a random plane.

    radius: in units of the root mean square of a pixel, so that images at the circle differ from the centre by white
    noise of that standard deviation. Raises InputError if it is not positive.
    """
    if not radius > 0:
        raise InputError(f"radius={radius}: must be positive, such as 0.1.")
    size = images[0].numel()
    draws = torch.randn(2, *images.shape, generator=generator, device=generator.device).to(images)
    plane = torch.linalg.qr(draws.flatten(2).permute(1, 2, 0)).Q
    u, v = (plane[:, :, k].reshape(images.shape) * (radius * math.sqrt(size)) for k in range(2))
    return Ellipse(images, u, v)


@dataclass(frozen=True)
class PathDependence:
    """How far the potential of a field depends on the path of integration, per image.

    psi: mean over the paths. spread: standard deviation over the paths: the error bar of psi, 0 for a gradient field.
    relative: spread over |psi|, psi counted from the base. quadrature_error: of the straight path, in units of psi.
    """

    psi: Vector
    spread: Vector
    relative: Vector
    quadrature_error: Vector


@torch.no_grad()
def path_dependence(psi: PathPotential, x: Image, corners: Sequence[Tensor]) -> PathDependence:
    """psi over the straight path and over paths with one corner each.

    corners: images like x, or single ones, each of which makes a path base -> corner -> x for every x.
    """
    if not corners:
        raise InputError("Path dependence needs at least one corner: pass other images, or noise.")

    def between(start: Tensor, end: Tensor) -> Vector:
        return line_integral(psi.denoiser, start, end, order=psi.order)

    straight = psi(x)
    paths = torch.stack([straight, *(psi(corner) + between(corner, x) for corner in corners)])
    coarse = replace(psi, order=max(1, psi.order // 2))(x)
    mean, spread = paths.mean(dim=0), paths.std(dim=0)
    return PathDependence(mean, spread, spread / mean.abs(), (straight - coarse).abs())


def preimage(denoiser: ImageMap, x: Image, z0: Image | None = None, solver: FixedPointSolver | None = None) -> Solution:
    """z with D(z) = x, from the start z0 (x itself by default), as a fixed point of z + (x - D(z)).

    `Solution.residual` is ||x - D(z)|| / ||z + x - D(z)||. Warns with ConvergenceWarning if the solver does not
    reach its tolerance: then x lies outside the range of D, or J is nearly singular or has negative eigenvalues on
    the way.
    """

    def step(z: Tensor) -> Tensor:
        return z + (x - denoiser(z))

    chosen = Anderson(tol=1e-6, max_iter=300) if solver is None else solver
    return solve_fixed_point(cast(StateMap, step), x if z0 is None else z0, solver=chosen)


@dataclass(frozen=True)
class PriorInvariance:
    """phi(T x) beside phi(x), one number per transformed image.

    change: phi(T x) - phi(x). relative: |change| over the standard deviation of phi between the images: what the prior
    makes of a turn, beside what it makes of another image. residual: of the preimage of T x, above which it has no
    meaning.
    """

    change: PerTransformed
    relative: PerTransformed
    residual: PerTransformed


@torch.no_grad()
def prior_invariance(
    prior: ImpliedPrior, z: Image, transform: GroupTransform, params: dict[str, Tensor] | None = None
) -> PriorInvariance:
    """phi at the images x = D(z) and at T_g x, through the preimage of T_g x, sought from T_g z.

    Warns as `preimage`. Raises InputError for a single image: its phi has no spread to compare with.
    """
    if len(z) < 2:
        raise InputError("The spread of phi needs at least two images.")
    own = prior.at_output(z)
    params = transform.get_params(z) if params is None else params
    moved = transform.transform(own.x, **params)
    solution = preimage(prior.denoiser, moved, transform.transform(z, **params))
    assert isinstance(solution.value, Tensor)
    change = prior.at_output(solution.value).phi - own.phi.repeat(len(moved) // len(z))
    return PriorInvariance(change, change.abs() / own.phi.std(), solution.residual.double())


class RotatedField(nn.Module):
    """D(x) + s R x, R antisymmetric and orthogonal: the negative control of every test for a gradient.

    R pairs the values of an image at random: of a pair (a, b) it makes (-b, a). So (J - J^T) / 2 gains s R, of
    Frobenius norm s sqrt(n) and spectral norm s, and a circle of radius r in the plane of a pair has the circulation
    2 pi r^2 s.

    denoiser: D. strength: s. image_shape: (channel, height, width) with an even number n of values, else InputError.
    generator: of the pairing.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        strength: float | int,
        image_shape: tuple[int, int, int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        size = torch.Size(image_shape).numel()
        if size % 2:
            raise InputError(
                f"RotatedField pairs the values of an image; {tuple(image_shape)} has an odd number of them."
            )
        self.denoiser, self.strength = denoiser, strength
        first, second = torch.randperm(size, generator=generator, device=generator.device).cpu().chunk(2)
        partner, sign = torch.empty(size, dtype=torch.long), torch.empty(size)
        partner[first], partner[second] = second, first
        sign[first], sign[second] = -1.0, 1.0
        self.register_buffer("partner", partner)
        self.register_buffer("sign", sign)
        self.partner: Tensor
        self.sign: Tensor

    def rotation(self, x: Image) -> Image:
        """R x."""
        return (x.flatten(1)[:, self.partner] * self.sign.to(x)).view_as(x)

    def forward(self, x: Image) -> Image:
        """Apply the spoiled operator to images (batch, channel, height, width)."""
        return self.denoiser(x) + self.strength * self.rotation(x)

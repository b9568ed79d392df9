"""Recovering a potential psi with D = grad psi by integrating D along paths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.quadrature import line_integral
from eiwork.errors import InputError

ImageMap = Callable[[Tensor], Tensor]
Image = Float[Tensor, "batch channel height width"]
Vector = Float[Tensor, " batch"]


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


@dataclass(frozen=True)
class PathPotential:
    """psi(x): the integral of <D, dx> along the straight line from a base image to x; psi(base) = 0.

    If D is a gradient this is its potential, up to a constant. If not, it still is one function of the image, and
    `gradient` is a gradient field near D; `path_dependence` says how near.

    denoiser: D. base: one image (1, channel, height, width), such as zeros or the mean of the data. order: nodes of the
    Gauss-Legendre rule. chunk: images that D sees at once. Raises InputError for a base of another batch size.
    """

    denoiser: ImageMap
    base: Float[Tensor, "_ channel height width"]
    order: int = 8
    chunk: int = 64

    def __post_init__(self) -> None:
        if len(self.base) != 1:
            raise InputError(f"The base of a potential is one image, got a batch of {len(self.base)}.")

    def __call__(self, x: Image) -> Vector:
        """psi of each image, in float64."""
        return line_integral(self.denoiser, self.base, x, order=self.order, chunk=self.chunk)

    @torch.no_grad()
    def path_dependence(self, x: Image, corners: Sequence[Tensor]) -> PathDependence:
        """psi over the straight path and over paths with one corner each.

        corners: images like x, or single ones, each of which makes a path base -> corner -> x for every x.
        """
        if not corners:
            raise InputError("Path dependence needs at least one corner: pass other images, or noise.")
        straight = self(x)
        bent = [self(corner) + self._between(corner, x) for corner in corners]
        paths = torch.stack([straight, *bent])
        coarse = PathPotential(self.denoiser, self.base, max(1, self.order // 2), self.chunk)(x)
        mean, spread = paths.mean(dim=0), paths.std(dim=0)
        return PathDependence(mean, spread, spread / mean.abs(), (straight - coarse).abs())

    def gradient(self, x: Image) -> Image:
        """grad psi(x), by backpropagation through the integral: the gradient field nearest to D in this sense.

        It is the integral of D(b + t (x - b)) + t J(b + t (x - b))^T (x - b) over t in [0, 1], b the base, and equals
        D(x) if D is a gradient. No graph is kept.
        """
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self(leaf).sum(), leaf)
        return gradient

    def _between(self, start: Tensor, end: Tensor) -> Vector:
        return line_integral(self.denoiser, start, end, order=self.order, chunk=self.chunk)

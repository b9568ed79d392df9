"""Closed loops through the space of images."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.quadrature import gauss_legendre
from eiwork.errors import InputError

Loops = Float[Tensor, "loops nodes channel height width"]
Image = Float[Tensor, "loops channel height width"]


@runtime_checkable
class Loop(Protocol):
    """A batch of closed curves with a quadrature rule of any order."""

    def nodes(self, order: int) -> tuple[Tensor, Tensor]:
        """Points (loops, nodes, ...) and, alike, the weighted tangents dx of the rule."""


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


@dataclass(frozen=True)
class Ellipse:
    """centre + cos(t) u + sin(t) v for t from 0 to 2 pi: a circle of radius r if u and v are orthogonal of length r.

    centre, u, v: (loops, channel, height, width). `order` counts equally spaced nodes, whose error falls faster than
    any power of them on a smooth closed curve.
    """

    centre: Image
    u: Image
    v: Image

    def nodes(self, order: int) -> tuple[Loops, Loops]:
        """Equally spaced nodes; InputError for fewer than three."""
        if order < 3:
            raise InputError(f"order={order}: a circle needs at least three nodes; 16 suits smooth networks.")
        angles = [2 * math.pi * k / order for k in range(order)]
        points = [self.centre + math.cos(t) * self.u + math.sin(t) * self.v for t in angles]
        steps = [(math.cos(t) * self.v - math.sin(t) * self.u) * (2 * math.pi / order) for t in angles]
        return torch.stack(points, dim=1), torch.stack(steps, dim=1)


def random_triangles(
    images: Float[Tensor, "n channel height width"], count: int, generator: torch.Generator
) -> Polygon:
    """`count` triangles, each of three different images. Raises InputError for fewer than three images."""
    if len(images) < 3:
        raise InputError(f"Triangles need at least three images, got {len(images)}.")
    corners = torch.stack(
        [torch.randperm(len(images), generator=generator, device=generator.device)[:3] for _ in range(count)]
    )
    return Polygon(images[corners.to(images.device)])


def random_circles(
    images: Float[Tensor, "n channel height width"], radius: float | int, generator: torch.Generator
) -> Ellipse:
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

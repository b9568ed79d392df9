"""The stacked operator [A T_g]_g: all that a scanner could measure of an image and its transformed versions."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.symmetry.elements import Params
from eiwork.symmetry.per_sample import PerSampleTransform

MAX_PIXELS = 8192
"""Numbers per image up to which `matrix` writes M out (0.5 GiB in float64)."""
_AT_ONCE = 64
"""Images that are transformed in one call: many small calls cost several times as much as one of this size."""


@dataclass(frozen=True, kw_only=True)
class StackedOperator:
    """The operators A T_g of some group elements, one above the other, each divided by the root of their number n.

    If the set of images is invariant, y = A x = (A T_g)(T_g^-1 x) is a measurement of another image of the set by A T_g
    (Chen, Tachella and Davies, ICCV 2021): what none of these operators sees, no training on measurements can learn.

    physics: A, of which `A` and its derivative are used. transform: the group. elements: parameters of the n elements
    (`group_elements`), each (1,) for one element for all images, or (1, batch) for images with elements of their own.

    Raises:
        InputError: no elements.
    """

    physics: LinearPhysics
    transform: Transform
    elements: list[Params]

    def __post_init__(self) -> None:
        if not self.elements:
            raise InputError("A stacked operator needs at least one group element: take group_elements(...).")

    def measure(self, x: Float[Tensor, "batch c h w"]) -> list[Tensor]:
        """A T_g x / sqrt(n) for each element."""
        scale = len(self.elements) ** -0.5
        return [scale * self.physics.A(self.transform.transform(x, **g)) for g in self.elements]

    def normal(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h w"]:
        """M x with M = mean over g of T_g^T A^T A T_g, by exact adjoints whatever the interpolation."""
        total = torch.zeros_like(x)
        for n, g in self._together(len(x)):
            with torch.enable_grad():
                u = x.detach().requires_grad_()
                turned = self.transform.transform(u.repeat(n, 1, 1, 1), **g)
            with torch.no_grad():
                seen = self.physics.A_adjoint(self.physics.A(turned))
            (pulled,) = torch.autograd.grad(turned, u, seen)
            total += pulled
        return total / len(self.elements)

    def _together(self, batch: int) -> Iterator[tuple[int, Params]]:
        """The elements, several for as many copies of the batch where the transform takes one for each image."""
        several = max(1, _AT_ONCE // batch)
        if several == 1 or not isinstance(self.transform, PerSampleTransform):
            yield from ((1, g) for g in self.elements)
            return
        for start in range(0, len(self.elements), several):
            part = self.elements[start : start + several]
            each = {name: [g[name].reshape(1, -1).expand(1, batch) for g in part] for name in part[0]}
            yield len(part), {name: torch.cat(values, dim=1) for name, values in each.items()}

    def matrix(self, image_shape: tuple[int, int, int]) -> Float[Tensor, "pixel pixel"]:
        """M as a dense float64 matrix for images (channel, height, width); the elements must be shared by all images.

        Raises:
            InputError: more than `MAX_PIXELS` numbers per image.
        """
        n = image_shape[0] * image_shape[1] * image_shape[2]
        if n > MAX_PIXELS:
            raise InputError(
                f"M for images of {n} numbers is a matrix of {n} x {n}, above the limit of {MAX_PIXELS}: use "
                "krylov_spectrum, which needs products with M only."
            )
        identity = torch.eye(n, dtype=torch.float64).view(n, *image_shape)
        m = torch.cat([self.normal(part) for part in identity.split(256)]).view(n, n)
        return (m + m.mT) / 2

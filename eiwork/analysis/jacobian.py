"""The Jacobian of a denoiser at images, as products with vectors."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.state import Packing, norms

Image = Float[Tensor, "batch channel height width"]
ImageMap = Callable[[Tensor], Tensor]
# Numbers in the vectors multiplied: with more of them the half second of tracing is less than the time it saves.
_WORTH_LINEARISING = 2**20


@dataclass(frozen=True)
class Jacobian:
    """A square linear map of each image of a batch, usually J = dD/dx; all products are batched and matrix-free.

    x: the images (batch, channel, height, width), detached; products have their shape and type.
    apply: v -> J v. transpose: u -> J^T u.
    projector: P, where J has been restricted to a subspace.
    """

    x: Image
    apply: ImageMap
    transpose: ImageMap
    projector: ImageMap | None = None

    def restricted(self, projector: ImageMap) -> "Jacobian":
        """P J P for an orthogonal projector P, such as `null_space_projector(physics)`."""
        if self.projector is not None:
            raise InputError("This Jacobian is restricted already: restrict the whole one instead.")
        return replace(
            self,
            apply=lambda v: projector(self.apply(projector(v))),
            transpose=lambda u: projector(self.transpose(projector(u))),
            projector=projector,
        )

    def identity(self, v: Image) -> Image:
        """v, or P v on a subspace: the unit of the space that J acts on."""
        return v if self.projector is None else self.projector(v)

    def symmetric(self, v: Image) -> Image:
        """(J + J^T) v / 2."""
        return (self.apply(v) + self.transpose(v)) / 2

    def antisymmetric(self, v: Image) -> Image:
        """(J - J^T) v / 2."""
        return (self.apply(v) - self.transpose(v)) / 2

    def random(self, generator: torch.Generator) -> Image:
        """Gaussian vectors of the space that J acts on."""
        return self.identity(draw_normal(self.x, generator))


def draw_normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape and type of a tensor, drawn where the generator lives."""
    return torch.randn(like.shape, generator=generator, device=generator.device).to(like)


def jacobian(denoiser: ImageMap, x: Image) -> Jacobian:
    """J = dD/dx at each image of the batch x; D must not mix the images.

    J^T u is one backward pass, J v two. After many products J v is as cheap through `torch.func.linearize`, which is
    checked once against the two passes, in exact arithmetic the same number, and left aside where they differ
    (functions without forward derivatives; gradients inside D, which `linearize` gets wrong in silence). Raises
    InputError if D changes the shape of its images or returns no gradient.
    """
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        out = denoiser(leaf)
    if out.shape != x.shape:
        raise InputError(
            f"The denoiser turns images of shape {tuple(x.shape)} into {tuple(out.shape)}: only a map of images to "
            "images of the same shape can have a symmetric Jacobian."
        )

    if not out.requires_grad:
        raise InputError(
            "The denoiser's output carries no gradient: it is constant, or computed under torch.no_grad(). Pass a "
            "differentiable denoiser."
        )

    def transpose(u: Image) -> Image:
        return torch.autograd.grad(out, leaf, u, retain_graph=True, materialize_grads=True)[0]

    return Jacobian(leaf.detach(), _ForwardProduct(denoiser, leaf, out), transpose)


def range_projector(physics: LinearPhysics) -> ImageMap:
    """v -> A^+ A v: the orthogonal projector onto the range of A^T, which the measurement sees.

    What counts as seen is up to A^+: tomography cuts singular values below its `rtol`, which grows with its noise.
    """
    return lambda v: physics.A_dagger(physics.A(v))


def null_space_projector(physics: LinearPhysics) -> ImageMap:
    """v -> v - A^+ A v: the orthogonal projector onto the null space of A, of which no measurement tells anything.

    Directions that A^+ cuts belong to it, see `range_projector`.
    """
    return lambda v: v - physics.A_dagger(physics.A(v))


def _two_backward_passes(leaf: Image, out: Image) -> ImageMap:
    # The gradient of the (linear) map u -> J^T u at any u is J.
    dummy = torch.zeros_like(leaf).requires_grad_()
    with torch.enable_grad():
        (back,) = torch.autograd.grad(out, leaf, dummy, create_graph=True, retain_graph=True, materialize_grads=True)

    def product(v: Image) -> Image:
        if not back.requires_grad:
            return torch.zeros_like(v)
        return torch.autograd.grad(back, dummy, v, retain_graph=True, materialize_grads=True)[0]

    return product


class _ForwardProduct:
    """J v by two backward passes, and linearised after as many products as linearising takes time for."""

    def __init__(self, denoiser: ImageMap, leaf: Image, out: Image) -> None:
        self.denoiser, self.x = denoiser, leaf.detach()
        self.product = _two_backward_passes(leaf, out)
        self.n_left: float = _WORTH_LINEARISING

    def __call__(self, v: Image) -> Image:
        if self.n_left <= 0:
            self.product = _linearised(self.denoiser, self.x, self.product)
            self.n_left = math.inf
        self.n_left -= v.numel()
        return self.product(v)


def _linearised(denoiser: ImageMap, x: Image, exact: ImageMap) -> ImageMap:
    """J v by `torch.func.linearize`, or `exact` where that fails or says something else."""
    probe = draw_normal(x, torch.Generator().manual_seed(0))
    expected = exact(probe)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's own, about its forward formulas
            _, linear = torch.func.linearize(denoiser, x)
            agrees = _agree(linear(probe), expected, probe)
    except (RuntimeError, NotImplementedError, TypeError, AssertionError):
        return exact

    def product(v: Image) -> Image:
        with torch.no_grad():  # the weights may ask for gradients
            return linear(v)

    return product if agrees else exact


def _agree(a: Image, b: Image, v: Image) -> bool:
    """Whether two products with v are equal to rounding, also beside the multiple of v that dominates a denoiser."""
    packing = Packing.of(v)
    a, b, v = packing.pack(a), packing.pack(b), packing.pack(v)
    multiple = (b * v).sum(dim=1, keepdim=True) / (v * v).sum(dim=1, keepdim=True)
    eps = torch.finfo(b.dtype).eps
    return bool((norms(a - b) <= 1e3 * eps * norms(b - multiple * v) + 10 * eps * norms(b)).all())

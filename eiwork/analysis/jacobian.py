"""The Jacobian of a denoiser as products with vectors, and the images at which the one inside a DEQ matters."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError
from eiwork.fixed_point.state import State
from eiwork.models import DEQ

Image = Float[Tensor, "batch channel height width"]
ImageMap = Callable[[Tensor], Tensor]
Vector = Float[Tensor, " batch"]


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

    def random(self, generator: torch.Generator) -> Image:
        """Gaussian vectors of the space that J acts on."""
        return self.identity(draw_normal(self.x, generator))


def draw_normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape and type of a tensor, drawn where the generator lives."""
    return torch.randn(like.shape, generator=generator, device=generator.device).to(like)


def inner(a: Tensor, b: Tensor) -> Vector:
    """Inner product per sample, summed in float64."""
    return (a.double() * b.double()).flatten(1).sum(dim=1)


def jacobian(denoiser: ImageMap, x: Image) -> Jacobian:
    """J = dD/dx at each image of the batch x; D must not mix the images.

    J^T u is one backward pass, J v two: exact, while `torch.func.linearize` errs where D has gradients inside. Raises
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

    # The gradient of the linear map u -> J^T u, at any u, is J.
    dummy = torch.zeros_like(leaf).requires_grad_()
    with torch.enable_grad():
        (back,) = torch.autograd.grad(out, leaf, dummy, create_graph=True, retain_graph=True, materialize_grads=True)

    def apply(v: Image) -> Image:
        if not back.requires_grad:
            return torch.zeros_like(v)
        return torch.autograd.grad(back, dummy, v, retain_graph=True, materialize_grads=True)[0]

    def transpose(u: Image) -> Image:
        return torch.autograd.grad(out, leaf, u, retain_graph=True, materialize_grads=True)[0]

    return Jacobian(leaf.detach(), apply, transpose)


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


@torch.no_grad()
def evaluation_points(model: DEQ, x: Image, physics: LinearPhysics, generator: torch.Generator) -> dict[str, Image]:
    """Images at which to look at the denoiser of a DEQ.

    "clean": x. "iterate": what the denoiser is given after three plain iterations from the start. "fixed point": what
    it is given at the fixed point of A x. "noise": white noise with the mean and standard deviation of x, off the data.
    Raises InputError for a model whose iteration has no `denoiser`.
    """
    denoiser = getattr(model.iterate, "denoiser", None)
    if denoiser is None:
        raise InputError(f"{type(model.iterate).__name__} has no denoiser of its own: pass the points yourself.")
    y = physics.A(x)
    state = model.iterate.start(y, physics)
    for _ in range(3):
        state = model.iteration(state, y, physics)
    return {
        "clean": x,
        "iterate": _given(model, denoiser, state, y, physics),
        "fixed point": _given(model, denoiser, model.solve(y, physics).value, y, physics),
        "noise": x.mean() + x.std() * draw_normal(x, generator),
    }


def _given(model: DEQ, denoiser: nn.Module, state: State, y: Tensor, physics: LinearPhysics) -> Image:
    """The denoiser's argument in one iteration from a state."""
    seen: list[Tensor] = []
    hook = denoiser.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].detach()))
    try:
        model.iteration(state, y, physics)
    finally:
        hook.remove()
    return seen[0]

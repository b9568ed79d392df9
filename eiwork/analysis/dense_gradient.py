"""Reference gradients from dense Jacobians: slow, explicit, and independent of the adjoint solvers."""

from collections.abc import Callable

import torch
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.models import DEQ

Image = Float[Tensor, "batch channel height width"]


def dense_jacobian(f: Callable[[Image], Image], z: Image) -> Float[Tensor, "batch n n"]:
    """J = df/dz of each sample, row by row; needs n backward passes, so keep n below a few thousand."""
    z = z.detach().requires_grad_()
    with torch.enable_grad():
        out = f(z).flatten(1)
        rows = [
            torch.autograd.grad(out[:, i].sum(), z, retain_graph=True)[0].flatten(1)
            for i in range(out.shape[1])
        ]
    return torch.stack(rows, dim=1)


def dense_adjoint(f: Callable[[Image], Image], z: Image, g: Image) -> Image:
    """v with (I - J^T) v = g for each sample, by LU factorisation."""
    jacobian = dense_jacobian(f, z)
    system = torch.eye(jacobian.shape[1], dtype=jacobian.dtype, device=jacobian.device) - jacobian.transpose(
        1, 2
    )
    return torch.linalg.solve(system, g.flatten(1)[:, :, None])[:, :, 0].view_as(g)


def dense_ei_gradient(
    model: DEQ,
    y: Tensor,
    physics: LinearPhysics,
    transform: Transform,
    parameters: dict[str, Tensor],
    mc_weight: float = 1.0,
    ei_weight: float = 1.0,
) -> list[Tensor]:
    """d/dtheta of mc_weight |A x1 - y|^2 + ei_weight |x3 - T x1|^2 (means), with x1 = f(y), x3 = f(A T x1).

    The chain rule through both fixed points is written out by hand, each with its own dense solve, last call first.
    parameters: those of the transform (`transform.get_params`). Returns one gradient per model parameter.
    """
    theta = list(model.parameters())
    x1 = _image_of(model.solve(y, physics).value).clone().requires_grad_()
    x2 = transform.transform(x1, **parameters)
    y2 = physics.A(x2)
    x3 = _image_of(model.solve(y2.detach(), physics).value).clone().requires_grad_()
    loss = mc_weight * (physics.A(x1) - y).square().mean() + ei_weight * (x3 - x2).square().mean()
    g3, g1 = torch.autograd.grad(loss, (x3, x1), retain_graph=True)

    v3 = dense_adjoint(lambda z: _image_of(model.iteration(z, y2.detach(), physics)), x3, g3)
    # The second call sees theta directly, and the first call through its measurement y2 = A T x1.
    out3 = model.iteration(x3.detach(), y2, physics)
    *through_3, to_x1 = torch.autograd.grad(out3, [*theta, x1], v3)

    v1 = dense_adjoint(lambda z: _image_of(model.iteration(z, y, physics)), x1, g1 + to_x1)
    out1 = model.iteration(x1.detach(), y, physics)
    through_1 = torch.autograd.grad(out1, theta, v1)
    return [a + b for a, b in zip(through_1, through_3, strict=True)]


def _image_of(state: Tensor | tuple[Tensor, ...]) -> Tensor:
    if not isinstance(state, Tensor):
        raise InputError("The dense reference is written for iterations whose state is one image.")
    return state

"""Reference gradients from dense Jacobians: slow, explicit, and independent of the adjoint solvers."""

from collections.abc import Callable

import torch
from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor

from eiwork.fixed_point.state import PackedMap, Packing, State, as_tuple, detach
from eiwork.models import DEQ

StateMap = Callable[[State], State]


def dense_jacobian(f: StateMap, z: State) -> Float[Tensor, "batch n n"]:
    """J = df/dz of each sample, row by row; needs n backward passes, so keep n below a few thousand.

    A tuple state counts as one vector, its parts one after the other.
    """
    packing = Packing.of(z)
    flat = packing.pack(z).detach().requires_grad_()
    with torch.enable_grad():
        out = PackedMap(f, packing)(flat)
        rows = [
            torch.autograd.grad(out[:, i].sum(), flat, retain_graph=True, materialize_grads=True)[0]
            for i in range(out.shape[1])
        ]
    return torch.stack(rows, dim=1)


def dense_adjoint(f: StateMap, z: State, g: State) -> State:
    """v with (I - J^T) v = g for each sample, by LU factorisation; v and g are like z."""
    jacobian, packing = dense_jacobian(f, z), Packing.of(z)
    eye = torch.eye(jacobian.shape[1], dtype=jacobian.dtype, device=jacobian.device)
    solved = torch.linalg.solve(eye - jacobian.transpose(1, 2), packing.pack(g)[:, :, None])
    return packing.unpack(solved[:, :, 0])


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
    The state may be a tuple. parameters: those of the transform (`transform.get_params`). Returns one gradient per
    model parameter.
    """
    theta = list(model.parameters())
    z1 = _leaf(model.solve(y, physics).value)
    x1 = model.iterate.image(z1)
    x2 = transform.transform(x1, **parameters)
    y2 = physics.A(x2)
    z3 = _leaf(model.solve(y2.detach(), physics).value)
    x3 = model.iterate.image(z3)
    loss = mc_weight * (physics.A(x1) - y).square().mean() + ei_weight * (x3 - x2).square().mean()
    g3, g1 = (torch.autograd.grad(loss, as_tuple(z), retain_graph=True, materialize_grads=True) for z in (z3, z1))

    v3 = dense_adjoint(lambda z: model.iteration(z, y2.detach(), physics), z3, _like(z3, g3))
    # The second call sees theta directly, and the first call through its measurement y2 = A T x1.
    out3 = model.iteration(detach(z3), y2, physics)
    through_3 = _vector_products(out3, (*theta, *as_tuple(z1)), v3)
    to_theta, to_z1 = through_3[: len(theta)], through_3[len(theta) :]

    g1 = tuple(a + b for a, b in zip(g1, to_z1, strict=True))
    v1 = dense_adjoint(lambda z: model.iteration(z, y, physics), z1, _like(z1, g1))
    out1 = model.iteration(detach(z1), y, physics)
    through_1 = _vector_products(out1, tuple(theta), v1)
    return [a + b for a, b in zip(through_1, to_theta, strict=True)]


def _leaf(z: State) -> State:
    return _like(z, tuple(part.clone().requires_grad_() for part in as_tuple(z)))


def _like(z: State, parts: tuple[Tensor, ...]) -> State:
    return parts[0] if isinstance(z, Tensor) else parts


def _vector_products(out: State, inputs: tuple[Tensor, ...], v: State) -> tuple[Tensor, ...]:
    packing = Packing.of(out)
    # Packed, because a part that only hands the state on, such as an inertial iteration's last, has no graph.
    return torch.autograd.grad(packing.pack(out), inputs, packing.pack(v), materialize_grads=True)

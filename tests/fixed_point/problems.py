"""Fixed-point problems whose values and gradients are known from a dense solve."""

from dataclasses import dataclass

import torch
from torch import Tensor

from eiwork.fixed_point import (
    GMRES,
    Anderson,
    Implicit,
    JacobianFree,
    Neumann,
    Phantom,
    Reversible,
    Unrolled,
    fixed_point,
)

TIGHT = Anderson(tol=1e-14, max_iter=500)
EXACT = Implicit(GMRES(tol=1e-14))
FIRST_ORDER = [JacobianFree(), Phantom(3), Neumann(3), Reversible(6)]
MODES = [Implicit(), *FIRST_ORDER, Unrolled(6), Unrolled(6, checkpoint_every=2)]


@dataclass
class DenseProblem:
    """f(z) = tanh(z W^T) + y in float64: a contraction when ||W|| < 1, with a dense reference gradient."""

    weight: Tensor
    y: Tensor

    @staticmethod
    def make(n: int = 12, batch: int = 3, norm: float = 0.9, seed: int = 0) -> "DenseProblem":
        generator = torch.Generator().manual_seed(seed)
        w = torch.randn(n, n, dtype=torch.float64, generator=generator)
        w = norm * w / torch.linalg.matrix_norm(w, 2)
        y = 0.1 * torch.randn(batch, n, dtype=torch.float64, generator=generator)
        return DenseProblem(w.requires_grad_(), y.requires_grad_())

    def f(self, z: Tensor) -> Tensor:
        return torch.tanh(z @ self.weight.T) + self.y

    @property
    def z0(self) -> Tensor:
        return torch.zeros_like(self.y)

    def solution(self) -> Tensor:
        """The fixed point by Newton's method with dense Jacobians."""
        z = torch.zeros_like(self.y)
        eye = torch.eye(z.shape[1], dtype=z.dtype)
        with torch.no_grad():
            for _ in range(50):
                jacobian = self.jacobian(z)
                z = z - torch.linalg.solve(eye - jacobian, (z - self.f(z))[:, :, None])[:, :, 0]
        return z

    def jacobian(self, z: Tensor) -> Tensor:
        """df/dz of each sample, (batch, n, n)."""
        with torch.no_grad():
            slope = 1 - torch.tanh(z @ self.weight.T) ** 2
            return slope[:, :, None] * self.weight[None]

    def gradient(self, loss_gradient: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """dL/dW and dL/dy for dL/dz at the fixed point z: v^T df/dtheta with (I - J^T) v = dL/dz, dense."""
        eye = torch.eye(z.shape[1], dtype=z.dtype)
        system = (eye - self.jacobian(z)).transpose(1, 2)
        v = torch.linalg.solve(system, loss_gradient[:, :, None])[:, :, 0]
        with torch.enable_grad():
            return torch.autograd.grad(self.f(z), (self.weight, self.y), v)


def weight_gradient(problem: DenseProblem, mode, solver=TIGHT, scale: float = 1.0) -> Tensor:
    """The gradient of scale * sum(sin(z)) over the weight, by a gradient mode."""
    z = fixed_point(problem.f, problem.z0, solver, mode)
    return torch.autograd.grad(scale * z.sin().sum(), problem.weight)[0]


def linear_problem(radius: float, n: int = 60, batch: int = 2, dtype: torch.dtype = torch.float64):
    """(f, z0, exact) of z = z W^T + y with W symmetric, its eigenvalues spread over [0, radius]."""
    generator = torch.Generator().manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator))
    w = (basis * torch.linspace(0, radius, n, dtype=torch.float64)) @ basis.T
    y = torch.randn(batch, n, dtype=torch.float64, generator=generator)
    exact = torch.linalg.solve(torch.eye(n, dtype=torch.float64) - w, y.T).T
    w, y = w.to(dtype), y.to(dtype)
    return (lambda z: z @ w.T + y), torch.zeros_like(y), exact


def relative_error(value: Tensor, reference: Tensor) -> float:
    """||value - reference|| / ||reference||."""
    return float((value.detach() - reference.detach()).norm() / reference.detach().norm())


class Opaque(torch.autograd.Function):
    """A product that no one can look into."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b, (g * a).sum()

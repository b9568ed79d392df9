"""Denoisers that are gradients by construction: symmetric, trainable inside a DEQ, with the options that they name."""

import pytest
import torch

from eiwork.analysis import compare_gradients, dense_adjoint, dense_jacobian
from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit
from eiwork.models import (
    DEQ,
    GradientStepDenoiser,
    InnerProductPotential,
    ProximalGradient,
    ResidualCNN,
    ResidualPotential,
)
from eiwork.physics import inpainting

X = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
POTENTIALS = {"residual": ResidualPotential, "inner product": InnerProductPotential}


def network(strength=100.0):
    torch.manual_seed(0)
    cnn = ResidualCNN(1, width=4, depth=3, shrinkage=0.0).double()
    with torch.no_grad():
        cnn.network[-1].weight.mul_(strength)
    return cnn


@pytest.mark.parametrize("potential", POTENTIALS)
def test_it_is_the_gradient_of_psi_with_a_symmetric_jacobian(potential):
    denoiser = GradientStepDenoiser(POTENTIALS[potential](network()), shrinkage=0.2)
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(denoiser.psi(x).sum(), x)
    torch.testing.assert_close(denoiser(X), gradient)
    j = dense_jacobian(denoiser, X)
    assert float((j - j.mT).abs().max()) < 1e-12
    learnt = j - 0.8 * torch.eye(64, dtype=torch.float64)
    assert float(learnt.norm()) > 0.01
    assert torch.autograd.gradgradcheck(denoiser.psi, (X[:1, :, :4, :4].clone().requires_grad_(),))


def test_the_potentials_are_what_they_say():
    cnn = network()
    rest = X - cnn(X)
    torch.testing.assert_close(ResidualPotential(cnn)(X), rest.square().sum(dim=(1, 2, 3)) / 2)
    torch.testing.assert_close(InnerProductPotential(cnn)(X), (X * rest).sum(dim=(1, 2, 3)) / 2)


def test_the_convolutional_one_is_the_symmetric_counterpart_of_residual_cnn():
    torch.manual_seed(1)
    denoiser = GradientStepDenoiser.convolutional(1, width=4, depth=3, shrinkage=0.3).double()
    torch.manual_seed(1)
    plain = ResidualCNN(1, width=4, depth=3, shrinkage=0.3).double()
    assert sum(p.numel() for p in denoiser.parameters()) == sum(p.numel() for p in plain.parameters())
    learnt, j = 0.7 * X - plain(X), dense_jacobian(lambda x: 0.7 * x - plain(x), X)
    expected = 0.7 * X - (learnt + (j.mT @ X.flatten(1)[:, :, None]).view_as(X)) / 2
    torch.testing.assert_close(denoiser(X), expected)
    assert float((denoiser(X) - 0.7 * X).detach().norm()) < 0.01 * float(X.norm())


def test_options_change_the_output():
    outputs = [
        GradientStepDenoiser(kind(network()), shrinkage)(X)
        for kind, shrinkage in (
            (ResidualPotential, 0.1),
            (InnerProductPotential, 0.1),
            (ResidualPotential, 0.2),
        )
    ]
    assert not torch.allclose(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])
    with pytest.raises(InputError, match=r"shrinkage=1\.0"):
        GradientStepDenoiser(ResidualPotential(network()), 1.0)


def test_it_composes_with_torch_func_and_keeps_no_graph_without_gradients():
    denoiser, v = GradientStepDenoiser(InnerProductPotential(network())), torch.randn_like(X)
    with torch.no_grad():
        assert not denoiser(X).requires_grad
    product = (dense_jacobian(denoiser, X) @ v.flatten(1)[:, :, None]).view_as(X)
    torch.testing.assert_close(torch.func.jvp(denoiser, (X,), (v,))[1], product)
    torch.testing.assert_close(torch.func.vjp(denoiser, X)[1](v)[0], product)
    torch.testing.assert_close(torch.func.vmap(lambda x: denoiser(x[None])[0])(X), denoiser(X))


def test_implicit_gradients_through_a_deq_are_exact():
    physics = inpainting(8, keep=0.5).double()
    denoiser = GradientStepDenoiser(InnerProductPotential(network(20.0)))
    model = DEQ(ProximalGradient(denoiser).double(), Anderson(tol=1e-13, max_iter=300), Implicit(GMRES(tol=1e-13)))
    y, target = physics.A(X), torch.rand_like(X)
    x = model.solve(y, physics).value
    v = dense_adjoint(lambda z: model.iteration(z, y, physics), x, 2 * (x - target))
    reference = torch.autograd.grad(model.iteration(x, y, physics), list(model.parameters()), v)
    gradient = torch.autograd.grad((model(y, physics) - target).square().sum(), list(model.parameters()))
    assert compare_gradients(gradient, reference).relative_error < 1e-8


def test_samples_do_not_mix():
    denoiser = GradientStepDenoiser(ResidualPotential(network()))
    torch.testing.assert_close(denoiser(X)[1:2], denoiser(X[1:2]))

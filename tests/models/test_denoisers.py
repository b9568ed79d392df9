"""Denoisers, convolutional, averaged over a group, and gradients by construction: formulas, start, options, errors."""

import pytest
import torch

from eiwork.analysis import compare_gradients, dense_adjoint, dense_jacobian
from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit
from eiwork.models import (
    DEQ,
    GradientStepDenoiser,
    InputConvexPotential,
    ProximalGradient,
    ResidualBlockCNN,
    ResidualCNN,
)
from eiwork.physics import inpainting
from eiwork_study.proximal.averaged import GroupAveraged, quarter_turns_and_flips

X = torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
BOTH = (ResidualCNN, ResidualBlockCNN)
EYE = torch.eye(64, dtype=torch.float64)
UNUSABLE = [{"width": 0}, {"shrinkage": 1.0}, {"shrinkage": 0.95}, {"gain": 0.0}]
KINDS = pytest.mark.parametrize("kind", BOTH)


def last(denoiser):
    return denoiser.network[-1] if isinstance(denoiser, ResidualCNN) else denoiser.last


def strong(kind=ResidualCNN, strength=100.0, **options):
    torch.manual_seed(0)
    denoiser = kind(1, width=4, **options).double()
    with torch.no_grad():
        last(denoiser).weight.mul_(strength)
    return denoiser


@KINDS
def test_with_the_network_silenced_it_is_a_shrinkage_and_at_the_start_close_to_it(kind):
    x = torch.rand(3, 2, 8, 8)
    denoiser = kind(2, width=4, shrinkage=0.25)
    with torch.no_grad():
        assert 0 < float((denoiser(x) - 0.75 * x).norm() / x.norm()) < 0.05
        last(denoiser).weight.zero_()
    torch.testing.assert_close(denoiser(x), 0.75 * x)


@KINDS
@pytest.mark.parametrize("options", [{"width": 6}, {"deeper": 3}, {"unshuffle": 4}, {"shrinkage": 0.2}], ids=str)
def test_every_option_changes_the_output(kind, options):
    deeper = "depth" if kind is ResidualCNN else "blocks"
    outputs = []
    for chosen in ({"width": 4, "deeper": 2}, {"width": 4, "deeper": 2} | options):
        torch.manual_seed(0)
        outputs.append(kind(1, **{deeper if key == "deeper" else key: n for key, n in chosen.items()})(X.float()))
    assert not torch.allclose(*outputs)


@KINDS
def test_samples_do_not_mix_and_can_be_mapped_over(kind):
    denoiser = strong(kind)
    torch.testing.assert_close(denoiser(X)[2:3], denoiser(X[2:3]))
    torch.testing.assert_close(torch.vmap(lambda z: denoiser(z[None])[0])(X), denoiser(X))


def test_gradients_reach_the_first_layer_of_residual_blocks_at_full_strength():
    torch.manual_seed(0)
    x, target = torch.rand(4, 1, 16, 16), torch.rand(4, 1, 16, 16)
    ratios = []
    for denoiser in (ResidualBlockCNN(width=16), ResidualCNN(width=16)):
        (denoiser(x) - target).square().mean().backward()
        first = denoiser.network[0] if isinstance(denoiser, ResidualCNN) else denoiser.first
        # Relative to the last layer's weights, which both start small.
        ratios.append(float(first.weight.grad.norm() / last(denoiser).weight.detach().norm()))
    assert ratios[0] > 20 * ratios[1]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ResidualCNN(depth=1), "depth=1"),
        (lambda: ResidualBlockCNN(blocks=0), "blocks=0"),
        *((lambda kind=kind: kind(shrinkage=1.0), "shrinkage=1.0") for kind in BOTH),
        *((lambda kind=kind: kind(width=0), "width=0") for kind in BOTH),
        *((lambda kind=kind: kind()(torch.rand(1, 1, 9, 8)), "multiples of 2") for kind in BOTH),
        *((lambda kind=kind: kind()(torch.rand(1, 2, 8, 8)), "2 channels") for kind in BOTH),
        (lambda: GroupAveraged(strong(), ()), "at least one element"),
        *((lambda o=options: InputConvexPotential(**o), next(iter(options))) for options in UNUSABLE),
        (lambda: GradientStepDenoiser(network(), 1.0), r"shrinkage=1\.0"),
        (lambda: convex()(X[:, :, :7]), "multiples of 2"),
        (lambda: convex()(X.repeat(1, 2, 1, 1)), "1 channel"),
    ],
)
def test_unusable_options_and_images_are_named(make, match):
    with pytest.raises(InputError, match=match):
        make()


def test_the_eight_elements_are_a_group_with_their_inverses():
    elements = quarter_turns_and_flips()
    moved = [there(X) for there, _ in elements]
    assert all(not torch.equal(a, b) for i, a in enumerate(moved) for b in moved[:i])
    assert all(torch.equal(back(image), X) for (_, back), image in zip(elements, moved, strict=True))
    for there, _ in elements:
        for other, _ in elements:
            assert sum(torch.equal(there(other(X)), image) for image in moved) == 1


def test_the_average_over_a_group_is_the_mean_and_equivariant_to_that_group_alone():
    network, elements = strong(depth=3), quarter_turns_and_flips()
    averaged = GroupAveraged(network, elements)
    by_hand = torch.stack([back(network(there(X))) for there, back in elements]).mean(dim=0)
    torch.testing.assert_close(averaged(X), by_hand)
    for there, _ in elements:
        torch.testing.assert_close(averaged(there(X)), there(averaged(X)))
    torch.testing.assert_close(averaged(X)[1:2], averaged(X[1:2]))
    assert not torch.allclose(network(X.flip(-1)), network(X).flip(-1))
    turns = GroupAveraged(network, elements[:4])
    torch.testing.assert_close(turns(torch.rot90(X, 1, (-2, -1))), torch.rot90(turns(X), 1, (-2, -1)))
    assert not torch.allclose(turns(X.flip(-1)), turns(X).flip(-1))
    jacobian = dense_jacobian(averaged, X)
    assert float((jacobian - jacobian.mT).norm()) > 1e-3, "averaging makes no Jacobian symmetric"


def network(strength=100.0):
    return strong(depth=3, shrinkage=0.0, strength=strength)


def convex(readout=3.0, **options):
    torch.manual_seed(0)
    denoiser = InputConvexPotential(1, **({"width": 6, "depth": 3} | options)).double()
    with torch.no_grad():
        denoiser.readout.add_(readout)
    return denoiser


MAKERS = {"step": lambda: GradientStepDenoiser(network(), shrinkage=0.2), "convex": convex}
MADE = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@MADE
def test_it_is_the_gradient_of_psi_with_a_symmetric_jacobian(make):
    denoiser, x = make(), X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(denoiser.psi(x).sum(), x)
    torch.testing.assert_close(denoiser(X), gradient)
    j = dense_jacobian(denoiser, X)
    assert float((j - j.mT).abs().max()) < 1e-12
    diagonal = j.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    assert float((j - diagonal * EYE).norm()) > 0.01, "more than a shrinkage"
    assert torch.autograd.gradgradcheck(denoiser.psi, (X[:1, :, :4, :4].clone().requires_grad_(),))


@MADE
def test_it_composes_with_torch_func_keeps_no_graph_and_mixes_no_samples(make):
    denoiser, v = make(), torch.randn_like(X)
    with torch.no_grad():
        assert not denoiser(X).requires_grad
    product = (dense_jacobian(denoiser, X) @ v.flatten(1)[:, :, None]).view_as(X)
    torch.testing.assert_close(torch.func.jvp(denoiser, (X,), (v,))[1], product)
    torch.testing.assert_close(torch.func.vjp(denoiser, X)[1](v)[0], product)
    torch.testing.assert_close(torch.func.vmap(lambda x: denoiser(x[None])[0])(X), denoiser(X))
    torch.testing.assert_close(denoiser(X)[1:2], denoiser(X[1:2]))


@pytest.mark.parametrize("denoiser", [GradientStepDenoiser(network(20.0)), convex(1.0)], ids=["step", "convex"])
def test_implicit_gradients_through_a_deq_are_exact(denoiser):
    physics = inpainting(8, keep=0.5).double()
    model = DEQ(ProximalGradient(denoiser).double(), Anderson(tol=1e-13, max_iter=300), Implicit(GMRES(tol=1e-13)))
    y, target = physics.A(X), torch.rand_like(X)
    x = model.solve(y, physics).value
    v = dense_adjoint(lambda z: model.iteration(z, y, physics), x, 2 * (x - target))
    reference = torch.autograd.grad(model.iteration(x, y, physics), list(model.parameters()), v)
    gradient = torch.autograd.grad((model(y, physics) - target).square().sum(), list(model.parameters()))
    assert compare_gradients(gradient, reference).relative_error < 1e-8


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
    torch.testing.assert_close(denoiser.potential(X), (X * learnt).flatten(1).sum(dim=1) / 2)


def test_convexity_survives_any_parameters_and_lies_above_the_strong_one():
    denoiser = convex()
    with torch.no_grad():
        denoiser.quadratic.fill_(-30.0)  # nothing but the network above the strong convexity
    values = torch.linalg.eigvalsh(dense_jacobian(denoiser, X))
    assert float(values.min()) >= 0.05 - 1e-9
    assert float(values.max()) > 0.08
    with torch.no_grad():
        for parameter in denoiser.parameters():
            parameter.copy_(torch.randn_like(parameter))
    assert float(torch.linalg.eigvalsh(dense_jacobian(denoiser, X)).min()) >= 0.05 - 1e-9
    other = 4 * torch.randn_like(X)
    for t in (0.2, 0.5, 0.9):
        chord = (1 - t) * denoiser.psi(X) + t * denoiser.psi(other)
        spare = 0.05 * t * (1 - t) / 2 * (X - other).square().sum(dim=(1, 2, 3))
        assert bool((denoiser.psi((1 - t) * X + t * other) <= chord - spare + 1e-9).all())


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 0.3])
def test_at_initialisation_the_convex_one_is_close_to_a_shrinkage(shrinkage):
    out = convex(readout=0.0, shrinkage=shrinkage)(X)
    assert 0 < float((out - (1 - shrinkage) * X).detach().norm() / X.norm()) < 0.05


@pytest.mark.parametrize("options", [{"width": 5}, {"depth": 2}, {"unshuffle": 4}, {"gain": 0.1}], ids=str)
def test_every_option_of_the_convex_one_changes_the_output(options):
    assert not torch.allclose(convex()(X), convex(**options)(X), rtol=1e-6)

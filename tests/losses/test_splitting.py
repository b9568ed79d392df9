"""Equivariant splitting: masks, the operator of a part of a scan, and the loss against its definition."""

import pytest
import torch
from eiwork.losses.splitting import physics as physics_module
from torch import nn

from eiwork.errors import InputError
from eiwork.losses import (
    EquivariantReconstructor,
    SplitColumns,
    SplitPhysics,
    SplitPixels,
    SplitViews,
    averaged_reconstructor,
    build_splitting_loss,
)
from eiwork.models import DEQ, ProximalGradient, ResidualCNN, WhitenedStep
from eiwork.physics import inpainting, mri, tomography
from eiwork.symmetry import Reflection, Rotation, Shift

SIZE = 8


def scans():
    return {
        "tomography": (tomography(SIZE, 6), SplitViews(0.7, shape=(1, 12, 6)), 1),
        "mri": (mri(SIZE, acceleration=1.5), SplitColumns(0.5, n_center=1), 2),
        "multi-coil": (mri(SIZE, acceleration=1.5, n_coils=2), SplitColumns(0.5, n_center=1), 2),
        "inpainting": (inpainting(SIZE, keep=0.6), SplitPixels(0.7), 1),
    }


def split_scan(kind, transform=None):
    """The part of a scan in float64, with an image and a measurement for it."""
    base, masks, channels = scans()[kind]
    base = base.double()
    x = torch.rand(2, channels, SIZE, SIZE, dtype=torch.float64)
    y = base.A(x)
    mask = masks.step(2, getattr(base, "mask", None))["mask"].double()
    mask = mask[:, :, None] if y.ndim == 5 else mask
    params = None if transform is None else transform.get_params(x)
    return SplitPhysics(base, mask, transform, params), x, mask


@pytest.mark.parametrize("kind", scans())
def test_masks_split_what_was_measured(kind):
    base, masks, _ = scans()[kind]
    whole = getattr(base, "mask", torch.ones(1, 1, 12, 6))
    mask = masks.step(5, getattr(base, "mask", None))["mask"]
    other = whole - mask * whole
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert bool((mask <= whole).all())
    for part in (mask, other):
        assert bool((part.flatten(1).sum(dim=1) > 0).all())
    assert not torch.equal(mask, masks.step(5, getattr(base, "mask", None))["mask"])


def test_the_centre_of_k_space_always_reconstructs():
    whole = torch.ones(1, 2, 8, 16)
    mask = SplitColumns(0.3, n_center=4).step(50, whole)["mask"]
    assert bool((mask[..., 6:10] == 1).all())
    assert mask[:, 0, 0].sum(dim=1).tolist() == [4 + 4] * 50
    assert 0 < float(mask[:, 0, 0, 0].mean()) < 1


def test_views_are_the_same_for_a_batch_and_counted():
    mask = SplitViews(0.75, shape=(1, 5, 8)).step(3)["mask"]
    assert mask.shape == (3, 1, 5, 8)
    assert bool((mask == mask[:1, :, :1]).all())
    assert mask[0, 0, 0].sum() == 6


@pytest.mark.parametrize("kind", scans())
@pytest.mark.parametrize("transform", [None, Rotation(), Rotation(multiples_of=90) * Reflection(), Shift()])
def test_the_adjoint_of_a_part_is_exact(kind, transform):
    split, x, _ = split_scan(kind, transform)
    y = torch.randn_like(split.A(x))
    torch.testing.assert_close((split.A(x) * y).sum(), (x * split.A_adjoint(y)).sum())


def dense(split, x, adjoint=False):
    """A_1 T_g of the first sample as a matrix."""
    units = torch.eye(x[0].numel(), dtype=x.dtype).view(-1, *x.shape[1:])
    columns = [split.A(torch.stack([unit, unit]))[0].flatten() for unit in units]
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("kind", scans())
@pytest.mark.parametrize("transform", [None, Rotation(multiples_of=90), Rotation()])
def test_its_solvers_agree_with_dense_ones(kind, transform):
    split, x, mask = split_scan(kind, transform)
    matrix = dense(split, x)
    y, gamma = split.A(torch.rand_like(x)), 3.0
    solved = split.prox_l2(x, y, gamma)[0].flatten()
    normal = matrix.T @ matrix + torch.eye(matrix.shape[1], dtype=x.dtype) / gamma
    expected = torch.linalg.solve(normal, matrix.T @ y[0].flatten() + x[0].flatten() / gamma)
    torch.testing.assert_close(solved, expected, rtol=1e-6, atol=1e-6)
    if transform is None:
        r = mask * torch.randn_like(y)
        gram = matrix @ matrix.T + 0.1 * torch.eye(matrix.shape[0], dtype=x.dtype)
        expected = torch.linalg.solve(gram, r[0].flatten())
        torch.testing.assert_close(split.whiten(r, 0.1)[0].flatten(), expected, rtol=1e-6, atol=1e-6)


def test_samples_with_views_of_their_own_are_solved_each(monkeypatch):
    base = tomography(SIZE, 6).double()
    mask = torch.cat([SplitViews(0.5, shape=(1, 12, 6)).step(1)["mask"] for _ in range(3)]).double()
    r = mask * torch.randn(3, 1, 12, 6, dtype=torch.float64)
    factorised = SplitPhysics(base, mask).whiten(r, 0.05)
    monkeypatch.setattr(physics_module.ViewGram, "fits", staticmethod(lambda _: False))
    torch.testing.assert_close(factorised, SplitPhysics(base, mask).whiten(r, 0.05), rtol=1e-8, atol=1e-10)


def test_a_derivative_passes_through_a_partial_data_step():
    split, x, _ = split_scan("tomography")
    y = split.A(x)
    assert torch.autograd.gradcheck(
        lambda z, g: split.prox_l2(z, y, g),
        (x.requires_grad_(), torch.tensor(2.0, dtype=torch.float64, requires_grad=True)),
    )


class Pull(nn.Module):
    """A reconstruction that is linear and uses the operator that it is given."""

    def forward(self, y, physics):
        return physics.A_adjoint(y)


@pytest.mark.parametrize("consistency", [True, False])
@pytest.mark.parametrize("kind", ["tomography", "mri", "inpainting"])
def test_the_loss_is_its_definition(kind, consistency):
    base, masks, channels = scans()[kind]
    y = base.A(torch.rand(2, channels, SIZE, SIZE))
    loss = build_splitting_loss(masks, Reflection(), consistency=consistency)
    torch.manual_seed(4)
    x_net = loss.reconstruct(Pull(), y, base)
    torch.manual_seed(4)
    mask = masks.step(2, getattr(base, "mask", None))["mask"]
    split = SplitPhysics(base, mask)
    # A reflection of a linear adjoint: T_g (A_1 T_g)^T y_1 = A_1^T y_1 whatever g.
    torch.testing.assert_close(x_net, split.A_adjoint(mask * y))
    model = Pull()
    torch.manual_seed(4)
    x_net = loss.reconstruct(model, y, base)
    total, terms = loss(x_net=x_net, y=y, physics=base, model=model)
    other = getattr(base, "mask", torch.ones_like(y)) - mask
    expected = (other * (base.A(x_net) - y)).square().mean() / other.mean()
    if consistency:
        expected = expected + (mask * (base.A(x_net) - y)).square().mean() / mask.mean()
    torch.testing.assert_close(total, expected)
    assert terms.keys() == {"splitting"}


def test_a_deq_is_trained_through_a_part_of_the_scan_and_its_equation_is_known():
    base, masks, _ = scans()["tomography"]
    model = DEQ(ProximalGradient(ResidualCNN(width=4, depth=2), WhitenedStep()))
    loss = build_splitting_loss(masks, Rotation(multiples_of=90))
    y = base.A(torch.rand(2, 1, SIZE, SIZE))
    x_net = loss.reconstruct(model, y, base)
    total, _ = loss(x_net=x_net, y=y, physics=base, model=model)
    gradients = torch.autograd.grad(total, model.parameters())
    assert all(bool(g.isfinite().all()) and g.abs().sum() > 0 for g in gradients)
    image, part, split = loss.equation(x_net, y, base)
    with torch.no_grad():
        again = model.iteration(image, part, split)
    assert float((again - image).norm() / image.norm()) < 1e-3
    x_net = x_net.detach()
    with torch.no_grad():
        elsewhere = model.iteration(x_net, y, base)
    assert float((elsewhere - x_net).norm() / x_net.norm()) > 1e-2


def test_averages_at_test_time_are_of_what_they_say():
    base, masks, _ = scans()["mri"]
    y = base.A(torch.rand(2, 2, SIZE, SIZE))
    model = Pull()
    assert averaged_reconstructor(model, masks, Reflection()) is model
    some = averaged_reconstructor(model, masks, n_splittings=40)(y, base)
    one = averaged_reconstructor(model, masks, n_splittings=1)(y, base)
    # The mean over masks of A_1^T y_1 tends to A^T (mean mask) y: unlike one of them, and unlike the whole.
    assert not torch.allclose(some, one, atol=1e-3)
    assert not torch.allclose(some, model(y, base), atol=1e-3)
    turned = averaged_reconstructor(model, transform=Reflection(), n_elements=3)(y, base)
    torch.testing.assert_close(turned, model(y, base))


def test_what_does_not_fit_is_told():
    base, masks, _ = scans()["tomography"]
    y = base.A(torch.rand(1, 1, SIZE, SIZE))
    with pytest.raises(InputError, match="leave out the warm start"):
        build_splitting_loss(masks).reconstruct(Pull(), y, base, z0=y)
    with pytest.raises(InputError, match="use SplitViews"):
        SplitPixels(0.5).step(1)
    with pytest.raises(InputError, match="at least two units"):
        SplitViews(0.5, shape=(1, 4, 1)).step(1)
    with pytest.raises(InputError, match=r"must lie in \(0, 1\)"):
        SplitPixels(1.0)
    with pytest.raises(InputError, match="at least one group element"):
        EquivariantReconstructor(Pull(), n_elements=0)

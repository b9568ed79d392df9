"""Whitened losses: exact values for linear models, unbiased without ground truth, refused where they do not apply."""

import pytest
import torch
from torch import nn

from eiwork.errors import InputError
from eiwork.losses import WhitenedConsistencyLoss, WhitenedSureLoss, build_loss, build_robust_loss
from eiwork.physics import inpainting, tomography
from eiwork.symmetry import Rotation

SIGMA, R = 0.05, 0.03


class Tikhonov(nn.Module):
    """A^T (A A^T + 0.1 I)^-1 y: linear, so that every expectation is a trace."""

    def forward(self, y, physics):
        return physics.A_adjoint(physics.whiten(y, 0.1))


@pytest.fixture(scope="module")
def scan():
    physics = tomography(12, 5)
    matrix = torch.stack(
        [physics.A(e.view(1, 1, 12, 12)).flatten() for e in torch.eye(144, dtype=torch.float64)], dim=1
    )
    return physics, matrix


def weight(matrix):
    return torch.linalg.inv(matrix @ matrix.T + R * torch.eye(len(matrix), dtype=torch.float64))


def test_consistency_is_the_weighted_square(scan):
    physics, matrix = scan
    x = torch.rand(2, 1, 12, 12, dtype=torch.float64)
    y = physics.A(x) + SIGMA * torch.randn(2, 1, physics.geometry.n_detectors, 5, dtype=torch.float64)
    residual = (physics.A(x) - y).flatten(1)
    expected = torch.einsum("bi,ij,bj->b", residual, weight(matrix), residual) / 144
    torch.testing.assert_close(WhitenedConsistencyLoss(R)(x_net=x, y=y, physics=physics), expected)


def test_sure_is_unbiased(scan):
    """Mean over 4000 noises within three standard errors of the error that only the ground truth knows."""
    torch.manual_seed(0)
    physics, matrix = scan
    x = torch.rand(1, 1, 12, 12, dtype=torch.float64)
    clean = physics.A(x).expand(4000, -1, -1, -1)
    y = clean + SIGMA * torch.randn_like(clean)
    model = Tikhonov()
    x_net = model(y, physics)
    estimates = WhitenedSureLoss(SIGMA, R)(x_net=x_net, y=y, physics=physics, model=model)
    error = (physics.A(x_net) - clean).flatten(1)
    truth = torch.einsum("bi,ij,bj->b", error, weight(matrix), error) / 144
    difference = estimates - truth
    assert float(difference.mean().abs()) < 3 * float(difference.std()) / 4000**0.5
    # Without the correction the same figure misses by far.
    plain = WhitenedConsistencyLoss(R)(x_net=x_net, y=y, physics=physics)
    assert float((plain - truth).mean()) > 10 * float(difference.std()) / 4000**0.5


def test_sure_has_a_gradient_through_both_calls(scan):
    physics, _ = scan
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    class Scaled(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def forward(self, y, physics):
            return self.factor * Tikhonov()(y, physics)

    y = torch.randn(1, 1, physics.geometry.n_detectors, 5, dtype=torch.float64)

    def value(s):
        torch.manual_seed(1)
        model = Scaled(s)
        return WhitenedSureLoss(SIGMA, R)(x_net=model(y, physics), y=y, physics=physics, model=model).sum()

    (slope,) = torch.autograd.grad(value(scale), scale)
    step = 1e-4
    numeric = (value(scale.detach() + step) - value(scale.detach() - step)) / (2 * step)
    torch.testing.assert_close(slope, numeric, rtol=1e-6, atol=1e-10)


def test_whitening_changes_the_losses_that_can_have_it(scan):
    physics, _ = scan
    model, y = Tikhonov(), torch.randn(1, 1, physics.geometry.n_detectors, 5, dtype=torch.float64)
    scene = {"x_net": model(y, physics), "y": y, "physics": physics, "model": model}
    plain, white = (build_loss("mc", whitening=r)(**scene)[0] for r in (None, R))
    assert float(white) != float(plain)
    losses = [build_robust_loss(Rotation(), sigma=SIGMA, whitening=r) for r in (None, R)]
    assert isinstance(losses[1].losses["sure"], WhitenedSureLoss)
    assert not isinstance(losses[0].losses["sure"], WhitenedSureLoss)


def test_what_does_not_apply_is_refused():
    with pytest.raises(InputError, match="not measurements"):
        build_loss("supervised", whitening=0.1)
    with pytest.raises(InputError, match="must be positive"):
        WhitenedConsistencyLoss(0.0)
    with pytest.raises(InputError, match="both must be positive"):
        WhitenedSureLoss(0.0, R)
    y = torch.zeros(1, 1, 8, 8)
    with pytest.raises(InputError, match="0 or 1 already"):
        WhitenedConsistencyLoss(R)(x_net=y, y=y, physics=inpainting(8))

"""Fit and Sure: exact values for linear models, unbiased without ground truth, refused where they do not apply."""

import pytest
import torch
from deepinv.loss import MCLoss
from torch import nn

from eiwork.errors import InputError
from eiwork.losses import EI, Fit, Sure, as_loss
from eiwork.physics import inpainting, tomography
from eiwork.symmetry import Rotation

SIGMA, R = 0.05, 0.03


class Tikhonov(nn.Module):
    """A^T (A A^T + 0.1 I)^-1 y: linear, so that every expectation is a trace."""

    def forward(self, y, physics):
        return physics.A_adjoint(physics.whiten(y, 0.1))


class Shrink(nn.Module):
    """A model that keeps most of the noise: far from the truth, close to the measurement."""

    def forward(self, y, physics):
        return 0.8 * physics.A_adjoint(y)


@pytest.fixture(scope="module")
def scan():
    physics = tomography(12, 5)
    matrix = physics.A(torch.eye(144, dtype=torch.float64).view(144, 1, 12, 12)).flatten(1).T
    return physics, matrix


def weight(matrix):
    return torch.linalg.inv(matrix @ matrix.T + R * torch.eye(len(matrix), dtype=torch.float64))


def noisy_sinograms(physics, n=2):
    return torch.randn(n, 1, physics.geometry.n_detectors, 5, dtype=torch.float64)


def test_the_fit_is_deepinvs_or_the_weighted_square(scan):
    physics, matrix = scan
    y = noisy_sinograms(physics)
    plain, white = (Fit(r)(Tikhonov(), y, physics) for r in (None, R))
    torch.testing.assert_close(plain.total, as_loss(MCLoss())(Tikhonov(), y, physics).total, rtol=0, atol=0)
    residual = (physics.A(Tikhonov()(y, physics)) - y).flatten(1)
    expected = torch.einsum("bi,ij,bj->b", residual, weight(matrix), residual).mean() / 144
    torch.testing.assert_close(white.fit, expected)
    assert plain.values.keys() == white.values.keys() == {"fit"}
    assert torch.equal(Fit()(Tikhonov(), y, physics, torch.full((2, 1, 12, 12), torch.nan)).fit, plain.fit)


@pytest.mark.parametrize("keep", [0.5, 1.0])
def test_sure_estimates_the_error_that_needs_the_truth(keep):
    """Its mean over noise is that of ||A f(y) - A x||^2 over all numbers, those without noise counted right."""
    physics, sigma = inpainting(32, keep=keep, noise_sigma=0.2), 0.2
    x = torch.rand(64, 1, 32, 32)
    y = physics(x)
    measured = physics.A(Shrink()(y, physics))
    estimate = float(Sure(sigma)(Shrink(), y, physics).fit)
    truth = float((measured - physics.A(x)).square().mean())
    assert estimate == pytest.approx(truth, rel=0.05)
    assert abs(float((measured - y).square().mean()) - truth) > 5 * abs(estimate - truth)


def test_whitened_sure_is_unbiased(scan):
    """Mean over 4000 noises within three standard errors of the error that only the ground truth knows."""
    physics, matrix = scan
    x = torch.rand(1, 1, 12, 12, dtype=torch.float64)
    clean = physics.A(x).expand(4000, -1, -1, -1)
    y = clean + SIGMA * torch.randn_like(clean)
    measured = physics.A(Tikhonov()(y, physics))
    estimates = torch.stack([Sure(SIGMA, R)(Tikhonov(), part, physics).fit for part in y.chunk(40)])
    error = (measured - clean).flatten(1)
    truths = (torch.einsum("bi,ij,bj->b", error, weight(matrix), error) / 144).view(40, 100).mean(dim=1)
    difference = estimates - truths
    assert float(difference.mean().abs()) < 3 * float(difference.std()) / 40**0.5
    # Without the correction the same figure misses by far.
    plain = Fit(R)(Tikhonov(), y, physics).total
    assert float(plain - truths.mean()) > 10 * float(difference.std()) / 40**0.5


class Scaled(nn.Module):
    """s times Tikhonov's image."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, y, physics):
        return self.scale * Tikhonov()(y, physics)


@pytest.mark.parametrize("whitening", [None, R])
def test_sure_has_a_gradient_through_both_calls(scan, whitening):
    physics, _ = scan
    y, scale = noisy_sinograms(physics, 1), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def value(s):
        torch.manual_seed(1)
        return Sure(SIGMA, whitening)(Scaled(s), y, physics).total

    assert torch.autograd.gradcheck(value, (scale,), eps=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Fit(0.0), "whitening=0.0: must be positive"),
        (lambda: Sure(0.0), r"sigma=0.0, tau=0.01\): both must be positive. Without noise"),
        (lambda: Sure(0.1, tau=0), "both must be positive"),
        (lambda: Sure(0.1, whitening=0.0), "must be positive, in units of"),
        (lambda: Fit(R)(Shrink(), torch.zeros(1, 1, 8, 8), inpainting(8)), "Inpainting lacks.*0 or 1 already"),
        (lambda: Sure(0.1, R)(Shrink(), torch.zeros(1, 1, 8, 8), inpainting(8)), "leave whitening out"),
        (lambda: EI(Rotation(), Fit(R))(Shrink(), torch.zeros(1, 1, 8, 8), inpainting(8)), "leave whitening out"),
    ],
)
def test_what_does_not_apply_is_refused(make, match):
    with pytest.raises(InputError, match=match):
        make()

"""Fit and Sure: exact values for linear models, unbiased without ground truth, refused where they do not apply."""

import pytest
import torch
from deepinv.loss import MCLoss
from torch import nn

from eiwork.errors import InputError
from eiwork.fixed_point import Anderson, record
from eiwork.losses import EI, Fit, Sure, as_loss, solve_near
from eiwork.models import DEQ, ProximalGradient, ResidualCNN
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


def test_the_plain_fit_is_deepinvs_and_never_looks_at_x(scan):
    physics, _ = scan
    y = noisy_sinograms(physics)
    terms = Fit()(Tikhonov(), y, physics)
    torch.testing.assert_close(terms.total, as_loss(MCLoss())(Tikhonov(), y, physics).total, rtol=0, atol=0)
    assert terms.values.keys() == {"fit"}
    assert torch.equal(Fit()(Tikhonov(), y, physics, torch.full((2, 1, 12, 12), torch.nan)).total, terms.total)


def test_the_whitened_fit_is_the_weighted_square(scan):
    physics, matrix = scan
    y = noisy_sinograms(physics)
    residual = (physics.A(Tikhonov()(y, physics)) - y).flatten(1)
    expected = torch.einsum("bi,ij,bj->b", residual, weight(matrix), residual).mean() / 144
    found = Fit(R)(Tikhonov(), y, physics).total
    torch.testing.assert_close(found, expected)
    assert float(found) != float(Fit()(Tikhonov(), y, physics).total)


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


@pytest.mark.parametrize("whitening", [None, R])
def test_tau_is_the_size_of_the_difference_and_sure_compares_as_fit_does(scan, whitening):
    physics, _ = scan

    class Recorder(Tikhonov):
        seen: list = []  # noqa: RUF012

        def forward(self, y, physics):
            self.seen.append(y)
            return super().forward(y, physics)

    y, steps = noisy_sinograms(physics, 1), []
    for tau in (1e-2, 1e-1):
        torch.manual_seed(2)
        model = Recorder()
        model.seen.clear()
        Sure(SIGMA, whitening, tau)(model, y, physics)
        steps.append(model.seen[1] - y)
    torch.testing.assert_close(steps[1], 10 * steps[0])
    x = Tikhonov()(y, physics)
    assert torch.equal(Sure(SIGMA, whitening).distance(x, y, physics), Fit(whitening).distance(x, y, physics))


def test_a_deq_is_solved_near_an_image_and_forgets_where_it_began():
    physics = inpainting(8, keep=0.5)
    model = DEQ(ProximalGradient(ResidualCNN(width=4, depth=2)), Anderson(tol=1e-6))
    y = physics.A(torch.rand(2, 1, 8, 8))
    with torch.no_grad():
        cold = model(y, physics)
        with record() as reports:
            near = solve_near(model, y, physics, cold)
            far = solve_near(model, y, physics, torch.rand_like(cold))
    torch.testing.assert_close(near, cold, rtol=0, atol=1e-4)
    torch.testing.assert_close(far, cold, rtol=0, atol=1e-4)
    assert reports[0].n_evaluations <= 2 < reports[1].n_evaluations
    assert torch.equal(solve_near(Shrink(), y, physics, cold), Shrink()(y, physics))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Fit(0.0), "whitening=0.0: must be positive"),
        (lambda: Fit(-1.0), "whitening=-1.0: must be positive"),
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

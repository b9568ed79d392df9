"""Recorruption: unbiased, also through a second call of the model, without state, and refused without noise."""

import pytest
import torch
from torch import nn

from eiwork.errors import InputError
from eiwork.losses import EI, Fit, Objective, Recorrupted
from eiwork.models import DEQ, ProximalGradient, ResidualCNN
from eiwork.physics import inpainting
from eiwork.symmetry import Shift

SIGMA, ALPHA, N = 0.3, 0.7, 20_000


class Blur(nn.Module):
    """A linear model that carries the noise of a pixel to its neighbours and back."""

    def forward(self, y, physics):
        x = physics.A_adjoint(y)
        return 0.5 * x + 0.25 * (x.roll(1, -1) + x.roll(-1, -1))


@pytest.fixture(scope="module")
def scan():
    torch.manual_seed(0)
    physics = inpainting(6, keep=0.7, noise_sigma=SIGMA)
    x = torch.rand(1, 1, 6, 6).expand(N, 1, 6, 6)
    return physics, x, physics(x)


def mean_loss(loss, y, physics):
    """Each term of a loss, which averages over the batch, of ten parts: its mean and standard error."""
    parts = [loss(Blur(), part, physics).values for part in y.chunk(10)]
    values = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
    return {name: (float(v.mean()), float(v.std()) / 10**0.5) for name, v in values.items()}


def test_fit_and_cycle_are_errors_to_the_clean_measurement(scan):
    """E ||A f(y + alpha w) - (y - w / alpha)||^2 = E ||A f - A x||^2 + sigma^2 (1 + 1 / alpha^2) per measured pixel.

    With T_g the identity of a tiny shift range, the cycle is the model applied twice, and carries no noise back.
    """
    physics, x, y = scan
    clean, constant = physics.A(x), SIGMA**2 * (1 + 1 / ALPHA**2) * float(physics.mask.mean())
    found = mean_loss(Recorrupted(EI(Shift(1e-9), noisy=True, cycle=1.0), ALPHA), y, physics)
    # Scans as noisy as what the model gets, with noise of their own.
    louder = clean + (1 + ALPHA**2) ** 0.5 * physics.noise(torch.zeros_like(y))
    first = Blur()(louder, physics)
    for name, image in (("fit", first), ("cycle", Blur()(physics(first), physics))):
        value, spread = found[name]
        error = float((physics.A(image) - clean).square().mean())
        assert value - error - constant == pytest.approx(0, abs=4 * spread)
    plain, spread = mean_loss(Fit(), y, physics)["fit"]
    quieter = clean + physics.noise(torch.zeros_like(y))
    truth = (physics.A(Blur()(quieter, physics)) - clean).square().mean() + SIGMA**2 * physics.mask.mean()
    # Consistency with the noise that went in is too small by twice the divergence: the reward for fitting noise.
    assert float(truth) - plain > 20 * spread


def test_what_goes_in_and_what_is_compared_are_known_and_independent(scan):
    physics, x, y = scan
    seen = []

    class Judge(Objective):
        def judge(self, x_hat, y, physics, model, x=None):
            seen.append((x_hat, y, x))
            return {"fit": x_hat.mean()}

    torch.manual_seed(3)
    Recorrupted(Judge(), ALPHA)(Blur(), y, physics, x)
    torch.manual_seed(3)
    w = physics.noise(torch.zeros_like(y))
    ((x_hat, compared, truth),) = seen
    torch.testing.assert_close(x_hat, Blur()(y + ALPHA * w, physics))
    torch.testing.assert_close(compared, y - w / ALPHA)
    assert truth is x
    given, expected = (y + ALPHA * w - physics.A(x)), (compared - physics.A(x))
    share = float((given * expected).mean() / (given.square().mean() * expected.square().mean()) ** 0.5)
    assert abs(share) < 4 / (N * 36) ** 0.5


def test_two_interleaved_calls_are_those_of_two_separate_ones(scan):
    """Nothing of a call stays in the loss, so that the gradient of one is not that of the other's pair."""
    physics, _, y = scan
    model, loss = DEQ(ProximalGradient(ResidualCNN(width=4, depth=2))), Recorrupted(EI(Shift(), cycle=1.0))
    parts, parameters = {1: y[:2], 2: y[2:5]}, list(model.parameters())

    def called(seed):
        torch.manual_seed(seed)
        return loss(model, parts[seed], physics).total

    separate = [torch.autograd.grad(called(seed), parameters) for seed in parts]
    both = [called(seed) for seed in parts]
    interleaved = [torch.autograd.grad(total, parameters) for total in both]
    for one, other in zip(separate, interleaved, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(separate[0][0], separate[1][0])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Recorrupted(EI(Shift()), alpha=0.0), "alpha=0.0.*must be positive"),
        (lambda: Recorrupted(Recorrupted(Fit())), "takes a loss of measurements"),
        (lambda: Recorrupted(EI(Shift()))(Blur(), torch.zeros(1, 1, 6, 6), inpainting(6)), "this physics adds none"),
    ],
)
def test_what_does_not_apply_is_refused(make, match):
    with pytest.raises(InputError, match=match):
        make()

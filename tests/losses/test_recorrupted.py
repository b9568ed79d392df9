"""Recorruption: unbiased, also through a second call of the model, and refused without noise."""

import pytest
import torch
from torch import nn

from eiwork.errors import InputError
from eiwork.losses import build_loss, build_recorrupted_loss
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
    """The mean of a loss whose terms average over the batch, and its standard error from ten parts."""
    parts = []
    for part in y.chunk(10):
        x_net = loss.reconstruct(Blur(), part, physics)
        _, terms = loss(x_net=x_net, y=part, physics=physics, model=Blur())
        parts.append({name: float(value) for name, value in terms.items()})
    return {name: torch.tensor([p[name] for p in parts]) for name in parts[0]}


def test_consistency_is_the_error_to_the_clean_measurement(scan):
    """E ||A f(y + alpha w) - (y - w / alpha)||^2 = E ||A f - A x||^2 + sigma^2 (1 + 1 / alpha^2) per measured pixel."""
    physics, x, y = scan
    torch.manual_seed(1)
    found = mean_loss(build_recorrupted_loss(Shift(), alpha=ALPHA), y, physics)["mc"]
    louder = physics.A(x) + (1 + ALPHA**2) ** 0.5 * physics.noise(torch.zeros_like(y))
    error = (physics.A(Blur()(louder, physics)) - physics.A(x)).square().mean()
    constant = SIGMA**2 * (1 + 1 / ALPHA**2) * physics.mask.mean()
    assert float(found.mean() - error - constant) == pytest.approx(0, abs=4 * float(found.std()) / 10**0.5)
    torch.manual_seed(1)
    plain = mean_loss(build_loss("ei", Shift(), noisy=True), y, physics)["mc"]
    quieter = physics.A(x) + physics.noise(torch.zeros_like(y))
    truth = (physics.A(Blur()(quieter, physics)) - physics.A(x)).square().mean() + SIGMA**2 * physics.mask.mean()
    # Consistency with the noise that went in is too small by twice the divergence: the reward for fitting noise.
    assert float(truth - plain.mean()) > 20 * float(plain.std()) / 10**0.5


def test_the_return_cannot_carry_noise_to_the_comparison(scan):
    """With T_g the identity of a tiny shift range, the return is the model applied twice."""
    physics, x, y = scan
    torch.manual_seed(2)
    loss = build_recorrupted_loss(Shift(1e-9), alpha=ALPHA, ei_weight=1.0, cycle_weight=1.0)
    without = build_recorrupted_loss(Shift(1e-9), alpha=ALPHA, ei_weight=1.0)
    torch.manual_seed(2)
    a = mean_loss(loss, y, physics)["ei"]
    torch.manual_seed(2)
    b = mean_loss(without, y, physics)["ei"]
    returned = a - b
    louder = physics.A(x) + (1 + ALPHA**2) ** 0.5 * physics.noise(torch.zeros_like(y))
    first = Blur()(louder, physics)
    second = Blur()(physics(first), physics)
    error = (physics.A(second) - physics.A(x)).square().mean()
    constant = SIGMA**2 * (1 + 1 / ALPHA**2) * physics.mask.mean()
    assert float(returned.mean() - error - constant) == pytest.approx(0, abs=4 * float(returned.std()) / 10**0.5)


def test_what_goes_in_and_what_is_compared_are_independent_and_known(scan):
    physics, _, y = scan
    loss = build_recorrupted_loss(Shift(), alpha=ALPHA)
    torch.manual_seed(3)
    x_net = loss.reconstruct(Blur(), y[:4], physics)
    torch.manual_seed(3)
    w = physics.noise(torch.zeros_like(y[:4]))
    torch.testing.assert_close(x_net, Blur()(y[:4] + ALPHA * w, physics))
    image, seen, same = loss.equation(x_net, y[:4], physics)
    torch.testing.assert_close(seen, y[:4] + ALPHA * w)
    assert same is physics
    assert image is not None


def test_what_does_not_apply_is_refused():
    with pytest.raises(InputError, match="alpha"):
        build_recorrupted_loss(Shift(), alpha=0.0)
    loss = build_recorrupted_loss(Shift())
    y = torch.zeros(1, 1, 6, 6)
    with pytest.raises(InputError, match="call `reconstruct` first"):
        loss(x_net=y, y=y, physics=inpainting(6), model=Blur())
    with pytest.raises(InputError, match="adds none"):
        loss.reconstruct(Blur(), y, inpainting(6))

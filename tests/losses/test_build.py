"""Losses: which terms, with which weights."""

import pytest
import torch
from torch import nn

from eiwork.errors import InputError
from eiwork.losses import (
    DenoisingLoss,
    EquivarianceLoss,
    MeasuredSureLoss,
    build_denoising_loss,
    build_loss,
    build_robust_loss,
    denoiser_of,
)
from eiwork.losses.equivariance import unseen
from eiwork.models import DEQ, Inertial, ProximalGradient, ResidualCNN
from eiwork.physics import inpainting, tomography
from eiwork.symmetry import Identity, Rotation


class Halve(nn.Module):
    """A model whose reconstruction is known."""

    def forward(self, y, physics):
        return 0.5 * physics.A_adjoint(y)


class Shrink(nn.Module):
    """A model that keeps most of the noise: far from the truth, close to the measurement."""

    def forward(self, y, physics):
        return 0.8 * physics.A_adjoint(y)


@pytest.fixture
def scene():
    physics = inpainting(8, keep=0.5)
    x = torch.rand(2, 1, 8, 8)
    y = physics.A(x)
    return {"x": x, "y": y, "physics": physics, "model": Halve(), "x_net": Halve()(y, physics)}


def test_supervised_is_the_squared_error(scene):
    total, terms = build_loss("supervised")(**scene)
    torch.testing.assert_close(total, (scene["x_net"] - scene["x"]).square().mean())
    assert terms.keys() == {"supervised"}


def test_measurement_consistency_never_looks_at_x(scene):
    total, _ = build_loss("mc", mc_weight=3.0)(**(scene | {"x": None}))
    torch.testing.assert_close(total, 3 * (scene["physics"].A(scene["x_net"]) - scene["y"]).square().mean())


def test_the_return_to_the_measurement_is_measured_where_y_was(scene):
    """5 (||x3 - x2||^2 + 3 ||A T_g^-1 x3 - y||^2), and zero weight is EI alone."""
    physics, rotation = scene["physics"], Rotation("fourier", rng=torch.Generator().manual_seed(3))
    _, terms = build_loss("ei", rotation, ei_weight=5.0, cycle_weight=3.0)(**(scene | {"x": None}))
    twin = Rotation("fourier", rng=torch.Generator().manual_seed(3))
    params = twin.get_params(scene["x_net"])
    x2 = twin.transform(scene["x_net"], **params)
    x3 = scene["model"](physics.A(x2), physics)
    back = physics.A(twin.inverse(x3, **params)) - scene["y"]
    expected = 5 * ((x3 - x2).square().mean() + 3 * back.square().mean())
    torch.testing.assert_close(terms["ei"], expected)


def test_the_return_sees_an_image_that_equivariance_alone_cannot(scene):
    """x = 0 everywhere satisfies EI for a linear model; only the measurement tells that it is wrong."""
    black = scene | {"x": None, "x_net": torch.zeros_like(scene["x_net"])}
    _, without = build_loss("ei", Rotation())(**black)
    _, with_return = build_loss("ei", Rotation(), cycle_weight=1.0)(**black)
    assert float(without["ei"]) == 0
    torch.testing.assert_close(with_return["ei"], scene["y"].square().mean())


def test_several_elements_return_to_the_same_measurement(scene):
    _, terms = build_loss("ei", Identity(), n_elements=3, cycle_weight=1.0)(**(scene | {"x": None}))
    x3 = scene["model"](scene["physics"].A(scene["x_net"]), scene["physics"])
    back = scene["physics"].A(x3) - scene["y"]
    torch.testing.assert_close(terms["ei"], (x3 - scene["x_net"]).square().mean() + back.square().mean())


def test_ei_is_the_two_call_loss(scene):
    rotation = Rotation(rng=torch.Generator().manual_seed(3))
    total, terms = build_loss("ei", rotation, mc_weight=2.0, ei_weight=5.0)(**(scene | {"x": None}))
    twin = Rotation(rng=torch.Generator().manual_seed(3))
    x2 = twin(scene["x_net"])
    x3 = scene["model"](scene["physics"].A(x2), scene["physics"])
    torch.testing.assert_close(terms["ei"], 5 * (x3 - x2).square().mean())
    torch.testing.assert_close(total, terms["mc"] + terms["ei"])


class Scaled(nn.Module):
    """s A^T y, with a known derivative in s."""

    def __init__(self):
        super().__init__()
        self.s = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

    def forward(self, y, physics):
        return self.s * physics.A_adjoint(y)


@pytest.mark.parametrize("stopped", [False, True])
def test_with_a_stopped_gradient_the_image_compared_with_is_a_constant(stopped):
    """f(y) = s A^T y and P = A^T A: ||s P u - u||^2 with u = s P v; the derivative in s with and without that of u."""
    physics, truth = inpainting(8, keep=0.5).double(), torch.rand(2, 1, 8, 8, dtype=torch.float64)
    model, y = Scaled(), physics.A(truth)
    loss = build_loss("ei", Identity(), stop_gradient=stopped)
    _, terms = loss(x_net=model(y, physics), y=y, physics=physics, model=model, x=None)
    (found,) = torch.autograd.grad(terms["ei"], model.s)
    # With P a projection and v = P v, both sides are multiples of v: (s^2 - s)^2 ||v||^2.
    s, power = 0.5, physics.A_adjoint(y).square().mean()
    slope = s if stopped else 2 * s - 1
    torch.testing.assert_close(found, 2 * (s**2 - s) * slope * power)


def test_a_null_gain_adds_to_what_is_not_measured_as_a_constant():
    """v = x + (c - 1) (1 - mask) x, and the derivative is that of v with the addition held."""
    physics = inpainting(8, keep=0.5)
    x_net = torch.rand(2, 1, 8, 8, requires_grad=True)
    loss = build_loss("ei", Identity(), null_gain=1.5, cycle_weight=2.0)
    y = physics.A(torch.rand(2, 1, 8, 8))
    _, terms = loss(x_net=x_net, y=y, physics=physics, model=Halve())
    unseen = (x_net * (1 - physics.mask)).detach()
    v = x_net + 0.5 * unseen
    again = Halve()(physics.A(v), physics)
    expected = (again - v).square().mean() + 2 * (physics.A(again) - y).square().mean()
    torch.testing.assert_close(terms["ei"], expected)
    torch.testing.assert_close(
        *(torch.autograd.grad(value, x_net, retain_graph=True)[0] for value in (terms["ei"], expected))
    )
    _, without = build_loss("ei", Identity(), cycle_weight=2.0)(x_net=x_net, y=y, physics=physics, model=Halve())
    assert not torch.isclose(without["ei"], terms["ei"])


def test_with_whitening_the_gain_acts_on_what_the_weighted_measurement_does_not_tell():
    physics = tomography(12, 3)
    x = torch.rand(2, 1, 12, 12)
    A = physics.A(torch.eye(144).reshape(144, 1, 12, 12)).flatten(1).T
    seen = A.T @ torch.linalg.solve(A @ A.T + 0.1 * torch.eye(A.shape[0]), A)
    expected = x - (x.flatten(1) @ seen.T).reshape(x.shape)
    torch.testing.assert_close(unseen(x, physics, 0.1), expected, atol=1e-4, rtol=1e-4)
    loss = build_loss("ei", Identity(), null_gain=1.5, whitening=0.1)
    _, terms = loss(x_net=x, y=physics.A(x), physics=physics, model=Halve())
    v = x + 0.5 * expected
    torch.testing.assert_close(terms["ei"], (Halve()(physics.A(v), physics) - v).square().mean())


def test_noise_on_the_virtual_measurement_changes_the_loss():
    physics = inpainting(8, keep=0.5, noise_sigma=0.1)
    x_net = torch.rand(2, 1, 8, 8)
    values = []
    for noisy in (False, True):
        loss = build_loss("ei", Rotation(rng=torch.Generator().manual_seed(3)), noisy=noisy)
        values.append(float(loss(x_net=x_net, y=x_net, physics=physics, model=Halve())[1]["ei"]))
    assert values[0] != values[1]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: build_loss("ei"), "needs a transform"),
        (lambda: build_loss("mc", Rotation()), "uses no group"),
        (lambda: build_loss("supervised", noisy=True), "uses no group"),
        (lambda: build_loss("mc", stop_gradient=True), "uses no group"),
        (lambda: build_loss("mc", null_gain=1.5), "uses no group"),
        (lambda: build_loss("ei", Identity(), null_gain=0.5), "must be >= 1"),
        (lambda: EquivarianceLoss(Identity(), whitening=0.1), "for a `whitening` to act"),
        (
            lambda: build_loss("supervised")(x_net=None, y=None, physics=None, model=None),
            "needs the ground truth",
        ),
    ],
)
def test_what_does_not_apply_is_an_error(make, match):
    if match == "needs the ground truth":
        physics, x = inpainting(8, keep=0.5), torch.rand(1, 1, 8, 8)
        with pytest.raises(InputError, match=match):
            build_loss("supervised")(x_net=x, y=x, physics=physics, model=Halve())
        return
    with pytest.raises(InputError, match=match):
        make()


def test_several_elements_are_independent_and_averaged(scene):
    rotation = Rotation(rng=torch.Generator().manual_seed(3))
    _, terms = build_loss("ei", rotation, n_elements=3)(**(scene | {"x": None}))
    twin = Rotation(rng=torch.Generator().manual_seed(3))
    x2 = twin(scene["x_net"].repeat(3, 1, 1, 1))
    assert not torch.equal(x2[:2], x2[2:4])
    x3 = scene["model"](scene["physics"].A(x2), scene["physics"])
    torch.testing.assert_close(terms["ei"], (x3 - x2).square().mean())


def test_robust_ei_is_sure_and_ei_with_noise():
    physics = inpainting(8, keep=0.5, noise_sigma=0.1)
    y = physics(torch.rand(2, 1, 8, 8))
    loss = build_robust_loss(Rotation(), sigma=0.1, sure_weight=2.0, ei_weight=3.0)
    total, terms = loss(x_net=Halve()(y, physics), y=y, physics=physics, model=Halve())
    assert terms.keys() == {"sure", "ei"}
    torch.testing.assert_close(total, terms["sure"] + terms["ei"])
    assert loss.losses["ei"].noise


@pytest.mark.parametrize("keep", [0.5, 1.0])
def test_sure_estimates_the_error_that_needs_the_truth(keep):
    # The estimate's mean over noise is the true squared error of A f(y), over all numbers of a measurement.
    physics, sigma = inpainting(32, keep=keep, noise_sigma=0.2), 0.2
    x = torch.rand(64, 1, 32, 32)
    y = physics(x)
    x_net = Shrink()(y, physics)
    estimate = MeasuredSureLoss(sigma)(y=y, x_net=x_net, physics=physics, model=Shrink()).mean()
    truth = (physics.A(x_net) - physics.A(x)).square().mean()
    consistency = (physics.A(x_net) - y).square().mean()
    assert float(estimate) == pytest.approx(float(truth), rel=0.05)
    assert abs(float(consistency - truth)) > 5 * abs(float(estimate - truth))


def test_the_denoising_term_trains_the_operator_alone():
    torch.manual_seed(1)
    physics, denoiser = inpainting(8, keep=0.5), ResidualCNN(width=4, depth=2)
    model = DEQ(ProximalGradient(denoiser))
    assert denoiser_of(model) is denoiser
    assert denoiser_of(DEQ(Inertial(ProximalGradient(denoiser)))) is denoiser
    y = physics.A(torch.rand(2, 1, 8, 8))
    x_net = model(y, physics)
    values = {
        target: DenoisingLoss((0.1, 0.1), target=target)(x_net=x_net, y=y, physics=physics, model=model)
        for target in ("inverse", "reconstruction")
    }
    assert values["inverse"] != values["reconstruction"]
    step = model.iterate.data_step.log_step
    (gradient,) = torch.autograd.grad(values["reconstruction"], [step], allow_unused=True, retain_graph=True)
    assert gradient is None
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(values["inverse"], denoiser.parameters()))
    loss = build_denoising_loss(mc_weight=2.0, denoising_weight=3.0)
    assert loss.weights == {"mc": 2.0, "denoising": 3.0}


def test_a_residual_size_is_known_though_an_estimate_is_negative():
    loss = build_robust_loss(Rotation(), sigma=0.1)
    assert loss.residual_rms({"sure": -1.0, "ei": 0.04}) == pytest.approx(0.2)
    assert loss.residual_rms({"sure": -1.0, "ei": -0.1}) == 0.0


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: build_loss("mc", n_elements=2), "uses no group"),
        (lambda: build_loss("ei", Rotation(), n_elements=0), "at least one element"),
        (lambda: MeasuredSureLoss(0.0), "both must be positive"),
        (lambda: MeasuredSureLoss(0.1, tau=0), "both must be positive"),
        (lambda: DenoisingLoss((0.2, 0.1)), "smallest <= largest"),
        (lambda: denoiser_of(Halve()), "holds no learned operator"),
    ],
)
def test_impossible_settings_are_told(make, match):
    with pytest.raises(InputError, match=match):
        make()

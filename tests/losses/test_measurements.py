"""Losses of measurements: exact for linear models, unbiased without ground truth, gradients of dense solves."""

import jaxtyping
import pytest
import torch
from deepinv.loss import MCLoss
from torch import nn

from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit, record
from eiwork.losses import EI, Adapted, Fit, Objective, Recorrupted, Supervised, Sure, as_loss
from eiwork.models import DEQ, GradientStep, ProximalGradient, ResidualCNN, WhitenedStep
from eiwork.physics import inpainting, mri, tomography
from eiwork.symmetry import Rotation, Shift

SIGMA, R = 0.05, 0.03
NOISE, ALPHA, N = 0.3, 0.7, 20_000
SIZE = 8
EYE = torch.eye(SIZE**2, dtype=torch.float64)


class Tikhonov(nn.Module):
    """s A^T (A A^T + 0.1 I)^-1 y: linear, so that every expectation is a trace."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def forward(self, y, physics):
        return self.scale * physics.A_adjoint(physics.whiten(y, 0.1))


class Blur(nn.Module):
    """A linear model that carries the noise of a pixel to its neighbours and back."""

    def __init__(self, kept=0.5):
        super().__init__()
        self.kept = kept

    def forward(self, y, physics):
        x = physics.A_adjoint(y)
        return self.kept * x + (1 - self.kept) / 2 * (x.roll(1, -1) + x.roll(-1, -1))


@pytest.fixture(scope="module")
def scan():
    physics = tomography(12, 5)
    return physics, physics.A(torch.eye(144, dtype=torch.float64).view(144, 1, 12, 12)).flatten(1).T


def weight(matrix):
    return torch.linalg.inv(matrix @ matrix.T + R * torch.eye(len(matrix), dtype=torch.float64))


def noisy_sinograms(physics, n=2, n_views=5):
    return torch.randn(n, 1, physics.geometry.n_detectors, n_views, dtype=torch.float64)


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
    measured = physics.A(Blur(0.8)(y, physics))
    estimate = float(Sure(sigma)(Blur(0.8), y, physics).fit)
    truth = float((measured - physics.A(x)).square().mean())
    assert estimate == pytest.approx(truth, rel=0.05)
    assert abs(float((measured - y).square().mean()) - truth) > 5 * abs(estimate - truth)


def test_robust_ei_is_sure_and_a_noisy_second_scan_that_is_compared_with_both():
    physics, model, group = tomography(12, 5, noise_sigma=SIGMA), Tikhonov(), Rotation("fourier")
    y = noisy_sinograms(physics)
    torch.manual_seed(1)
    found = EI(group, Sure(SIGMA, R), weight=0.5, noisy=True, cycle=2.0)(model, y, physics)
    torch.manual_seed(1)
    x = model(y, physics)
    fit = Sure(SIGMA, R).judge(x, y, physics, model)["fit"]
    angles = group.get_params(x)
    turned = group.transform(x, **angles)
    again = model(physics(turned), physics)
    back = (physics.A(group.inverse(again, **angles)) - y).flatten(1)
    cycle = (back * physics.whiten(back.view_as(y), R).flatten(1)).sum(dim=1).mean() / 144
    terms = {"fit": fit, "ei": 0.5 * (again - turned).square().mean(), "cycle": 0.5 * 2.0 * cycle}
    torch.testing.assert_close(found.values, terms)
    torch.testing.assert_close(found.total, sum(terms.values()))


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


@pytest.mark.parametrize("whitening", [None, R])
def test_sure_has_a_gradient_through_both_calls(scan, whitening):
    physics, _ = scan
    y, scale = noisy_sinograms(physics, 1), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def value(s):
        torch.manual_seed(1)
        return Sure(SIGMA, whitening)(Tikhonov(s), y, physics).total

    assert torch.autograd.gradcheck(value, (scale,), eps=1e-4, atol=1e-8)


@pytest.fixture(scope="module")
def noisy():
    torch.manual_seed(0)
    physics = inpainting(6, keep=0.7, noise_sigma=NOISE)
    x = torch.rand(1, 1, 6, 6).expand(N, 1, 6, 6)
    return physics, x, physics(x)


def mean_loss(loss, y, physics):
    """Each term of a loss, which averages over the batch, of ten parts: its mean and standard error."""
    parts = [loss(Blur(), part, physics).values for part in y.chunk(10)]
    values = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
    return {name: (float(v.mean()), float(v.std()) / 10**0.5) for name, v in values.items()}


def test_fit_and_cycle_are_errors_to_the_clean_measurement(noisy):
    """E ||A f(y + alpha w) - (y - w / alpha)||^2 = E ||A f - A x||^2 + sigma^2 (1 + 1 / alpha^2) per measured pixel.

    With T_g the identity of a tiny shift range, the cycle is the model applied twice, and carries no noise back.
    """
    physics, x, y = noisy
    clean, constant = physics.A(x), NOISE**2 * (1 + 1 / ALPHA**2) * float(physics.mask.mean())
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
    truth = (physics.A(Blur()(quieter, physics)) - clean).square().mean() + NOISE**2 * physics.mask.mean()
    # Consistency with the noise that went in is too small by twice the divergence: the reward for fitting noise.
    assert float(truth) - plain > 20 * spread


def test_what_goes_in_and_what_is_compared_are_known_and_independent(noisy):
    physics, x, y = noisy
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


def test_two_interleaved_calls_are_those_of_two_separate_ones(noisy):
    """Nothing of a call stays in the loss, so that the gradient of one is not that of the other's pair."""
    physics, _, y = noisy
    model, loss = DEQ(ProximalGradient(ResidualCNN(width=4, depth=2))), Recorrupted(EI(Shift(), cycle=1.0))
    parts, parameters = {1: y[:2], 2: y[2:5]}, list(model.parameters())

    def called(seed):
        torch.manual_seed(seed)
        return loss(model, parts[seed], physics).total

    separate = [torch.autograd.grad(called(seed), parameters)[0] for seed in parts]
    totals = [called(seed) for seed in parts]
    interleaved = [torch.autograd.grad(total, parameters)[0] for total in totals]
    assert all(torch.equal(one, other) for one, other in zip(separate, interleaved, strict=True))
    assert not torch.equal(separate[0], separate[1])


def test_what_does_not_apply_is_refused():
    jaxtyping.config.update("jaxtyping_disable", True)  # as it is outside the tests: until the next one
    y, physics = torch.zeros(1, 1, 8, 8), inpainting(8)
    for make, match in (
        (lambda: EI("rotation"), "the group is a transform, such as eiwork.symmetry.Rotation"),
        (lambda: EI(Rotation), "the group is a transform"),
        (lambda: EI(Rotation(), Supervised()), r"fitted by Fit\(\) or Sure\(sigma\)"),
        (lambda: EI(Rotation(), weight=0.0), r"weight must be positive.*the loss is Fit\(\)"),
        (lambda: EI(Rotation(), weight=float("nan")), "weight must be positive"),
        (lambda: EI(Rotation(), cycle=-1.0), "the cycle >= 0"),
        (lambda: Fit(0.0), r"Fit\(whitening=0.0\): must be positive"),
        (lambda: Sure(0.0), r"sigma=0.0, tau=0.01\): both must be positive. Without noise"),
        (lambda: Sure(0.1, tau=0), "both must be positive"),
        (lambda: Sure(0.1, whitening=0.0), "must be positive, in units of"),
        (lambda: Fit(R)(Blur(), y, physics), "Inpainting lacks.*0 or 1 already"),
        (lambda: Recorrupted(Fit(), alpha=0.0), "alpha=0.0.*must be positive"),
        (lambda: Recorrupted(Recorrupted(Fit())), "takes a loss of measurements"),
        (lambda: Recorrupted(EI(Shift()))(Blur(), y, physics), "this physics adds none"),
    ):
        with pytest.raises(InputError, match=match):
            make()


def rotation(seed=3, **options):
    return Rotation(rng=torch.Generator().manual_seed(seed), **options)


def as_matrix(f):
    """The matrix of a linear map of images."""
    return f(EYE.view(-1, 1, SIZE, SIZE)).flatten(1).T


@pytest.mark.parametrize("whitening", [None, 0.1])
@pytest.mark.parametrize("cycle", [0.0, 3.0])
def test_the_value_is_that_of_dense_matrices(whitening, cycle):
    """||A M y - y||^2 + 5 (||M A T x - T x||^2 + c ||A T^-1 M A T x - y||^2), x = M y, in the norm of the fit."""
    physics = tomography(SIZE, 3).double()
    A = as_matrix(physics.A)
    gram, eye = A @ A.T, torch.eye(len(A), dtype=torch.float64)
    M = A.T @ torch.linalg.inv(gram + 0.1 * eye)
    # Plain residuals are averaged over the numbers measured, whitened ones over the pixels.
    W = eye / len(A) if whitening is None else torch.linalg.inv(gram + whitening * eye) / SIZE**2
    y = noisy_sinograms(physics, n_views=3)
    angles = rotation(interpolation="fourier").get_params(physics.A_adjoint(y))["theta"]
    fit, ei, back = (torch.zeros(2, dtype=torch.float64) for _ in range(3))
    for b, v in enumerate(y.flatten(1)):
        theta = {"theta": angles[:, b : b + 1].expand(-1, SIZE**2)}
        T = as_matrix(lambda x, theta=theta: Rotation("fourier").transform(x, **theta))
        T_back = as_matrix(lambda x, theta=theta: Rotation("fourier").inverse(x, **theta))
        x = M @ v
        again = M @ A @ T @ x
        fit[b] = (A @ x - v) @ W @ (A @ x - v)
        ei[b] = (again - T @ x).square().mean()
        back[b] = (A @ T_back @ again - v) @ W @ (A @ T_back @ again - v)
    loss = EI(rotation(interpolation="fourier"), Fit(whitening), weight=5.0, cycle=cycle)
    terms = loss(Tikhonov(), y, physics, torch.full((2, 1, SIZE, SIZE), torch.nan))  # the truth does not matter
    torch.testing.assert_close(terms.fit, fit.mean())
    torch.testing.assert_close(terms.ei, 5 * ei.mean())
    assert terms.values.keys() == {"fit", "ei"} | ({"cycle"} if cycle else set())
    if cycle:
        torch.testing.assert_close(terms.cycle, 5 * cycle * back.mean())
    torch.testing.assert_close(terms.total, sum(terms.values.values()))


def test_noise_on_the_virtual_measurement_is_that_of_the_physics():
    physics, x = tomography(SIZE, 3, noise_sigma=0.1), torch.rand(2, 1, SIZE, SIZE)
    target, model, found = rotation()(x), Tikhonov(), {}
    for noisy, measure in ((False, physics.A), (True, physics)):
        torch.manual_seed(5)
        found[noisy] = EI(rotation(), noisy=noisy).judge(x, physics.A(x), physics, model)["ei"]
        torch.manual_seed(5)
        torch.testing.assert_close(found[noisy], (model(measure(target), physics) - target).square().mean())
    assert found[True] != found[False]


def problem(kind, tol=1e-13):
    """A DEQ, away from its initial weights so that J is not nearly diagonal, with its scans."""
    physics = tomography(SIZE, 5) if kind == "ct" else mri(SIZE, acceleration=2, center_fraction=0.25)
    channels, step = (1, WhitenedStep()) if kind == "ct" else (2, GradientStep())
    iteration = ProximalGradient(ResidualCNN(channels, width=4, depth=3), step)
    model = DEQ(iteration, Anderson(tol=tol, max_iter=300), Implicit(GMRES(tol=tol))).double()
    with torch.no_grad():
        model.iterate.denoiser.network[-1].weight.mul_(60)
    x = torch.rand(1, channels, SIZE, SIZE, dtype=torch.float64)
    return model, physics.double(), physics.double().A(x)


def dense_gradient(model, y, physics, angles, cycle, stopped):
    """Both solves as one fixed point Z = G(Z): v from (I - dG/dZ)^T v = dL/dZ by LU, and v^T dG/dtheta."""
    turn = Rotation()

    def target_of(x1):
        return turn.transform(x1.detach() if stopped else x1, **angles)

    def both(z):
        virtual = physics.A(target_of(z[0]))
        return torch.stack([model.iteration(z[0], y, physics), model.iteration(z[1], virtual, physics)])

    x1 = model.solve(y, physics).value
    x3 = model.solve(physics.A(target_of(x1)), physics).value
    z = torch.stack([x1, x3]).requires_grad_()
    back = physics.A(turn.inverse(z[1], **angles)) - y
    loss = (physics.A(z[0]) - y).square().mean() + 2 * (z[1] - target_of(z[0])).square().mean()
    (slope,) = torch.autograd.grad(loss + 2 * cycle * back.square().mean(), z)
    out = both(z)
    rows = [torch.autograd.grad(value, z, retain_graph=True)[0].flatten() for value in out.flatten()]
    eye = torch.eye(len(rows), dtype=torch.float64)
    v = torch.linalg.solve((eye - torch.stack(rows)).T, slope.flatten())
    return flat(torch.autograd.grad(out, list(model.parameters()), v.view_as(out)))


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


@pytest.mark.parametrize(("kind", "cycle", "stopped"), [("ct", 0.0, False), ("ct", 3.0, True), ("mri", 3.0, False)])
def test_the_gradient_through_both_solves_is_that_of_dense_implicit_differentiation(kind, cycle, stopped):
    model, physics, y = problem(kind)
    angles = rotation().get_params(model(y, physics))
    reference = dense_gradient(model, y, physics, angles, cycle, stopped)
    terms = EI(rotation(), weight=2.0, cycle=cycle, stop_gradient=stopped)(model, y, physics)
    gradient = flat(torch.autograd.grad(terms.total, list(model.parameters())))
    assert float((gradient - reference).norm() / reference.norm()) < 1e-8


def test_the_second_solve_begins_at_the_transformed_image_and_ends_where_a_cold_one_does():
    model, physics, y = problem("mri", tol=1e-6)

    def cold(model, y, physics, x):
        first = model(y, physics)
        target = rotation()(first)
        return (physics.A(first) - y).square().mean() + (model(physics.A(target), physics) - target).square().mean()

    starts, found = [], []
    for loss in (EI(rotation()), Adapted(cold)):
        states = []
        hook = model.iterate.register_forward_pre_hook(lambda _, z, states=states: states.append(z[0].detach()))
        with record() as reports:
            terms = loss(model, y, physics)
        hook.remove()
        starts.append(states[reports[0].n_evaluations + 1 :])
        found.append((terms.total.detach(), flat(torch.autograd.grad(terms.total, list(model.parameters())))))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-3, atol=0)
    assert 0 < float((found[0][1] - found[1][1]).norm() / found[1][1].norm()) < 1e-3
    target = rotation()(model(y, physics)).detach()
    assert min(float((state - target).norm()) for state in starts[0]) < 1e-12
    assert min(float((state - target).norm() / target.norm()) for state in starts[1]) > 1e-4

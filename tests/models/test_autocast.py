"""Low precision: where it is used, where it is not, and that the answer of the mixed solve is the exact one."""

import copy

import pytest
import torch
from torch import nn

from eiwork.errors import InputError
from eiwork.fixed_point import GMRES, Anderson, Implicit, Unrolled
from eiwork.models import ADMM, DEQ, Inertial, ProximalGradient, ResidualCNN
from eiwork.models.autocast import Autocast, MixedPrecisionDEQ
from eiwork.physics import mri

SEEN = []


class Watched(nn.Module):
    """A denoiser that notes the type its convolution computes in, and the type of what it is given."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 2, 3, padding=1)
        nn.init.normal_(self.convolution.weight, std=0.05)

    def forward(self, x):
        out = self.convolution(x)
        SEEN.append((x.dtype, out.dtype))
        return 0.8 * x - out


@pytest.fixture
def scene():
    SEEN.clear()
    physics = mri(16, acceleration=2)
    return physics, physics.A(torch.rand(3, 2, 16, 16))


def deq(kind=DEQ, tol=1e-6, **options):
    torch.manual_seed(1)
    return kind(ProximalGradient(Watched()), Anderson(tol=tol, max_iter=80), Implicit(GMRES(tol=1e-6)), **options)


def solved(model, physics, y):
    x = model(y, physics)
    gradient = torch.autograd.grad(x.square().sum(), list(model.parameters()))
    return x.detach(), torch.cat([part.flatten() for part in gradient])


def test_only_the_denoiser_is_in_low_precision(scene):
    physics, y = scene
    iteration = ProximalGradient(Watched())
    z = torch.rand(3, 2, 16, 16)
    with torch.no_grad():
        exact, low = iteration(z, y, physics), Autocast(iteration)(z, y, physics)
    assert [computed for _, computed in SEEN] == [torch.float32, torch.bfloat16]
    assert {given for given, _ in SEEN} == {torch.float32}
    assert low.dtype == torch.float32
    error = float((low - exact).norm() / exact.norm())
    assert 0 < error < 2e-3
    # The iteration itself is as it was.
    with torch.no_grad():
        assert torch.equal(iteration(z, y, physics), exact)


@pytest.mark.parametrize("make", [ADMM, lambda d: Inertial(Autocast(ProximalGradient(d)))])
def test_states_of_several_parts_and_wrappers_take_it(scene, make):
    physics, y = scene
    iteration = make(Watched())
    low = iteration if isinstance(iteration, Inertial) else Autocast(iteration)
    state = low.start(y, physics)
    assert [part.dtype for part in low(state, y, physics)] == [torch.float32] * len(state)
    assert SEEN[-1][1] == torch.bfloat16
    assert low.image(low.state_from(low.image(state), y, physics)) is low.image(state)


def test_the_rounded_map_has_a_rounded_equilibrium_and_gradient(scene):
    physics, y = scene
    x, gradient = solved(deq(), physics, y)
    torch.manual_seed(1)
    low = DEQ(Autocast(ProximalGradient(Watched())), Anderson(tol=2e-3), Implicit(GMRES(tol=1e-2)))
    x_low, gradient_low = solved(low, physics, y)
    assert 0 < float((x_low - x).norm() / x.norm()) < 2e-2
    assert 0 < float((gradient_low - gradient).norm() / gradient.norm()) < 5e-2


def test_the_mixed_solve_has_the_equilibrium_and_the_gradient_of_the_exact_one(scene):
    physics, y = scene
    exact, mixed = deq(), deq(MixedPrecisionDEQ)
    x, gradient = solved(exact, physics, y)
    SEEN.clear()
    x_mixed, gradient_mixed = solved(mixed, physics, y)
    types = [computed for _, computed in SEEN]
    n_low = types.count(torch.bfloat16)
    # Low precision first, then none.
    assert 1 < n_low < len(types)
    assert types == [torch.bfloat16] * n_low + [torch.float32] * (len(types) - n_low)
    assert float((x_mixed - x).norm() / x.norm()) < 1e-5
    assert float((gradient_mixed - gradient).norm() / gradient.norm()) < 1e-5
    assert mixed.state_dict().keys() == exact.state_dict().keys()


@pytest.mark.parametrize("tol", [1e-1, 1e-2, 1e-4])
def test_nothing_converges_by_an_evaluation_in_low_precision(scene, tol):
    physics, y = scene
    model = deq(MixedPrecisionDEQ, tol=tol)
    solution = model.solve(y, physics)
    assert bool(solution.converged.all())
    with torch.no_grad():
        residual = model.iteration(solution.value, y, physics) - solution.value
    assert float(residual.norm() / solution.value.norm()) <= tol


def test_it_starts_where_it_is_told_and_switches_where_it_is_told(scene):
    physics, y = scene
    counts = []
    for switch_at in (1e-1, 5e-3):
        SEEN.clear()
        deq(MixedPrecisionDEQ, switch_at=switch_at).solve(y, physics)
        counts.append([computed for _, computed in SEEN].count(torch.bfloat16))
    assert counts[0] < counts[1]
    model = deq(MixedPrecisionDEQ)
    x = model.solve(y, physics).value
    SEEN.clear()
    assert model.solve(y, physics, z0=x).n_evaluations == 1
    assert SEEN[-1] == (torch.float32, torch.float32)


def test_samples_that_have_converged_leave_the_batch_here_too(scene):
    physics, y = scene
    exact, mixed = deq(), deq(MixedPrecisionDEQ)
    x = exact.solve(y, physics).value
    # The first sample is done at once, so the solve is exact from the start and goes on without it.
    start = exact.iterate.start(y, physics)
    start[0] = x[0]
    sizes = []
    mixed.iterate.denoiser.register_forward_pre_hook(lambda module, given: sizes.append(given[0].shape[0]))
    solution = mixed.solve(y, physics, z0=start)
    assert sizes[0] == 3
    assert min(sizes) < 3
    assert float((solution.value - x).norm() / x.norm()) < 1e-5


def test_unrolled_steps_with_gradients_are_exact(scene):
    physics, y = scene
    model = deq(MixedPrecisionDEQ)
    model.gradient = Unrolled(3)
    model(y, physics)
    assert {computed for _, computed in SEEN} == {torch.float32}


def test_double_precision_and_copies_survive(scene):
    physics, y = scene
    model = copy.deepcopy(deq(MixedPrecisionDEQ)).double()
    with torch.no_grad():
        assert model(y.double(), physics.double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Autocast(ProximalGradient(Watched()), torch.float64), r"choose torch\.bfloat16"),
        (lambda: Autocast(nn.Identity()), "its own `denoiser`"),
        (lambda: Autocast(Inertial(ProximalGradient(Watched()))), "innermost iteration"),
        (lambda: deq(MixedPrecisionDEQ, switch_at=0), r"in \(0, 1\)"),
    ],
)
def test_what_cannot_be_is_an_error(make, match):
    with pytest.raises(InputError, match=match):
        make()


def test_channels_last_survives_loading_conversion_copies_and_autocast():
    network = ResidualCNN(2)
    fresh = {k: v.contiguous() for k, v in ResidualCNN(2).state_dict().items()}
    network.load_state_dict(fresh)
    for module in (
        network,
        copy.deepcopy(network),
        copy.deepcopy(network).double().float(),
        network.to("cpu"),
    ):
        for layer in module.network:
            if isinstance(layer, nn.Conv2d):
                assert layer.weight.is_contiguous(memory_format=torch.channels_last)
                # Strides of a 3x3 kernel with more than one input channel tell the two layouts apart.
                assert layer.weight.stride(1) == 1
    formats = []

    def note(module, arguments, output):
        formats.append(output.is_contiguous(memory_format=torch.channels_last))

    for layer in network.network:
        layer.register_forward_hook(note)
    x = torch.rand(2, 2, 16, 16)
    network(x)
    with torch.autocast("cpu", torch.bfloat16):
        network(x)
    network(x.double().float().contiguous())
    assert all(formats)
    assert len(formats) == 3 * len(network.network)

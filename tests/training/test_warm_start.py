"""Warm starts: a bounded cache, starts that matter for the cost and not for the answer, the EI solve from T_g x."""

import pytest
import torch
from deepinv.loss import EILoss
from eiwork.training.build import build_cache
from eiwork.training.build_loss import build_training_loss
from eiwork.training.warm_start import EquilibriumCache, warm_state
from torch import nn

from eiwork.errors import InputError, RecipeError
from eiwork.fixed_point import Anderson, Picard, record
from eiwork.losses import WarmStartedEILoss, build_loss
from eiwork.models import DEQ, ProximalGradient, ResidualCNN
from eiwork.physics import mri
from eiwork.symmetry import Rotation

PIXELS = 2 * 16 * 16


def images(n):
    return torch.rand(n, 2, 16, 16)


def deq(tol=1e-6):
    model = DEQ(ProximalGradient(ResidualCNN(2, width=4, depth=2)), Anderson(tol=tol))
    for weight in model.iterate.denoiser.parameters():
        nn.init.normal_(weight, std=0.05)
    return model


def test_what_was_stored_comes_back_and_the_rest_is_the_fallback():
    cache = EquilibriumCache(budget_mib=1, dtype=torch.float32)
    x, fallback = images(2), images(3)
    cache.store(torch.tensor([7, 4]), x)
    found, known = cache.lookup(torch.tensor([4, 5, 7]), fallback)
    assert known.tolist() == [True, False, True]
    assert torch.equal(found, torch.stack([x[1], fallback[1], x[0]]))


def test_memory_stays_within_the_budget_and_the_least_recently_used_leaves():
    budget = 3 * PIXELS * 2 / 2**20
    cache = EquilibriumCache(budget_mib=budget)
    for index in (0, 1, 2):
        cache.store(torch.tensor([index]), images(1))
    cache.lookup(torch.tensor([0]), images(1))
    cache.store(torch.tensor([3]), images(1))
    assert cache.n_bytes <= budget * 2**20
    _, known = cache.lookup(torch.tensor([0, 1, 2, 3]), images(4))
    assert known.tolist() == [True, False, True, True]


def test_half_precision_halves_the_memory_and_moves_a_start_by_its_rounding():
    x = images(4)
    sizes = {}
    for dtype in (torch.float32, torch.float16):
        cache = EquilibriumCache(budget_mib=1, dtype=dtype)
        cache.store(torch.arange(4), x)
        found, _ = cache.lookup(torch.arange(4), x)
        sizes[dtype] = cache.n_bytes
        assert float((found - x).norm() / x.norm()) <= (0 if dtype == torch.float32 else 5e-4)
    assert sizes[torch.float16] == sizes[torch.float32] / 2 == 4 * PIXELS * 2


def test_images_beyond_the_range_of_the_type_are_forgotten():
    cache = EquilibriumCache(budget_mib=1)
    x = images(2)
    cache.store(torch.tensor([0, 1]), x)
    cache.store(torch.tensor([0, 1]), torch.stack([x[0] * 1e30, x[1]]))
    _, known = cache.lookup(torch.tensor([0, 1]), x)
    assert known.tolist() == [False, True]


def test_a_restored_cache_has_the_same_images_in_the_same_order_of_use():
    budget = 2 * PIXELS * 2 / 2**20
    first, second = EquilibriumCache(budget_mib=budget), EquilibriumCache(budget_mib=budget)
    first.store(torch.tensor([5, 3]), images(2))
    first.lookup(torch.tensor([5]), images(1))
    second.restore(first.tensors(), torch.device("cpu"))
    for cache in (first, second):
        cache.store(torch.tensor([9]), torch.ones(1, 2, 16, 16))
    assert first.tensors()["indices"].tolist() == second.tensors()["indices"].tolist() == [5, 9]
    assert torch.equal(first.tensors()["images"], second.tensors()["images"])
    second.restore({}, torch.device("cpu"))
    assert len(second) == 0


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: EquilibriumCache(budget_mib=0), "must be positive"),
        (lambda: EquilibriumCache(budget_mib=1, dtype=torch.int8), "stored as floats"),
        (lambda: EquilibriumCache(budget_mib=1e-6).store(torch.tensor([0]), images(1)), "needs 0.000977 MiB"),
    ],
)
def test_a_cache_that_cannot_work_is_an_error(make, match):
    with pytest.raises(InputError, match=match):
        make()


def test_a_warm_start_costs_less_and_changes_neither_the_equilibrium_nor_the_gradient():
    physics, model = mri(16, acceleration=2), deq()
    y, indices = physics.A(images(3)), torch.tensor([2, 0, 1])
    cache = EquilibriumCache(budget_mib=1)
    assert warm_state(model, cache, indices, y, physics) is None

    def solved(z0):
        with record() as reports:
            x = model(y, physics, z0=z0)
            gradient = torch.autograd.grad(x.square().sum(), list(model.parameters()))
        return x.detach(), torch.cat([part.flatten() for part in gradient]), reports[0].n_evaluations

    x, gradient, cost = solved(None)
    # Two of three samples are known, from slightly other weights.
    cache.store(indices[:2], x[:2] + 1e-3 * torch.randn_like(x[:2]))
    start = warm_state(model, cache, indices, y, physics)
    torch.testing.assert_close(start[2], model.iterate.start(y, physics)[2])
    cache.store(indices, x + 1e-3 * torch.randn_like(x))
    x_warm, gradient_warm, cost_warm = solved(warm_state(model, cache, indices, y, physics))
    assert cost_warm < cost
    # tol / sigma_min(I - J) = 1e-6 / 0.01
    assert float((x_warm - x).norm() / x.norm()) < 1e-4
    assert float((gradient_warm - gradient).norm() / gradient.norm()) < 1e-3


class TwoParts(nn.Module):
    """An iteration with two variables: (x, u) with u = 2 x at the fixed point; the image is x."""

    def forward(self, z, y, physics):
        x, _ = z
        x = 0.5 * (x - physics.A_adjoint(physics.A(x) - y))
        return x, 2 * x

    def start(self, y, physics):
        return torch.zeros_like(physics.A_adjoint(y)), torch.zeros_like(physics.A_adjoint(y))

    def image(self, z):
        return z[0]

    def state_from(self, x, y, physics):
        return x, 2 * x


def test_states_of_several_parts_are_made_by_the_iteration():
    physics, model = mri(16, acceleration=2), DEQ(TwoParts(), Anderson(tol=1e-6))
    y = physics.A(images(2))
    cold = model.solve(y, physics)
    cache = EquilibriumCache(budget_mib=1, dtype=torch.float32)
    cache.store(torch.tensor([0]), cold.value[0][:1])
    start = warm_state(model, cache, torch.tensor([0, 1]), y, physics)
    torch.testing.assert_close(start[1][0], 2 * cold.value[0][0])
    assert not start[1][1].any()
    cache.store(torch.tensor([0, 1]), cold.value[0])
    warm = model.solve(y, physics, z0=warm_state(model, cache, torch.tensor([0, 1]), y, physics))
    assert warm.n_evaluations == 1 < cold.n_evaluations


def test_the_warm_started_ei_loss_has_the_value_and_the_gradient_of_the_ei_loss():
    physics, model = mri(16, acceleration=2), deq()
    x_net = model(physics.A(images(2)), physics)
    results, starts = [], []
    for kind in (EILoss, WarmStartedEILoss):
        rotation = Rotation(rng=torch.Generator().manual_seed(3))
        states = []
        hook = model.iterate.register_forward_pre_hook(lambda _, inputs, states=states: states.append(inputs[0]))
        loss = kind(rotation, apply_noise=False)(x_net=x_net, physics=physics, model=model)
        hook.remove()
        gradient = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
        results.append((loss.detach(), torch.cat([part.flatten() for part in gradient])))
        starts.append(states[0].detach())
    (cold, cold_gradient), (warm, warm_gradient) = results
    torch.testing.assert_close(warm, cold, rtol=1e-3, atol=0)
    assert float((warm_gradient - cold_gradient).norm() / cold_gradient.norm()) < 1e-3
    # Another start, another path: the option did something.
    turned = Rotation(rng=torch.Generator().manual_seed(3))(x_net).detach()
    torch.testing.assert_close(starts[1], turned)
    assert float((starts[0] - turned).norm() / turned.norm()) > 0.1
    assert not torch.equal(warm_gradient, cold_gradient)


class FullySampled(nn.Module):
    """With A unitary the fixed point is A^T y, which is T_g x when y = A T_g x: the optimum of EI."""

    def forward(self, z, y, physics):
        return z - 0.5 * physics.A_adjoint(physics.A(z) - y)

    def start(self, y, physics):
        return torch.zeros_like(physics.A_adjoint(y))

    def image(self, z):
        return z

    def state_from(self, x, y, physics):
        return x


def test_at_the_optimum_the_ei_solve_costs_one_evaluation():
    physics, model = mri(16, acceleration=1), DEQ(FullySampled(), Picard(tol=1e-4))
    costs = []
    for kind in (EILoss, WarmStartedEILoss):
        with record() as reports:
            kind(Rotation(), apply_noise=False)(x_net=images(2), physics=physics, model=model)
        costs.append([report.n_evaluations for report in reports])
    assert costs[1] == [1]
    assert costs[0][0] > 10


def test_it_keeps_noise_weight_metric_and_no_grad():
    physics, model = mri(16, acceleration=2, noise_sigma=0.1), deq()
    x_net = images(2).requires_grad_()
    for options in ({"apply_noise": True}, {"weight": 3.0}, {"metric": nn.L1Loss()}, {"no_grad": True}):
        values = []
        for kind in (EILoss, WarmStartedEILoss):
            torch.manual_seed(5)
            loss = kind(Rotation(), **({"apply_noise": False} | options))
            value = loss(x_net=x_net, physics=physics, model=model)
            values.append(
                torch.cat([value.detach()[None], torch.autograd.grad(value, x_net)[0].flatten()])
                if not options.get("no_grad")
                else value.detach()[None]
            )
        torch.testing.assert_close(values[1], values[0], rtol=1e-2, atol=1e-6)


def test_a_warm_start_where_nothing_is_solved_is_an_error(small_recipe):
    class Adjoint(nn.Module):
        def forward(self, y, physics):
            return physics.A_adjoint(y)

    with pytest.raises(InputError, match="needs a DEQ; Adjoint"):
        WarmStartedEILoss(Rotation())(x_net=images(1), physics=mri(16), model=Adjoint())
    with pytest.raises(InputError, match="`warm_start`"):
        build_loss("mc", warm_start=True)
    with pytest.raises(RecipeError, match=r"loss\.warm_start begins a DEQ's solve"):
        build_training_loss(small_recipe("ct-ei-unet", loss__warm_start=True))
    assert build_cache(small_recipe("ct-ei-unet")) is None
    assert build_cache(small_recipe("ct-ei-deq")) is None

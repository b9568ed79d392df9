"""The contraction penalty sees the directions that a power iteration misses; a rescue follows it alone."""

import pytest
import torch

from eiwork.models.deq import BatchMap
from eiwork.physics import inpainting
from eiwork.training import Contraction
from eiwork.training.contraction import contraction_penalty
from eiwork.training.step import train_step


def clustered_map(outlier):
    """A linear map on 12x12 images: eigenvalue 0.9 everywhere but in one hidden direction."""
    q = torch.linalg.qr(torch.randn(144, 144, dtype=torch.float64))[0]
    matrix = q @ torch.diag(torch.tensor([outlier] + [0.9] * 143, dtype=torch.float64)) @ q.T
    return lambda z: (z.flatten(1) @ matrix.T).view_as(z)


def test_a_hidden_expanding_direction_is_found_and_shrunk():
    z, scale = torch.randn(2, 1, 12, 12, dtype=torch.float64), torch.ones((), dtype=torch.float64, requires_grad=True)
    f = clustered_map(1.2)
    penalty, lengths = contraction_penalty(lambda z: scale * f(z), z, target=0.95)
    torch.testing.assert_close(lengths, torch.full((2,), 1.2, dtype=torch.float64), rtol=1e-6, atol=0)
    assert float(penalty.detach()) == pytest.approx(0.25**2, rel=1e-5)
    assert float(torch.autograd.grad(penalty, scale)[0]) == pytest.approx(2 * 0.25 * 1.2, rel=1e-5)
    below, lengths = contraction_penalty(clustered_map(0.9), z)
    assert float(below) == 0
    assert lengths.tolist() == pytest.approx([0.9, 0.9])


def test_a_state_of_two_parts_is_one_vector():
    f, z = clustered_map(1.2), torch.randn(2, 2, 12, 6, dtype=torch.float64)

    def paired(parts):
        mapped = f(torch.cat([part.flatten(1) for part in parts], dim=1).view(2, 1, 12, 12)).flatten(1)
        return mapped[:, :72].view(2, 1, 12, 6), mapped[:, 72:].view(2, 1, 12, 6)

    _, lengths = contraction_penalty(paired, (z[:, :1], z[:, 1:]))
    torch.testing.assert_close(lengths, torch.full((2,), 1.2, dtype=torch.float64), rtol=1e-6, atol=0)


def test_of_a_model_it_is_the_largest_singular_value_of_the_dense_jacobian(small_recipe):
    recipe = small_recipe("ct-ei-deq", data__image_size=8)
    physics, model = recipe.build_physics().double(), recipe.build_model().double()
    with torch.no_grad():
        model.iterate.denoiser.network[-1].weight.mul_(100)
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    y = physics.A(x)
    penalty, lengths = Contraction(target=0.1, samples=None, krylov_size=64).penalty(model, x, y, physics)
    f = BatchMap(model.iterate, y, physics)
    jacobian = torch.autograd.functional.jacobian(lambda z: f(z.view_as(x)).flatten(1).sum(dim=0), x.flatten(1))
    exact = torch.linalg.matrix_norm(jacobian.permute(1, 0, 2), ord=2)
    torch.testing.assert_close(lengths, exact, rtol=1e-6, atol=0)
    torch.testing.assert_close(penalty.detach(), (exact - 0.1).square().mean(), rtol=1e-6, atol=0)


def test_samples_look_at_a_part_of_the_batch(small_recipe):
    """With two of four samples the largest lengths are among those of all, and fewer."""
    recipe = small_recipe("ct-ei-deq")
    physics, model = recipe.build_physics(), recipe.build_model()
    x = torch.rand(4, 1, 16, 16)
    y = physics.A(x)
    torch.manual_seed(0)
    penalty, lengths = Contraction(target=0.1, samples=2).penalty(model, x, y, physics)
    assert lengths.shape == (2,)
    torch.manual_seed(0)
    chosen = torch.randperm(4)[:2]
    part, of_part = contraction_penalty(BatchMap(model.iterate, y[chosen], physics), x[chosen], 0.1)
    torch.testing.assert_close(lengths, of_part)
    torch.testing.assert_close(penalty, part)
    # All are looked at where each has an operator of its own.
    physics = inpainting(16, keep=0.5)
    physics.update(mask=physics.mask.expand(4, -1, -1, -1).clone())
    assert Contraction(samples=1).penalty(model, x, physics.A(x), physics)[1].shape == (4,)


@pytest.mark.filterwarnings("ignore::eiwork.errors.ConvergenceWarning")
def test_a_rescue_follows_the_penalty_alone_where_nothing_converges(small_recipe, prepare, same):
    def after(rescue, expansion, weight=1.0):
        """The values and the weights after one step from parameters moved by so much noise."""
        state, context = prepare(small_recipe("mri-ei-deq", contraction__rescue=rescue, loss__weight=weight))
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in state.model.parameters():
                parameter.add_(expansion * torch.randn_like(parameter))
        return train_step(state, context), state.model.state_dict()

    (lost, one), (_, other) = after(True, 0.3), after(True, 0.3, weight=9.0)
    assert lost["rescued"] == 1
    assert same(one, other)
    (plain, led), (_, astray) = after(False, 0.3), after(False, 0.3, weight=9.0)
    assert "rescued" not in plain
    assert not same(led, astray)
    assert not same(one, led)
    # Where something converges it changes nothing.
    (values, rescued), (_, unaided) = after(True, 0.0), after(False, 0.0)
    assert values["rescued"] == 0
    assert same(rescued, unaided)

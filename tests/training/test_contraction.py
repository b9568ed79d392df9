"""The contraction penalty sees the directions that a power iteration misses."""

import pytest
import torch
from eiwork.training.build import build_model, build_physics
from eiwork.training.trainer import _prepare

from eiwork.errors import InputError
from eiwork.models.deq import BatchMap
from eiwork.training.contraction import contraction_penalty, sampled_penalty
from eiwork.training.step import train_step


def clustered_map(outlier):
    """A linear map on 12x12 images: eigenvalue 0.9 everywhere but in one hidden direction."""
    n = 144
    q = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))[0]
    values = torch.full((n,), 0.9, dtype=torch.float64)
    values[0] = outlier
    matrix = q @ torch.diag(values) @ q.T
    return lambda z: (z.flatten(1) @ matrix.T).view_as(z)


def test_a_hidden_expanding_direction_is_found():
    f = clustered_map(1.2)
    z = torch.randn(2, 1, 12, 12, dtype=torch.float64)
    penalty, lengths = contraction_penalty(f, z, target=0.95)
    torch.testing.assert_close(lengths, torch.full((2,), 1.2, dtype=torch.float64), rtol=1e-6, atol=0)
    assert float(penalty) == pytest.approx(0.25**2, rel=1e-5)


def test_no_penalty_below_the_target():
    penalty, lengths = contraction_penalty(clustered_map(0.9), torch.randn(1, 1, 12, 12, dtype=torch.float64))
    assert float(penalty) == 0
    assert float(lengths) == pytest.approx(0.9)


def test_its_gradient_shrinks_the_map():
    scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    f = clustered_map(1.0)
    penalty, _ = contraction_penalty(lambda z: scale * f(z), torch.randn(1, 1, 12, 12, dtype=torch.float64))
    (slope,) = torch.autograd.grad(penalty, scale)
    assert float(slope) == pytest.approx(2 * (1.3 - 0.95), rel=1e-5)


def test_a_state_of_two_parts_is_one_vector():
    f = clustered_map(1.2)
    z = torch.randn(2, 2, 12, 6, dtype=torch.float64)

    def paired(parts):
        mapped = f(torch.cat([part.flatten(1) for part in parts], dim=1).view(2, 1, 12, 12)).flatten(1)
        return mapped[:, :72].view(2, 1, 12, 6), mapped[:, 72:].view(2, 1, 12, 6)

    _, lengths = contraction_penalty(paired, (z[:, :1], z[:, 1:]))
    torch.testing.assert_close(lengths, torch.full((2,), 1.2, dtype=torch.float64), rtol=1e-6, atol=0)


def test_samples_look_at_a_part_of_the_batch(plain_recipe):
    """With two of four samples the largest lengths are among those of all, and fewer."""
    recipe = plain_recipe("ct", contraction={"target": 0.1, "samples": 2})
    physics = build_physics(recipe.physics, 16)
    model = build_model(recipe)
    x = torch.rand(4, 1, 16, 16)
    y = physics.A(x)
    torch.manual_seed(0)
    penalty, lengths = sampled_penalty(model, x, y, physics, recipe.contraction)
    assert lengths.shape == (2,)
    torch.manual_seed(0)
    chosen = torch.randperm(4)[:2]
    part, of_part = contraction_penalty(
        BatchMap(model.iterate, y[chosen], physics),
        model.iterate.state_from(x[chosen], y[chosen], physics),
        0.1,
    )
    torch.testing.assert_close(lengths, of_part)
    torch.testing.assert_close(penalty, part)


def test_samples_of_a_split_scan_cannot_be_taken_apart(plain_recipe):
    splitting = {"method": "splitting", "group": ("rotation",)}
    recipe = plain_recipe("mri", loss=splitting, contraction={"samples": 1})
    state, context, _ = _prepare(recipe, torch.device("cpu"))
    with pytest.raises(InputError, match=r"leave contraction\.samples out"):
        train_step(state, context)


def stepped(recipe, expansion, seed=0):
    """The values and the weights after one step of a model whose parameters are moved by so much noise."""
    state, context, _ = _prepare(recipe, torch.device("cpu"))
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.add_(expansion * torch.randn_like(parameter))
    return train_step(state, context), [parameter.detach() for parameter in state.model.parameters()]


@pytest.mark.filterwarnings("ignore::eiwork.errors.ConvergenceWarning")
def test_where_nothing_converges_a_rescue_follows_the_penalty_alone(plain_recipe):
    def both(rescue, expansion):
        recipes = (
            plain_recipe("ct", contraction={"rescue": rescue}, loss={"method": "ei", "mc_weight": weight})
            for weight in (1.0, 9.0)
        )
        return [stepped(recipe, expansion) for recipe in recipes]

    (lost, one), (_, other) = both(rescue=True, expansion=0.4)
    assert lost["rescued"] == 1
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    (plain, led), (_, astray) = both(rescue=False, expansion=0.4)
    assert "rescued" not in plain
    assert not all(torch.equal(a, b) for a, b in zip(led, astray, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, led, strict=True))


def test_where_something_converges_a_rescue_changes_nothing(plain_recipe):
    (values, one), (_, other) = (
        stepped(plain_recipe("ct", contraction={"rescue": rescue}), 0.0) for rescue in (True, False)
    )
    assert values["rescued"] == 0
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

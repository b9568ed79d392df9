import pytest
import torch

from eiwork.physics.noise import SeededGaussianNoise


def test_a_seed_fixes_the_sequence_and_leaves_the_default_generator_alone():
    y, state = torch.zeros(1, 1, 200, 200, dtype=torch.float64), torch.get_rng_state()
    first, second = (SeededGaussianNoise(0.3, seed=3) for _ in range(2))
    draws = [first(y), first(y)]
    assert draws[0].dtype == torch.float64
    assert (draws[0].std().item(), draws[0].mean().item()) == pytest.approx((0.3, 0), abs=3e-3)
    assert torch.equal(torch.stack(draws), torch.stack([second(y), second(y)]))
    assert torch.equal(first(y, seed=3), draws[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_seed_pytorchs_generator_is_used():
    y = torch.zeros(1, 1, 5, 5)
    torch.manual_seed(5)
    drawn = SeededGaussianNoise(1.0)(y)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.randn_like(y))

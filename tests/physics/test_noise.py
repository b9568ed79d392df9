import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics.noise import SeededGaussianNoise


def test_standard_deviation_is_the_one_asked_for():
    noise = SeededGaussianNoise(0.3, seed=0)(torch.zeros(1, 1, 200, 200))
    assert noise.std().item() == pytest.approx(0.3, rel=0.01)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.01)


def test_zero_adds_nothing():
    y = torch.rand(2, 1, 5, 5)
    assert torch.equal(SeededGaussianNoise(0)(y), y)


def test_a_seed_fixes_the_sequence_and_another_changes_it():
    y = torch.zeros(1, 1, 5, 5)
    first, second, other = (SeededGaussianNoise(1.0, seed=s) for s in (3, 3, 4))
    draws = [first(y), first(y)]
    assert not torch.equal(draws[0], draws[1])
    assert torch.equal(torch.stack(draws), torch.stack([second(y), second(y)]))
    assert not torch.equal(other(y), draws[0])
    assert torch.equal(first(y, seed=3), draws[0])


def test_without_a_seed_pytorchs_generator_is_used():
    y = torch.zeros(1, 1, 5, 5)
    noise = SeededGaussianNoise(1.0)
    torch.manual_seed(5)
    drawn = noise(y)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.randn_like(y))


def test_the_seeded_noise_follows_the_dtype_without_changing_the_default_generator():
    state = torch.get_rng_state()
    assert SeededGaussianNoise(1.0, seed=0)(torch.zeros(1, 1, 5, 5, dtype=torch.float64)).dtype == torch.float64
    assert torch.equal(torch.get_rng_state(), state)


def test_a_negative_level_is_refused():
    with pytest.raises(InputError, match="noise_sigma"):
        SeededGaussianNoise(-1.0)

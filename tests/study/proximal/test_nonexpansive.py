"""Constants on pairs: known for linear maps, and reached by the search."""

import pytest
import torch
from fields import Linear, LogBarrier, convex_network, generator, images, symmetric

from eiwork.errors import InputError
from eiwork_study.proximal.nonexpansive import pair_constants, worst_pairs

X = images(3)
OTHER = X + 0.1 * torch.randn(X.shape, dtype=torch.float64, generator=generator(1))


def test_constants_of_a_multiple_and_of_a_rotation():
    found = pair_constants(lambda x: 0.8 * x, X, OTHER)
    for name, value in (("lipschitz", 0.8), ("monotonicity", 0.8), ("cocoercivity", 1.25)):
        assert getattr(found, name).tolist() == pytest.approx([value] * 3)
    quarter = torch.kron(torch.eye(128, dtype=torch.float64), torch.tensor([[0.0, -1.0], [1.0, 0.0]]).double())
    turned = pair_constants(Linear(quarter), X, OTHER)
    assert turned.lipschitz.tolist() == pytest.approx([1.0] * 3)
    assert turned.monotonicity.tolist() == pytest.approx([0.0] * 3, abs=1e-12)


@pytest.mark.parametrize("make", [LogBarrier, lambda: Linear(symmetric(0.1, 1.0))], ids=["barrier", "linear"])
def test_the_proximal_map_of_a_convex_prior_is_firmly_nonexpansive(make):
    found = worst_pairs(make(), X, OTHER, "cocoercivity", steps=50)
    assert float(found.value.min()) >= 1 - 1e-9
    assert float(found.value.max()) < float(found.first.min())


@pytest.mark.parametrize(
    ("name", "low", "worst"),
    [("lipschitz", -0.5, 1.5), ("monotonicity", -0.5, -0.5), ("cocoercivity", 0.3, 1 / 1.5)],
)
def test_the_search_approaches_the_extreme_eigenvalues(name, low, worst):
    denoiser = Linear(symmetric(low, 1.5))
    found = worst_pairs(denoiser, X, OTHER, name, steps=200, radius=0.5)
    assert found.value.tolist() == pytest.approx([worst] * 3, rel=0.05)
    repeated = getattr(pair_constants(denoiser, found.x, found.other), name)
    torch.testing.assert_close(repeated, found.value)


def test_the_search_never_loses_and_stays_within_its_limits():
    denoiser = convex_network()
    few = worst_pairs(denoiser, X, OTHER, "lipschitz", steps=3)
    many = worst_pairs(denoiser, X, OTHER, "lipschitz", steps=30)
    assert bool((many.value >= few.value).all())
    assert bool((few.value > few.first).all())
    assert float((many.x - X).square().mean(dim=(1, 2, 3)).sqrt().max()) <= 0.1 + 1e-12
    close = worst_pairs(denoiser, X, OTHER, "lipschitz", steps=30, radius=0.01)
    assert bool((close.value < many.value).all())
    far = worst_pairs(denoiser, X, OTHER, "cocoercivity", steps=60, radius=0.5, min_distance=1.0)
    ratio = (far.x - far.other).flatten(1).norm(dim=1) / (X - OTHER).flatten(1).norm(dim=1)
    assert float(ratio.min()) >= 1


@pytest.mark.parametrize(
    "settings", [{"steps": 0}, {"radius": 0.0}, {"min_distance": 1.5}, {"min_distance": 0.0}], ids=str
)
def test_unusable_settings_are_named(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        worst_pairs(LogBarrier(), X, OTHER, **settings)

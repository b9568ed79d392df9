import pytest
import torch

from eiwork.errors import InputError
from eiwork.symmetry import Reflection


def images(batch=4):
    return torch.rand(batch, 2, 6, 5, generator=torch.Generator().manual_seed(0))


def test_the_flips_are_the_named_ones_and_exact():
    x = images()
    horizontal = torch.tensor([[0, 1, 0, 1]])
    vertical = torch.tensor([[0, 0, 1, 1]])
    out = Reflection()(x, flip_horizontal=horizontal, flip_vertical=vertical)
    expected = torch.stack([x[0], x[1].flip(-1), x[2].flip(-2), x[3].flip(-1, -2)])
    assert torch.equal(out, expected)


def test_a_reflection_is_its_own_inverse():
    x = images(16)
    reflection = Reflection(rng=torch.Generator().manual_seed(0))
    params = reflection.get_params(x)
    assert not torch.equal(reflection(x, **params), x)
    assert torch.equal(reflection.inverse(reflection(x, **params), **params), x)


def test_every_image_is_flipped_by_its_own_coin():
    x = torch.zeros(400, 1, 2, 2)
    params = Reflection(rng=torch.Generator().manual_seed(0)).get_params(x)
    assert set(params) == {"flip_horizontal", "flip_vertical"}
    for flips in params.values():
        assert 0.4 < flips.double().mean() < 0.6
    assert not torch.equal(params["flip_horizontal"], params["flip_vertical"])


def test_axes_limit_the_group():
    x = images(50)
    params = Reflection(("vertical",), rng=torch.Generator().manual_seed(0)).get_params(x)
    assert set(params) == {"flip_vertical"}
    torch.manual_seed(0)
    out = Reflection(("vertical",))(x)
    for image, original in zip(out, x, strict=True):
        assert torch.equal(image, original) or torch.equal(image, original.flip(-2))


def test_the_seed_fixes_the_flips():
    x = images(20)
    torch.manual_seed(1)
    first = Reflection()(x)
    torch.manual_seed(1)
    assert torch.equal(Reflection()(x), first)


@pytest.mark.parametrize("axes", [(), ("diagonal",), ("vertical", "vertical")])
def test_unknown_axes_are_refused(axes):
    with pytest.raises(InputError, match="axes = "):
        Reflection(axes)


def test_parameters_of_others_are_not_enough():
    with pytest.raises(InputError, match="flip_horizontal or flip_vertical"):
        Reflection()(images(), theta=torch.zeros(1))

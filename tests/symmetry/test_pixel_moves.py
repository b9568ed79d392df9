import pytest
import torch

from eiwork.symmetry import Reflection, Shift


def images(batch=3):
    return torch.rand(batch, 2, 6, 5, generator=torch.Generator().manual_seed(0))


def test_each_image_is_rolled_by_its_own_shift_exactly():
    x = images()
    out = Shift()(x, y_shift=torch.tensor([[0, 2, -1]]), x_shift=torch.tensor([[1, 0, 4]]))
    expected = torch.stack([x[0].roll(1, -1), x[1].roll(2, -2), x[2].roll((-1, 4), (-2, -1))])
    assert torch.equal(out, expected)


@pytest.mark.parametrize("kind", [Shift, Reflection])
def test_the_seed_fixes_the_moves(kind):
    x = images(20)
    torch.manual_seed(1)
    first = kind()(x)
    assert not torch.equal(first, x)
    torch.manual_seed(1)
    assert torch.equal(kind()(x), first)


def test_all_circular_shifts_are_equally_likely_unless_a_fraction_limits_them():
    x = torch.zeros(6000, 1, 6, 5)
    params = Shift(rng=torch.Generator().manual_seed(0)).get_params(x)
    for name, side in (("y_shift", 6), ("x_shift", 5)):
        counts = torch.bincount((params[name].flatten() % side), minlength=side)
        assert 0.85 * 6000 / side < counts.min() <= counts.max() < 1.15 * 6000 / side
    params = Shift(0.25, rng=torch.Generator().manual_seed(0)).get_params(torch.zeros(300, 1, 32, 16))
    assert (params["y_shift"].min(), params["y_shift"].max()) == (-4, 4)
    assert (params["x_shift"].min(), params["x_shift"].max()) == (-2, 2)


def test_the_flips_are_the_named_ones_and_exact():
    x = images(4)
    horizontal = torch.tensor([[0, 1, 0, 1]])
    vertical = torch.tensor([[0, 0, 1, 1]])
    out = Reflection()(x, flip_horizontal=horizontal, flip_vertical=vertical)
    expected = torch.stack([x[0], x[1].flip(-1), x[2].flip(-2), x[3].flip(-1, -2)])
    assert torch.equal(out, expected)


def test_every_image_is_flipped_by_its_own_coin():
    x = torch.zeros(400, 1, 2, 2)
    params = Reflection(rng=torch.Generator().manual_seed(0)).get_params(x)
    assert set(params) == {"flip_horizontal", "flip_vertical"}
    for flips in params.values():
        assert 0.4 < flips.double().mean() < 0.6
    assert not torch.equal(params["flip_horizontal"], params["flip_vertical"])
    assert set(Reflection(("vertical",)).get_params(x)) == {"flip_vertical"}

import pytest
import torch

from eiwork.errors import InputError
from eiwork.symmetry import Shift


def images(batch=3):
    return torch.rand(batch, 2, 6, 5, generator=torch.Generator().manual_seed(0))


def test_each_image_is_rolled_by_its_own_shift_exactly():
    x = images()
    out = Shift()(x, y_shift=torch.tensor([[0, 2, -1]]), x_shift=torch.tensor([[1, 0, 4]]))
    expected = torch.stack([x[0].roll(1, -1), x[1].roll(2, -2), x[2].roll((-1, 4), (-2, -1))])
    assert torch.equal(out, expected)


def test_the_inverse_is_exact():
    x = images(20)
    shift = Shift(rng=torch.Generator().manual_seed(0))
    params = shift.get_params(x)
    assert not torch.equal(shift(x, **params), x)
    assert torch.equal(shift.inverse(shift(x, **params), **params), x)


def test_all_circular_shifts_are_equally_likely():
    x = torch.zeros(6000, 1, 6, 5)
    params = Shift(rng=torch.Generator().manual_seed(0)).get_params(x)
    for name, side in (("y_shift", 6), ("x_shift", 5)):
        counts = torch.bincount((params[name].flatten() % side), minlength=side)
        assert counts.min() > 0.85 * 6000 / side
        assert counts.max() < 1.15 * 6000 / side


def test_the_fraction_limits_the_shift():
    params = Shift(0.25, rng=torch.Generator().manual_seed(0)).get_params(torch.zeros(300, 1, 32, 16))
    assert (params["y_shift"].min(), params["y_shift"].max()) == (-4, 4)
    assert (params["x_shift"].min(), params["x_shift"].max()) == (-2, 2)


def test_the_seed_fixes_the_shifts():
    x = images(20)
    torch.manual_seed(1)
    first = Shift()(x)
    torch.manual_seed(1)
    assert torch.equal(Shift()(x), first)


def test_gradients_are_shifted_back():
    x = images().requires_grad_()
    shifts = {"y_shift": torch.tensor([1]), "x_shift": torch.tensor([2])}
    w = images(3) + 1
    (gradient,) = torch.autograd.grad(Shift()(x, **shifts), x, w)
    assert torch.equal(gradient, Shift().inverse(w, **shifts))


def test_useless_settings_are_refused():
    with pytest.raises(InputError, match="max_fraction = 0"):
        Shift(0)
    with pytest.raises(InputError, match="both y_shift and x_shift"):
        Shift()(images(), x_shift=torch.tensor([1]))

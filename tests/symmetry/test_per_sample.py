import pytest
import torch

from eiwork.errors import InputError
from eiwork.symmetry import Reflection, Rotation, Shift


def images(batch=4, size=12):
    return torch.rand(batch, 1, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_several_versions_are_stacked_batch_after_batch():
    x = images()
    shift = Shift(n_trans=3, rng=torch.Generator().manual_seed(0))
    params = shift.get_params(x)
    out = shift(x, **params)
    assert out.shape == (12, 1, 12, 12)
    for k in range(3):
        one = {name: value[[k]] for name, value in params.items()}
        assert torch.equal(out[4 * k : 4 * k + 4], shift(x, **one))
    back = shift.inverse(out, batchwise=False, **params)
    assert torch.equal(back, x.repeat(3, 1, 1, 1))


def test_one_element_for_the_whole_batch_is_deepinvs_convention():
    x = images()
    out = Rotation()(x, theta=torch.tensor([90.0, 180.0]))
    assert torch.equal(out, torch.cat([x.rot90(1, (-2, -1)), x.rot90(2, (-2, -1))]))


def test_deepinvs_products_chain_the_transforms():
    x = images()
    chain = Rotation() * Reflection() * Shift()
    params = chain.get_params(x)
    params["theta"] = torch.tensor([[90.0, 180.0, 270.0, 0.0]], dtype=torch.float64)
    out = chain(x, **params)
    by_hand = Shift()(Reflection()(Rotation()(x, **params), **params), **params)
    assert torch.equal(out, by_hand)
    assert torch.equal(chain.inverse(out, **params), x)


def test_a_chain_of_several_versions_applies_every_pair():
    x = images()
    chain = Rotation(n_trans=2, rng=torch.Generator().manual_seed(0)) * Shift(
        n_trans=3, rng=torch.Generator().manual_seed(1)
    )
    params = chain.get_params(x)
    out = chain(x, **params)
    assert out.shape == (24, 1, 12, 12)
    first = Rotation()(x, theta=params["theta"][[1]])
    last = {name: params[name][[2]] for name in ("y_shift", "x_shift")}
    torch.testing.assert_close(out[20:], Shift()(first, **last))


@pytest.mark.parametrize("collate_batch", [True, False])
def test_symmetrising_the_identity_by_an_exact_group_is_the_identity(collate_batch):
    x = images()
    averaged = Shift(n_trans=2).symmetrize(lambda u: u, average=True, collate_batch=collate_batch)
    torch.testing.assert_close(averaged(x), x)


def test_unusable_images_and_parameters_are_one_error_each():
    for transform in (Rotation(), Reflection(), Shift()):
        with pytest.raises(InputError, match="x has shape"):
            transform(torch.zeros(4, 4))
        with pytest.raises(InputError, match="x is complex"):
            transform(torch.zeros(1, 1, 4, 4, dtype=torch.complex64))
        with pytest.raises(InputError, match="NaN"):
            transform(torch.zeros(1, 1, 4, 4) / 0)
    with pytest.raises(InputError, match="parameters for a batch of 3, but the batch holds 4"):
        Rotation()(images(), theta=torch.zeros(1, 3))

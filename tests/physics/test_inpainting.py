import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import inpainting


def test_keep_is_the_share_of_pixels_kept():
    for keep, kept in ((0.3, 307), (0.5, 512), (1, 1024)):
        mask = inpainting(32, keep=keep).mask
        assert mask.shape == (1, 1, 32, 32)
        assert mask.sum() == kept


def test_all_channels_lose_the_same_pixels():
    mask = inpainting((8, 6), keep=0.5, channels=3).mask
    assert mask.shape == (1, 3, 8, 6)
    assert torch.equal(mask, mask[:, :1].expand_as(mask))


def test_the_operator_is_its_own_adjoint_and_inverse():
    physics = inpainting(8, keep=0.5)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = physics.A(x)
    assert y.dtype == torch.float64
    assert torch.equal(y, x * physics.mask)
    assert torch.equal(physics.A_adjoint(y), y)
    torch.testing.assert_close(physics.A_dagger(y), y)


def test_seeds_fix_mask_and_noise():
    assert torch.equal(inpainting(16, seed=1).mask, inpainting(16, seed=1).mask)
    assert not torch.equal(inpainting(16, seed=1).mask, inpainting(16, seed=2).mask)
    x = torch.zeros(1, 1, 16, 16)
    noisy = [inpainting(16, noise_sigma=0.1, noise_seed=s)(x) for s in (0, 0, 1)]
    assert torch.equal(noisy[0], noisy[1])
    assert not torch.equal(noisy[0], noisy[2])
    assert not noisy[0][inpainting(16).mask == 0].any()
    assert torch.equal(inpainting(16)(x), x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": 0}, "keep = 0"),
        ({"keep": 1.1}, "keep = 1.1"),
        ({"keep": 0.0001}, "keeps no pixel of 16 x 16"),
        ({"noise_sigma": -1}, "noise_sigma"),
        ({"image_size": (16,)}, "image_size"),
        ({"channels": 0}, "channels = 0"),
    ],
)
def test_impossible_masks_are_one_error(arguments, message):
    with pytest.raises(InputError, match=message):
        inpainting(**{"image_size": 16} | arguments)


def test_unusable_tensors_are_one_error_each():
    physics = inpainting(16)
    for method, name in ((physics.A, "x"), (physics.A_adjoint, "y"), (physics.A_dagger, "y")):
        with pytest.raises(InputError, match=rf"{name} has shape \(1, 3, 16, 16\)"):
            method(torch.zeros(1, 3, 16, 16))
        with pytest.raises(InputError, match=f"{name} holds 256 NaN"):
            method(torch.zeros(1, 1, 16, 16) / 0)

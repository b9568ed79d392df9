import numpy as np
import torch

from eiwork.physics import inpainting


def test_keep_is_the_share_of_pixels_kept_and_the_seed_fixes_them():
    for keep, kept in ((0.3, 307), (0.5, 512), (1, 1024)):
        mask = inpainting(32, keep=keep).mask
        assert mask.shape == (1, 1, 32, 32)
        assert mask.sum() == kept
    masks = [inpainting(16, seed=seed).mask for seed in (1, 1, 2)]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_any_mask_is_its_own_adjoint_and_inverse_with_a_channel_or_a_sample_for_each_of_its_own():
    x = torch.randn(2, 3, 8, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = np.random.default_rng(0).random((2, 3, 8, 6)) < 0.5
    for given, image in ((mask, x), (mask[0], x), (mask[:, :1], x[:, :1]), (mask[0, 0][::-1], x[:, :1])):
        physics = inpainting((8, 6), mask=given)
        y = physics(image)
        assert torch.equal(y, image * torch.tensor(given.copy()))
        assert torch.equal(physics.A_adjoint(y), y)
        assert torch.equal(physics.A_dagger(y), y)

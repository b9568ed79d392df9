"""Augmentation: seeds, ranges, what each option does, and what it leaves alone."""

import math

import pytest
import torch

from eiwork.data import augment, augmentation, load
from eiwork.errors import InputError


@pytest.fixture(scope="module")
def slices() -> torch.Tensor:
    return load("ct", "test", 48)[10:110:20]


def test_the_bits_depend_on_the_seed_alone_and_the_global_random_state_is_left_alone(slices: torch.Tensor) -> None:
    before = torch.get_rng_state()
    first = augment(slices, 12, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    assert torch.equal(augment(slices, 12, seed=3), first)
    assert not torch.equal(augment(slices, 12, seed=4), first)


def test_more_images_than_one_chunk_keep_shape_and_range_and_use_each_original_evenly() -> None:
    # So far apart that no remap mixes them; a constant image stays constant under every map.
    levels = torch.tensor([0.001, 0.1, 0.5, 1.0])
    made = augment(levels.view(4, 1, 1, 1).expand(4, 1, 12, 12), 603, seed=0, padding="reflection")
    assert (made.shape, made.dtype) == ((603, 1, 12, 12), levels.dtype)
    assert 0 <= made.min() <= made.max() <= 1
    assert torch.allclose(made, made[:, :, :1, :1].expand_as(made), atol=1e-5)
    uses = torch.bucketize(made[:, 0, 6, 6].contiguous(), torch.tensor([0.01, 0.2, 0.7])).bincount()
    assert sorted(uses.tolist()) == [150, 151, 151, 151]


def test_air_stays_air_and_padding_decides_what_comes_from_outside() -> None:
    image = torch.zeros(1, 1, 40, 40)
    assert torch.equal(augment(image, 4, seed=0), torch.zeros(4, 1, 40, 40))
    image[:, :, 15:25, 15:25] = 0.5
    made = augment(image, 50, seed=0)
    assert made[:, :, :4].abs().max() == 0
    assert made[:, :, 18:22, 18:22].max() > 0.3
    assert augment(torch.full((1, 1, 32, 32), 0.5), 10, seed=0).min() == 0


def test_intensity_is_the_documented_remap() -> None:
    ramp = torch.linspace(0, 1, 101, dtype=torch.float64)
    ends = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]], dtype=torch.float64)
    made = augmentation._remapped(ramp.expand(3, 1, 1, -1), ends)[:, 0, 0]
    torch.testing.assert_close(made, torch.stack([ramp ** math.exp(-0.25), ramp ** math.exp(0.25), 0.8 * ramp]))


def test_affine_maps_stay_within_the_documented_strengths() -> None:
    uniform = torch.tensor([[1.0, 0, 0, 0, 0, 0], [0, 1, -1, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, -1]])
    rotation, scaling, shear, shift = augmentation._matrices(uniform)
    angle = torch.deg2rad(torch.tensor(15.0))
    cosine, sine = torch.cos(angle), torch.sin(angle)
    assert torch.allclose(rotation, torch.stack([cosine, -sine, cosine * 0, sine, cosine, cosine * 0]).view(2, 3))
    assert torch.allclose(scaling, torch.tensor([[1.1, 0, 0], [0, 0.9, 0]]))
    assert torch.allclose(shear, torch.tensor([[1, 0.1, 0], [0, 1, 0]]))
    assert torch.allclose(shift, torch.tensor([[1, 0, 0.1], [0, 1, -0.1]]))  # 0.1 half sides = 0.05 sides
    # A rectangle is rotated rigidly.
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(80.0), indexing="ij")
    disc = (((rows - 19.5) ** 2 + (columns - 39.5) ** 2) < 100).float()[None, None]
    quarter = torch.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    turned = augmentation._deform(disc, quarter, torch.zeros(1, 2, 6, 6), "zeros")
    assert (turned - disc).abs().max() < 1e-3


def test_a_warp_does_not_fold() -> None:
    # A ramp shows where each pixel comes from; without folds it stays monotone.
    ramp, whole = torch.linspace(0, 1, 64).expand(100, 1, 64, 64), torch.eye(2, 3).expand(100, 2, 3)
    made = augmentation._deform(ramp, whole, 0.04 * (2 * torch.rand(100, 2, 6, 6) - 1), "zeros")
    assert not torch.allclose(made, ramp, atol=0.01)
    assert (made[:, 0, 8:-8, 8:-8].diff(dim=-1) > 0).all()


def test_bad_arguments_are_named(slices: torch.Tensor) -> None:
    for images, n, options, match in (
        (slices * torch.nan, 2, {}, "images holds NaN"),
        (slices * 255, 2, {}, r"outside \[0, 1\]"),
        (slices[:0], 2, {}, "at least one"),
        (slices, 0, {}, "n=0"),
        (slices, 2, {"padding": "wrap"}, "padding='wrap' is unknown"),
    ):
        with pytest.raises(InputError, match=match):
            augment(images, n, seed=0, **options)
    # Called behind the annotations, which a run-time type checker would report first.
    shapes = (slices[0], slices.expand(-1, 3, -1, -1), (slices * 255).byte())
    for images, seed, match in (*((images, 0, "images has shape") for images in shapes), (slices, True, "seed=True")):
        with pytest.raises(InputError, match=match):
            augmentation._check(images, 2, seed, "zeros")

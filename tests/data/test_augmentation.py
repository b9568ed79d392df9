"""Augmentation: seeds, ranges, what each option does, and what it leaves alone."""

import pytest
import torch

from eiwork.data import augment, augmentation, load
from eiwork.errors import InputError

OFF = {"warp": 0.0, "affine": 0.0, "intensity": 0.0}


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


def test_more_images_than_one_chunk_keep_shape_and_range(slices: torch.Tensor) -> None:
    made = augment(slices[:, :, ::4, ::4], 600, seed=0, warp=0.05, affine=2, intensity=2)
    assert (made.shape, made.dtype) == ((600, 1, 12, 12), slices.dtype)
    assert 0 <= made.min() <= made.max() <= 1
    assert len({tuple(image.flatten().tolist()) for image in made}) == 600


def test_switched_off_returns_the_originals_evenly(slices: torch.Tensor) -> None:
    made = augment(slices, 13, seed=1, **OFF)
    uses = [sum(bool(torch.equal(image, original)) for image in made) for original in slices]
    assert sum(uses) == 13
    assert set(uses) == {2, 3}


@pytest.mark.parametrize(("option", "value"), [("warp", 0.02), ("affine", 1.0), ("intensity", 1.0)])
def test_each_option_changes_something_more_when_stronger(slices: torch.Tensor, option: str, value: float) -> None:
    plain = augment(slices, 20, seed=2, **OFF)
    weak = augment(slices, 20, seed=2, **{**OFF, option: value / 2})
    strong = augment(slices, 20, seed=2, **{**OFF, option: value})
    assert 0 < (weak - plain).norm() < (strong - plain).norm()


def test_options_do_not_disturb_each_others_draws(slices: torch.Tensor) -> None:
    both, geometry = (augment(slices, 6, seed=5, warp=0.0, affine=1.0, intensity=value) for value in (1.0, 0.0))
    # A monotone remap that depends on the value alone: equal values in the deformed image stay equal.
    for image, reference in zip(both, geometry, strict=True):
        order = reference.flatten().argsort()
        assert (image.flatten()[order].diff() >= -1e-6).all()


def test_air_stays_air_and_padding_decides_what_comes_from_outside() -> None:
    image = torch.zeros(1, 1, 40, 40)
    assert torch.equal(augment(image, 4, seed=0, warp=0.05, affine=2.0, intensity=2.0), torch.zeros(4, 1, 40, 40))
    image[:, :, 15:25, 15:25] = 0.5
    made = augment(image, 50, seed=0)
    assert made[:, :, :4].abs().max() == 0
    assert made[:, :, 18:22, 18:22].max() > 0.3
    image, geometry = torch.full((1, 1, 32, 32), 0.5), {"warp": 0.02, "affine": 1.0, "intensity": 0.0}
    assert augment(image, 10, seed=0, **geometry).min() == 0
    assert torch.allclose(augment(image, 10, seed=0, padding="reflection", **geometry), torch.tensor(0.5), atol=1e-5)


def test_intensity_is_the_documented_remap() -> None:
    ramp = torch.linspace(0, 1, 101, dtype=torch.float64).view(1, 1, 1, -1).expand(1, 1, 2, -1)
    made = augment(ramp, 200, seed=0, warp=0.0, affine=0.0, intensity=1.0)[:, 0, 0]
    scale = made[:, -1]
    gamma = torch.log(made[:, 50] / scale) / torch.log(torch.tensor(0.5, dtype=torch.float64))
    assert made[:, 0].abs().max() == 0
    for values, low, high in ((scale, 0.8, 1.0), (gamma.log(), -0.25, 0.25)):
        assert low <= values.min() < low + 0.02 < high - 0.02 < values.max() <= high
    assert torch.allclose(made[:, 25], scale * 0.25**gamma, rtol=1e-12, atol=0)


def test_affine_maps_stay_within_the_documented_strengths() -> None:
    uniform = torch.tensor([[1.0, 0, 0, 0, 0, 0], [0, 1, -1, 0, 0, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 1, -1]])
    rotation, scaling, shear, shift = augmentation._matrices(uniform, 1.0)
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


def test_the_strongest_warp_does_not_fold() -> None:
    # A ramp along each axis shows where each pixel comes from; without folds it stays monotone on average.
    columns = torch.linspace(0, 1, 64).expand(1, 1, 64, 64).contiguous()
    made = augment(columns, 100, seed=0, warp=0.05, affine=0.0, intensity=0.0)
    assert (made[:, 0, 8:-8, 8:-8].diff(dim=-1) > 0).all()


def test_bad_arguments_are_named(slices: torch.Tensor) -> None:
    for images, n, options, match in (
        (slices * torch.nan, 2, {}, "images holds NaN"),
        (slices * 255, 2, {}, r"outside \[0, 1\]"),
        (slices[:0], 2, {}, "at least one"),
        (slices, 0, {}, "n=0"),
        (slices, 2, {"padding": "wrap"}, "padding='wrap' is unknown"),
        *((slices, 2, {option: bad}, f"{option}={bad}") for option in OFF for bad in (-0.1, 2.5, float("nan"))),
    ):
        with pytest.raises(InputError, match=match):
            augment(images, n, seed=0, **options)
    # Called behind the annotations, which a run-time type checker would report first.
    shapes = (slices[0], slices.expand(-1, 3, -1, -1), (slices * 255).byte())
    for images, seed, match in (*((images, 0, "images has shape") for images in shapes), (slices, True, "seed=True")):
        with pytest.raises(InputError, match=match):
            augmentation._check(images, 2, seed, {}, "zeros")

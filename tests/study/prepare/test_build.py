"""The build from packages: archives, processing on small synthetic volumes, writing."""

import gzip
import hashlib
import io
import lzma
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from eiwork.data import slices, store
from eiwork.errors import DataFormatError, InputError
from eiwork_study.prepare import archives, packages, photographs, sets, volumes
from eiwork_study.prepare import build as build_module
from eiwork_study.prepare.build import build


def nifti(values: np.ndarray, axes: str = "RAS") -> bytes:
    """A gzipped NIfTI file with axes stored in the given directions; those of `values` are RAS."""
    start, end = (nibabel.orientations.axcodes2ornt(tuple(codes)) for codes in ("RAS", axes))
    orientation = nibabel.orientations.ornt_transform(start, end)
    image = nibabel.Nifti1Image(values, np.eye(4)).as_reoriented(orientation)
    assert "".join(nibabel.aff2axcodes(image.affine)) == axes
    return gzip.compress(image.to_bytes())


def tar(members: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def wheel(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def deb(members: dict[str, bytes]) -> bytes:
    data = lzma.compress(tar({f"./{name}": content for name, content in members.items()}, "w"))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": data}
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
        for name, content in parts.items()
    )


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "SRA", "PIL"])
def test_volumes_are_turned_to_radiological_order(axes: str) -> None:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)  # right, anterior, superior
    volume = volumes.read_nifti(nifti(values, axes), "x.nii.gz")
    assert volume.shape == (4, 3, 2)
    # Row 0 is the front, column 0 the patient's right, slice 0 the feet.
    assert volume[0, 0, 0] == values[-1, -1, 0]
    assert volume[3, 2, 1] == values[0, 0, 3]
    assert np.array_equal(volume, values[::-1, ::-1].transpose(2, 1, 0))


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x1f\x8bno gzip", gzip.compress(b"x" * 400), nifti(np.zeros((4, 4, 4), np.int16))[:60]],
    ids=["empty", "broken gzip", "no header", "truncated"],
)
def test_what_is_not_nifti_is_named(raw: bytes) -> None:
    with pytest.raises(DataFormatError, match=r"scan\.nii\.gz cannot be read as a NIfTI image"):
        volumes.read_nifti(raw, "scan.nii.gz")


def test_volumes_with_nan_or_time_are_refused() -> None:
    for values in (np.full((2, 2, 2), np.nan, np.float32), np.zeros((2, 2, 2, 2), np.float32)):
        with pytest.raises(DataFormatError, match=r"scan\.nii: a finite 3-D volume is expected"):
            volumes.read_nifti(nibabel.Nifti1Image(values, np.eye(4)).to_bytes(), "scan.nii")


def test_block_mean_averages_whole_blocks_and_crops_the_rest() -> None:
    volume = np.arange(3 * 5 * 4, dtype=np.float64).reshape(3, 5, 4)
    mean = volumes.block_mean(volume, (1, 2, 2))
    assert mean.shape == (3, 2, 2)
    assert mean[1, 1, 0] == volume[1, 2:4, 0:2].mean()
    assert np.array_equal(volumes.block_mean(volume, (1, 1, 1)), volume)


def test_ct_is_stored_in_steps_of_one_hounsfield_unit() -> None:
    stored = volumes.quantise_ct(np.array([[[-3000.0, -1024.0, -0.4, 0.6, 3071.0, 9000.0]]]))
    assert stored.dtype == np.uint16
    assert stored[0, 0].tolist() == [0, 0, 1024, 1025, 4095, 4095]


def test_mri_is_scaled_by_a_high_percentile() -> None:
    volume = np.concatenate([np.full(500, -5.0), np.linspace(0.1, 100.0, 1000)]).reshape(10, 10, 15)
    stored, white = volumes.quantise_mri(volume)
    assert white == pytest.approx(np.percentile(np.linspace(0.1, 100.0, 1000), 99.5))
    assert stored.min() == 0
    assert stored.max() == 255
    assert np.abs(stored - np.clip(volume / white, 0, 1) * 255).max() <= 0.5
    with pytest.raises(DataFormatError, match="no positive voxel"):
        volumes.quantise_mri(-np.ones((2, 2, 2)))


def test_nearly_empty_slices_are_left_out() -> None:
    stack = np.zeros((4, 10, 10), np.uint8)
    stack[1, :2, :2] = 9  # 4 of 100 pixels
    stack[2, :1, :5] = 9  # 5 of 100
    stack[3] = 5
    assert volumes.usable_slices(stack, 5, canvas=10).tolist() == [2]


def test_ct_and_mri_subjects_become_arrays_and_stated_steps() -> None:
    values = np.full((90, 80, 6), -1000, np.int16)
    values[20:70, 20:60, 1:5] = 40
    subject = sets.Subject("s", "p", "m", "w", "l", (), block=(1, 2, 2))
    made, steps = sets.ct_arrays(nifti(values), subject)
    assert made["s"].shape == (6, 40, 45)
    assert made["s.axial"].tolist() == []  # 20 x 25 = 500 of 128^2 pixels: under 5 %
    assert any("2x2" in step for step in steps)
    whole, _ = sets.ct_arrays(nifti(values), sets.Subject("s", "p", "m", "w", "l", ()))
    assert whole["s.axial"].tolist() == [1, 2, 3, 4]
    assert set(np.unique(whole["s"])) == {24, 1064}
    head, steps = sets.mri_arrays(nifti(values.clip(0)), sets.Subject("s", "p", "m", "w", "l", ()))
    assert {name for name in head if name != "s"} == {f"s.{plane}" for plane in slices.PLANES}
    assert head["s.axial"].tolist() == [1, 2, 3, 4]
    assert any("[0, 40]" in step for step in steps)


def test_photographs_are_halved_luma() -> None:
    colours = np.zeros((5, 6, 3), np.uint8)
    colours[:2, :2] = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "PNG")
    picture = photographs.photograph(buffer.getvalue(), "x.png")
    assert picture.shape == (2, 3)
    assert picture[0, 0] == round((76 + 150 + 29 + 255) / 4)
    assert picture[1, 2] == 0
    with pytest.raises(DataFormatError, match=r"x\.png cannot be read as a picture"):
        photographs.photograph(buffer.getvalue()[:40], "x.png")


def test_licence_statements_come_from_docstrings() -> None:
    source = 'def cat():\n    """A cat. CC0."""\n\ndef dog():\n    return 1\n'
    assert photographs.docstrings(source, ["cat"]) == "cat\n===\nA cat. CC0.\n"
    with pytest.raises(DataFormatError, match="No licence statement found for dog, owl"):
        photographs.docstrings(source, ["cat", "dog", "owl"])


@pytest.mark.parametrize(
    ("name", "pack"),
    [("a.whl", wheel), ("a.tar.gz", lambda members: tar(members, "w:gz")), ("a.deb", deb)],
)
def test_members_are_read_from_every_kind_of_archive(
    tmp_path: Path, name: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(pack({"dir/x.txt": b"one", "dir/y.txt": b"two"}))
    assert archives.read_member(path, "dir/y.txt") == b"two"
    with pytest.raises(DataFormatError, match=r"Cannot read 'dir/z\.txt'"):
        archives.read_member(path, "dir/z.txt")
    whole = path.read_bytes()
    for length in (0, 20, 90, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(DataFormatError, match="The archive is damaged"):
            archives.read_member(path, "dir/x.txt")


def test_other_archives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match="not an archive that can be read here"):
        archives.read_member(tmp_path / "a.rar", "x")


def pinned(content: bytes, command: tuple[str, ...] = ("pip", "download", "demo==1.0")) -> packages.Package:
    return packages.Package("demo", "1.0", "demo-1.0.whl", hashlib.sha256(content).hexdigest(), command)


def test_a_package_is_located_and_its_hash_checked(tmp_path: Path) -> None:
    package = pinned(b"good")
    with pytest.raises(DataFormatError, match=r"demo-1\.0\.whl is not in .* && pip download demo==1\.0 "):
        packages.locate(package, tmp_path)
    path = tmp_path / package.archive
    path.write_bytes(b"bad")
    with pytest.raises(DataFormatError, match=r"has SHA-256 .* pip download demo==1\.0"):
        packages.locate(package, tmp_path)
    path.write_bytes(b"good")
    assert packages.locate(package, tmp_path) == path


def test_a_missing_package_is_fetched_on_request_only(tmp_path: Path) -> None:
    write = "import pathlib; pathlib.Path('demo-1.0.whl').write_bytes(b'good')"
    package = pinned(b"good", (sys.executable, "-c", write))
    with pytest.raises(DataFormatError, match="is not in"):
        packages.locate(package, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert packages.locate(package, tmp_path / "new", download=True).read_bytes() == b"good"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ((sys.executable, "-c", "raise SystemExit('no such version')"), "exit status 1: no such version"),
        (("eiwork-no-such-program", "download"), "Cannot run 'eiwork-no-such-program'"),
        ((sys.executable, "-c", "pass"), "is not in"),
    ],
    ids=["fails", "no program", "writes nothing"],
)
def test_a_failed_download_is_explained(tmp_path: Path, command: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataFormatError, match=message):
        packages.locate(pinned(b"good", command), tmp_path, download=True)


def test_every_source_has_a_pinned_package_and_a_command() -> None:
    used = {subject.package for entry in sets.SET_FILES for subject in entry.subjects}
    assert used == set(packages.PACKAGES)
    for package in packages.PACKAGES.values():
        assert len(package.sha256) == 64
        assert package.command[-1] in {
            f"{package.name}=={package.version}",
            f"{package.name}={package.version}",
        }


def test_an_extra_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(InputError, match=r"module 'nibabel'.*pip install 'eiwork\[data\]'"):
        build(tmp_path / "files", tmp_path)


def test_a_build_without_its_sources_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match=r"totalsegmentator-2\.18\.0\.tar\.gz is not in"):
        build(tmp_path / "files", tmp_path / "sources")
    assert list(tmp_path.iterdir()) == []


def small_sources(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CT, an MRI and a photograph as packages of the real kinds, in place of the published ones."""
    rng = np.random.default_rng(0)
    body = np.full((100, 90, 4), -1000, np.int16)
    body[5:95, 5:85] = rng.integers(0, 100, (90, 80, 4))
    picture = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (80, 100), dtype=np.uint8)).save(picture, "PNG")
    members = {"ct.nii.gz": nifti(body), "t1.nii.gz": nifti(body.clip(0)), "cat.png": picture.getvalue()}
    members |= {"LICENSE": b"Free.\n", sets._SKIMAGE_STATEMENTS: b'def cat():\n    """CC0."""\n'}
    folder.mkdir()
    (folder / "demo-1.0.whl").write_bytes(wheel(members))
    package = pinned((folder / "demo-1.0.whl").read_bytes())
    subjects = {
        "ct": sets.Subject("body", "demo", "ct.nii.gz", "noise", "CC0-1.0", ("demo.txt",)),
        "mri": sets.Subject("head", "demo", "t1.nii.gz", "noise", "CC0-1.0", ("demo.txt",)),
        "natural": sets.Subject("cat", "scikit-image", "cat.png", "noise", "CC0-1.0", ("demo.txt",)),
    }
    monkeypatch.setattr(build_module, "PACKAGES", {"demo": package, "scikit-image": package})
    monkeypatch.setattr(sets, "SET_FILES", tuple(sets.SetFile(name, "train", (s,)) for name, s in subjects.items()))
    monkeypatch.setattr(sets, "LICENCE_TEXTS", {"demo.txt": ("demo", ("LICENSE",))})


def test_two_builds_give_the_same_bytes_and_a_usable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_sources(tmp_path / "sources", monkeypatch)
    manifest = build(tmp_path / "one", tmp_path / "sources")
    build(tmp_path / "two", tmp_path / "sources")
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 6
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert store.manifest(tmp_path / "one") == manifest
    assert len(store.verify(tmp_path / "one")) == 5
    assert manifest["sets"]["natural"]["train"]["native_size"] == 40
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "sources", "two"]


def test_an_unwritable_destination_is_one_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_sources(tmp_path / "sources", monkeypatch)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataFormatError, match="Cannot write the embedded files"):
        build(tmp_path / "file", tmp_path / "sources")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "sources"]
    assert (tmp_path / "file").read_text() == "in the way"

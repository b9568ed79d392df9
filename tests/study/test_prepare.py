"""The build of the embedded files from packages: archives, processing of small synthetic data, writing."""

import gzip
import hashlib
import io
import lzma
import sys
import tarfile
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from eiwork import data
from eiwork.data import slices, store
from eiwork.errors import DataFormatError, InputError
from eiwork_study.prepare import archives, arrays, kspace, packages, photographs, sets, volumes
from eiwork_study.prepare import build as build_module
from eiwork_study.prepare.build import build

SUBJECT = sets.Subject("s", "p", "m", "w", "l", ())


def nifti(values, axes="RAS"):
    """A gzipped NIfTI file with axes stored in the given directions; those of `values` are RAS."""
    start, end = (nibabel.orientations.axcodes2ornt(tuple(codes)) for codes in ("RAS", axes))
    orientation = nibabel.orientations.ornt_transform(start, end)
    image = nibabel.Nifti1Image(values, np.eye(4)).as_reoriented(orientation)
    assert "".join(nibabel.aff2axcodes(image.affine)) == axes
    return gzip.compress(image.to_bytes())


def png(colours):
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "PNG")
    return buffer.getvalue()


def tar(members, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def wheel(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def deb(members):
    content = lzma.compress(tar({f"./{name}": content for name, content in members.items()}, "w"))
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": content}
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
        for name, content in parts.items()
    )


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "SRA", "PIL"])
def test_volumes_are_turned_to_radiological_order(axes):
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)  # right, anterior, superior
    volume = volumes.read_nifti(nifti(values, axes), "x.nii.gz")
    # Row 0 is the front, column 0 the patient's right, slice 0 the feet.
    assert volume[0, 0, 0] == values[-1, -1, 0]
    assert volume[3, 2, 1] == values[0, 0, 3]
    assert np.array_equal(volume, values[::-1, ::-1].transpose(2, 1, 0))


NO_IMAGES = (b"", b"\x1f\x8bno gzip", gzip.compress(b"x" * 400), nifti(np.zeros((4, 4, 4), np.int16))[:60])
NO_VOLUMES = (np.full((2, 2, 2), np.nan, np.float32), np.zeros((2, 2, 2, 2), np.float32))
SOURCE = 'def cat():\n    """A cat. CC0."""\n\ndef dog():\n    return 1\n'


@pytest.mark.parametrize(
    ("read", "arguments", "told"),
    [
        *((volumes.read_nifti, (raw, "x.nii.gz"), r"x\.nii\.gz cannot be read as a NIfTI image") for raw in NO_IMAGES),
        *((volumes.read_nifti, (nifti(v), "x.nii.gz"), r"x\.nii\.gz: a finite 3-D volume") for v in NO_VOLUMES),
        (volumes.quantise_mri, (-np.ones((2, 2, 2)),), "no positive voxel"),
        (photographs.photograph, (png(np.zeros((5, 6, 3), np.uint8))[:40], "x.png"), r"x\.png cannot be read as a pic"),
        (photographs.docstrings, (SOURCE, ["cat", "dog", "owl"]), "No licence statement found for dog, owl"),
        (archives.read_member, (Path("a.rar"), "x"), "not an archive that can be read here"),
    ],
)
def test_what_cannot_be_read_is_named(read, arguments, told):
    with pytest.raises(DataFormatError, match=told):
        read(*arguments)


def test_volumes_are_averaged_quantised_and_nearly_empty_slices_left_out():
    volume = np.arange(3 * 5 * 4, dtype=np.float64).reshape(3, 5, 4)
    mean = volumes.block_mean(volume, (1, 2, 2))
    assert mean.shape == (3, 2, 2), "what fills no block is cropped"
    assert mean[1, 1, 0] == volume[1, 2:4, 0:2].mean()
    assert np.array_equal(volumes.block_mean(volume, (1, 1, 1)), volume)
    stored = volumes.quantise_ct(np.array([[[-3000.0, -1024.0, -0.4, 0.6, 3071.0, 9000.0]]]))
    assert stored.dtype == np.uint16
    assert stored[0, 0].tolist() == [0, 0, 1024, 1025, 4095, 4095]
    head = np.concatenate([np.full(500, -5.0), np.linspace(0.1, 100.0, 1000)]).reshape(10, 10, 15)
    stored, white = volumes.quantise_mri(head)
    assert white == pytest.approx(np.percentile(np.linspace(0.1, 100.0, 1000), 99.5))
    assert (stored.min(), stored.max()) == (0, 255)
    assert np.abs(stored - np.clip(head / white, 0, 1) * 255).max() <= 0.5
    stack = np.zeros((4, 10, 10), np.uint8)
    stack[1, :2, :2] = 9  # 4 of 100 pixels
    stack[2, :1, :5] = 9  # 5 of 100
    stack[3] = 5
    assert volumes.usable_slices(stack, 5, canvas=10).tolist() == [2]


def test_ct_and_mri_subjects_become_arrays_and_stated_steps():
    values = np.full((90, 80, 6), -1000, np.int16)
    values[20:70, 20:60, 1:5] = 40
    made, steps = sets.ct_arrays(nifti(values), sets.Subject("s", "p", "m", "w", "l", (), block=(1, 2, 2)))
    assert made["s"].shape == (6, 40, 45)
    assert made["s.axial"].tolist() == []  # 20 x 25 = 500 of 128^2 pixels: under 5 %
    assert any("2x2" in step for step in steps)
    whole, _ = sets.ct_arrays(nifti(values), SUBJECT)
    assert whole["s.axial"].tolist() == [1, 2, 3, 4]
    assert set(np.unique(whole["s"])) == {24, 1064}
    head, steps = sets.mri_arrays(nifti(values.clip(0)), SUBJECT)
    assert {name for name in head if name != "s"} == {f"s.{plane}" for plane in slices.PLANES}
    assert head["s.axial"].tolist() == [1, 2, 3, 4]
    assert any("[0, 40]" in step for step in steps)


def test_photographs_are_halved_luma_with_the_statements_of_their_licence():
    colours = np.zeros((5, 6, 3), np.uint8)
    colours[:2, :2] = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]
    picture = photographs.photograph(png(colours), "x.png")
    assert picture.tolist() == [[round((76 + 150 + 29 + 255) / 4), 0, 0], [0, 0, 0]]
    assert photographs.docstrings(SOURCE, ["cat"]) == "cat\n===\nA cat. CC0.\n"


def noise(*shape):
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def test_a_raw_scan_is_read_in_barts_order_and_becomes_arrays_and_stated_steps(monkeypatch):
    sizes = {"SAMPLES": 64, "SPOKES": 3, "COILS": 4, "KEPT_COILS": 2, "KEPT_SAMPLES": 16}
    for name, value in sizes.items():
        monkeypatch.setattr(kspace, name, value)
    scan = noise(64, 3, 4).astype(np.complex64)
    raw = scan.tobytes(order="F")
    assert np.array_equal(kspace.read_radial(raw, "x.cfl"), scan.transpose(2, 1, 0))
    told = (raw[:-8], r"x\.cfl has 6136 bytes, but this scan has 6144"), (bytes(6144), "it is no scan")
    for wrong, match in told:
        with pytest.raises(DataFormatError, match=match):
            kspace.read_radial(wrong, "x.cfl")
    made, steps = sets.radial_arrays(raw, SUBJECT)
    assert made["s"].shape == (2, 3, 16, 2)
    assert made["angles.s"].tolist() == pytest.approx([0.0, 111.24612, 222.49224], abs=1e-4)
    assert made["step.s"].shape == (1,)
    assert any("4 coils compressed to 2" in step for step in steps)


def test_delays_and_oversampling_are_removed():
    angles = kspace.golden_angles(7)
    angles[:2] = 0, 90
    theta = np.deg2rad(angles)
    # Points (x, y) on the grid of the projections, so that their cut is exact, on spokes at 0 and 90 degrees.
    along = np.outer(np.cos(theta), [0.125, -0.375]) + np.outer(np.sin(theta), [-0.25, 0.0625])

    def spokes(positions):
        return np.exp(-2j * np.pi * positions[:, :, None] * along[:, None, :]).sum(axis=2)[None]

    shift = 0.1 * np.cos(theta) ** 2 + 0.3 * np.sin(theta) ** 2
    found = kspace.centred_projections(spokes((np.arange(64) - 32) / 2 + shift[:, None]), angles, (0.1, 0.3))
    assert found.shape == (1, 7, 32)
    expected = spokes(np.broadcast_to(np.arange(32) - 16.0, (7, 32)))
    assert np.allclose(found[0, :2], expected[0, :2], atol=1e-10)


def test_coils_are_compressed_without_loss_where_they_depend_on_each_other_and_quantised_within_half_a_step():
    mixed = np.tensordot(noise(6, 2), noise(2, 5, 8), axes=1)
    virtual, energy = kspace.compress_coils(mixed, 2)
    assert energy == pytest.approx(1.0)
    assert np.allclose((np.abs(virtual) ** 2).sum(axis=0), (np.abs(mixed) ** 2).sum(axis=0), rtol=1e-4)
    one, less = kspace.compress_coils(mixed, 1)
    assert less < 1
    assert np.allclose(one[0], virtual[0], rtol=0, atol=1e-12)
    stored, step = kspace.quantise(mixed)
    assert stored.dtype == np.int16
    assert np.abs(stored).max() == 32767
    difference = (stored[..., 0] + 1j * stored[..., 1]) * step - mixed
    assert max(np.abs(difference.real).max(), np.abs(difference.imag).max()) <= step / 2 * (1 + 1e-9)


@pytest.mark.parametrize(("name", "pack"), [("a.whl", wheel), ("a.tar.gz", tar), ("a.deb", deb)])
def test_members_are_read_from_every_kind_of_archive(tmp_path, name, pack):
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


def pinned(content, *command):
    command = command or ("pip", "download", "demo==1.0")
    return packages.Package("demo", "1.0", "demo-1.0.whl", hashlib.sha256(content).hexdigest(), command)


def test_a_package_is_located_its_hash_checked_and_fetched_on_request_only(tmp_path):
    package = pinned(b"good")
    with pytest.raises(DataFormatError, match=r"demo-1\.0\.whl is not in .* && pip download demo==1\.0 "):
        packages.locate(package, tmp_path)
    path = tmp_path / package.archive
    path.write_bytes(b"bad")
    with pytest.raises(DataFormatError, match=r"has SHA-256 .* pip download demo==1\.0"):
        packages.locate(package, tmp_path)
    path.write_bytes(b"good")
    assert packages.locate(package, tmp_path) == path
    write = "import pathlib; pathlib.Path('demo-1.0.whl').write_bytes(b'good')"
    fetched, new = pinned(b"good", sys.executable, "-c", write), tmp_path / "new"
    with pytest.raises(DataFormatError, match="is not in"):
        packages.locate(fetched, new)
    assert not new.exists()
    assert packages.locate(fetched, new, download=True).read_bytes() == b"good"
    for command, message in (
        ((sys.executable, "-c", "raise SystemExit('no such version')"), "exit status 1: no such version"),
        (("eiwork-no-such-program", "download"), "Cannot run 'eiwork-no-such-program'"),
        ((sys.executable, "-c", "pass"), "is not in"),
    ):
        with pytest.raises(DataFormatError, match=message):
            packages.locate(pinned(b"good", *command), tmp_path / "none", download=True)


def test_every_source_has_a_pinned_package_and_a_command():
    used = {subject.package for entry in sets.SET_FILES for subject in entry.subjects}
    assert used == set(packages.PACKAGES)
    for package in packages.PACKAGES.values():
        assert len(package.sha256) == 64
        assert package.command[-1] in {f"{package.name}{sign}{package.version}" for sign in ("==", "=")}


def test_the_writer_is_deterministic_and_its_hash_sees_name_type_shape_and_value(tmp_path):
    held = {"b": np.arange(6, dtype=np.uint16).reshape(2, 3), "a": np.array([1, 2], dtype=np.uint8)}
    raw = arrays.npz_bytes(held)
    assert raw == arrays.npz_bytes(dict(reversed(held.items())) | {"b": np.asfortranarray(held["b"])})
    (tmp_path / "x.npz").write_bytes(raw)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as back:
        assert back.files == ["a", "b"]
        assert all(np.array_equal(back[name], held[name]) and back[name].dtype == held[name].dtype for name in held)
    base = np.arange(6, dtype=np.uint8)
    variants = [{"a": base}, {"b": base}, {"a": base.astype(np.uint16)}, {"a": base.reshape(2, 3)}, {"a": base[::-1]}]
    assert len({arrays.content_sha256(variant) for variant in variants}) == len(variants)
    assert arrays.content_sha256({"a": base.astype(">u2")}) == arrays.content_sha256({"a": base.astype("<u2")})
    for name, split in ((name, split) for name in ("ct", "mri", "natural") for split in ("train", "test")):
        assert arrays.content_sha256(store.read_arrays(name, split)) == data.data_hash(name, split)


def test_a_build_without_its_sources_or_its_extra_writes_nothing(tmp_path, monkeypatch):
    with pytest.raises(DataFormatError, match=r"totalsegmentator-2\.18\.0\.tar\.gz is not in"):
        build(tmp_path / "files", tmp_path / "sources")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(InputError, match=r"module 'nibabel'.*pip install 'eiwork\[data\]'"):
        build(tmp_path / "files", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_sources(tmp_path, monkeypatch):
    """A CT, an MRI and a photograph as packages of the real kinds, in place of the published ones."""
    rng = np.random.default_rng(0)
    body = np.full((100, 90, 4), -1000, np.int16)
    body[5:95, 5:85] = rng.integers(0, 100, (90, 80, 4))
    picture = png(rng.integers(0, 255, (80, 100), dtype=np.uint8))
    members = {"ct.nii.gz": nifti(body), "t1.nii.gz": nifti(body.clip(0)), "cat.png": picture}
    members |= {"LICENSE": b"Free.\n", sets._SKIMAGE_STATEMENTS: b'def cat():\n    """CC0."""\n'}
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "demo-1.0.whl").write_bytes(wheel(members))
    package = pinned((folder / "demo-1.0.whl").read_bytes())
    subjects = {
        "ct": ("body", "demo", "ct.nii.gz"),
        "mri": ("head", "demo", "t1.nii.gz"),
        "natural": ("cat", "scikit-image", "cat.png"),
    }
    of_demo = {name: sets.Subject(*of, "noise", "CC0-1.0", ("demo.txt",)) for name, of in subjects.items()}
    files = [sets.SetFile(name, "train", (subject,)) for name, subject in of_demo.items()]
    monkeypatch.setattr(build_module, "PACKAGES", {"demo": package, "scikit-image": package})
    monkeypatch.setattr(sets, "SET_FILES", tuple(files))
    monkeypatch.setattr(sets, "LICENCE_TEXTS", {"demo.txt": ("demo", ("LICENSE",))})
    return folder


def test_two_builds_give_the_same_bytes_and_a_usable_folder_and_a_failed_one_leaves_nothing(tmp_path, small_sources):
    one, two = tmp_path / "one", tmp_path / "two"
    manifest = build(one, small_sources)
    build(two, small_sources)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) == 6
    assert all((one / file).read_bytes() == (two / file).read_bytes() for file in files)
    assert store.manifest(one) == manifest
    assert len(store.verify(one)) == 5
    assert manifest["sets"]["natural"]["train"]["native_size"] == 40
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataFormatError, match="Cannot write the embedded files"):
        build(tmp_path / "file", small_sources)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "one", "sources", "two"]
    assert (tmp_path / "file").read_text() == "in the way"

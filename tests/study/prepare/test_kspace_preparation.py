"""From a raw scan to the embedded file: reading, centring, coil compression, quantisation."""

import numpy as np
import pytest

from eiwork.errors import DataFormatError
from eiwork_study.prepare import kspace, sets


def noise(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def test_the_raw_file_is_read_in_barts_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kspace, "SAMPLES", 4)
    monkeypatch.setattr(kspace, "SPOKES", 3)
    monkeypatch.setattr(kspace, "COILS", 2)
    values = noise(4, 3, 2).astype(np.complex64)
    raw = values.tobytes(order="F")
    assert np.array_equal(kspace.read_radial(raw, "x.cfl"), values.transpose(2, 1, 0))
    with pytest.raises(DataFormatError, match=r"x\.cfl has 184 bytes, but this scan has 192"):
        kspace.read_radial(raw[:-8], "x.cfl")
    with pytest.raises(DataFormatError, match="it is no scan"):
        kspace.read_radial(bytes(192), "x.cfl")


def spokes(points: np.ndarray, positions: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """K-space of two point sources (x, y in fields of view) at positions (spoke, sample), one coil."""
    theta = np.deg2rad(angles)
    along = np.cos(theta)[:, None] * points[:, 0] + np.sin(theta)[:, None] * points[:, 1]
    return np.exp(-2j * np.pi * positions[:, :, None] * along[:, None, :]).sum(axis=2)[None]


def test_delays_and_oversampling_are_removed() -> None:
    angles = kspace.golden_angles(7)
    theta = np.deg2rad(angles)
    shift = 0.1 * np.cos(theta) ** 2 + 0.3 * np.sin(theta) ** 2
    # Points on the grid of the projections, so that their cut is exact, on spokes at 0 and 90 degrees.
    points = np.array([[0.125, -0.25], [-0.375, 0.0625]])
    for spoke, angle in ((0, 0.0), (1, 90.0)):
        angles[spoke], theta[spoke] = angle, np.deg2rad(angle)
        shift[spoke] = 0.1 if spoke == 0 else 0.3
    raw = (np.arange(64) - 32) / 2
    measured = spokes(points, raw + shift[:, None], angles)
    expected = spokes(points, np.broadcast_to(np.arange(32) - 16.0, (7, 32)), angles)
    found = kspace.centred_projections(measured, angles, (0.1, 0.3))
    assert found.shape == (1, 7, 32)
    for spoke in (0, 1):
        assert np.allclose(found[0, spoke], expected[0, spoke], atol=1e-10)


def test_coils_are_compressed_without_loss_where_they_depend_on_each_other() -> None:
    two = noise(2, 5, 8)
    mixed = np.tensordot(noise(6, 2), two, axes=1)
    virtual, energy = kspace.compress_coils(mixed, 2)
    assert energy == pytest.approx(1.0)
    assert np.allclose((np.abs(virtual) ** 2).sum(axis=0), (np.abs(mixed) ** 2).sum(axis=0), rtol=1e-4)
    one, less = kspace.compress_coils(mixed, 1)
    assert less < 1
    assert np.allclose(one[0], virtual[0], rtol=0, atol=1e-12)


def test_quantisation_is_within_half_a_step() -> None:
    values = noise(2, 3, 4)
    stored, step = kspace.quantise(values)
    assert stored.dtype == np.int16
    assert np.abs(stored).max() == 32767
    back = (stored[..., 0] + 1j * stored[..., 1]) * step
    assert np.abs((back - values).real).max() <= step / 2 * (1 + 1e-9)


def test_a_scan_becomes_arrays_and_stated_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kspace, "SAMPLES", 64)
    monkeypatch.setattr(kspace, "SPOKES", 3)
    monkeypatch.setattr(kspace, "COILS", 4)
    monkeypatch.setattr(kspace, "KEPT_COILS", 2)
    monkeypatch.setattr(kspace, "KEPT_SAMPLES", 16)
    raw = noise(64, 3, 4).astype(np.complex64).tobytes(order="F")
    subject = sets.Subject("s", "p", "m", "w", "l", ())
    made, steps = sets.radial_arrays(raw, subject)
    assert made["s"].shape == (2, 3, 16, 2)
    assert made["angles.s"].tolist() == pytest.approx([0.0, 111.24612, 222.49224], abs=1e-4)
    assert made["step.s"].shape == (1,)
    assert any("4 coils compressed to 2" in step for step in steps)

import math

import numpy as np
import pytest

from eiwork.physics.projection import ParallelBeam, projection_matrix, view_weights


def geometry(size=64, views=7, detectors=None, angles=None):
    angles = angles or tuple(180.0 * v / views + 3.0 for v in range(views))
    return ParallelBeam(size, detectors or math.ceil(math.sqrt(2) * size), angles)


def pixel_centres(size):
    centred = np.arange(size) - (size - 1) / 2
    return np.tile(centred, size), np.repeat(-centred, size)


def line_integrals(beam, image):
    forward, _, norm = projection_matrix(beam)
    return (forward @ image * norm).reshape(beam.n_detectors, beam.n_views)


def rays(beam):
    """Signed distance of each bin from the axis, and the unit normal of each view, from first principles."""
    t = np.arange(beam.n_detectors) - (beam.n_detectors - 1) / 2
    theta = np.deg2rad(beam.angles)
    return t[:, None], np.cos(theta), np.sin(theta)


def test_projection_of_a_gaussian_is_its_line_integral():
    beam = geometry()
    x, y = pixel_centres(64)
    x0, y0, s = 7.3, -11.8, 4.0
    image = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * s**2))
    t, cos, sin = rays(beam)
    # A bin's strip and a pixel's shadow, each of variance 1/12, widen the projection.
    wide = math.sqrt(s**2 + 1 / 6)
    height = math.sqrt(2 * math.pi) * s * s / wide
    exact = height * np.exp(-((t - x0 * cos - y0 * sin) ** 2) / (2 * wide**2))
    np.testing.assert_allclose(line_integrals(beam, image), exact, atol=1.2e-3 * height)


def test_projection_of_a_disc_is_its_chord_length():
    beam = geometry()
    x, y = pixel_centres(64)
    x0, y0, radius = -5.0, 9.0, 15.0
    fine = (np.arange(8) - 3.5) / 8
    covered = [((x + dx - x0) ** 2 + (y + dy - y0) ** 2 < radius**2) for dx in fine for dy in fine]
    image = np.mean(covered, axis=0)
    t, cos, sin = rays(beam)
    chord = 2 * np.sqrt(np.clip(radius**2 - (t - x0 * cos - y0 * sin) ** 2, 0, None))
    error = np.linalg.norm(line_integrals(beam, image) - chord) / np.linalg.norm(chord)
    assert error < 0.025


def test_the_shadow_of_one_pixel_is_shared_by_area():
    image = np.zeros((3, 3))
    image[1, 1] = 1.0
    shadow = line_integrals(geometry(size=3, detectors=5, angles=(0.0, 45.0, 90.0)), image.ravel())
    # At 45 degrees the shadow is a triangle of base sqrt(2); what lies beyond the unit bin has slope 2.
    tail = (math.sqrt(0.5) - 0.5) ** 2
    np.testing.assert_allclose(shadow[:, 0], [0, 0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(shadow[:, 1], [0, tail, 1 - 2 * tail, tail, 0], atol=1e-12)
    np.testing.assert_allclose(shadow[:, 2], [0, 0, 1, 0, 0], atol=1e-6)


def test_every_view_keeps_the_total_mass_and_the_transpose_is_exact():
    beam = geometry(size=20)
    forward, transpose, norm = projection_matrix(beam)
    assert abs(forward - transpose.T).max() == 0
    image = np.random.default_rng(0).random(400)
    np.testing.assert_allclose((forward @ image * norm).reshape(-1, 7).sum(axis=0), image.sum())


def test_the_norm_is_one():
    for beam in (geometry(size=16, views=5), geometry(size=9, views=1), geometry(size=24, views=40)):
        forward, _, norm = projection_matrix(beam)
        assert np.linalg.norm(forward.toarray(), 2) == pytest.approx(1.0, abs=1e-10)
        assert norm > 1


def test_a_short_detector_sees_what_a_long_one_sees_in_its_middle():
    image = np.random.default_rng(1).random(32 * 32)
    whole = line_integrals(geometry(size=32, detectors=46), image)
    short = line_integrals(geometry(size=32, detectors=20), image)
    np.testing.assert_allclose(short, whole[13:33], atol=1e-10)


WEIGHTS = {
    "even in any order": (tuple(180.0 * v / 6 for v in (3, 0, 5, 1, 4, 2)), 30.0),
    "one": ((40.0,), 180.0),
    "half their gaps": ((0.0, 30.0, 90.0, 180.0 + 120.0), 45.0),
    "uneven": ((0.0, 10.0, 60.0), [65.0, 30.0, 85.0]),
    "a missing wedge has no weight": (tuple(float(a) for a in range(0, 90, 2)), 2.0),
}


def test_views_weigh_half_their_gaps_and_directions_measured_several_times_share_their_angle():
    for name, (angles, expected) in WEIGHTS.items():
        np.testing.assert_allclose(np.rad2deg(view_weights(geometry(angles=angles))), expected, err_msg=name)
    clusters = tuple(20.0 * k + 0.01 * j for k in range(9) for j in range(3))
    weights = view_weights(geometry(angles=clusters)).reshape(9, 3)
    np.testing.assert_allclose(weights.sum(axis=1), np.pi / 9, rtol=1e-3)

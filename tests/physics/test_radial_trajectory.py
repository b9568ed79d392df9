import numpy as np
import pytest

from eiwork.errors import InputError
from eiwork.physics.radial_trajectory import GOLDEN_ANGLE, radial_trajectory


def test_the_default_is_one_sample_a_pixel_at_the_golden_angle():
    trajectory = radial_trajectory(8, 3)
    assert trajectory.shape == (3, 8)
    assert trajectory.positions == (-4, -3, -2, -1, 0, 1, 2, 3)
    assert trajectory.angles == pytest.approx((0, 111.24612, 222.49224))
    assert radial_trajectory(7, 1).positions == (-3, -2, -1, 0, 1, 2, 3)


def test_an_angle_of_zero_points_along_the_row_and_ninety_degrees_down_the_column():
    ky, kx = radial_trajectory(4, 2, angles=[0, 90], positions=[-2, -1, 0, 1]).frequencies()
    np.testing.assert_allclose(kx, [-2, -1, 0, 1, 0, 0, 0, 0], atol=1e-15)
    np.testing.assert_allclose(ky, [0, 0, 0, 0, -2, -1, 0, 1], atol=1e-15)


@pytest.mark.parametrize("n_spokes", [13, 21, 34])
def test_fibonacci_numbers_of_golden_spokes_are_nearly_even(n_spokes):
    gaps = np.diff(np.sort(np.mod(np.arange(n_spokes) * GOLDEN_ANGLE, 180)))
    assert gaps.max() < 1.7 * gaps.min()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 1}, "image_size = 1"),
        ({"n_spokes": 0}, "n_spokes = 0"),
        ({"angles": [0.0]}, r"angles has shape \(1,\), but n_spokes = 3"),
        ({"angles": [0.0, np.nan, 1.0]}, "angles holds NaN"),
        ({"positions": [0.0]}, "at least two ascending"),
        ({"positions": [1.0, 0.0]}, "at least two ascending"),
        ({"positions": [0.0, 1.0, 1.5]}, "equal steps"),
        ({"positions": [-2.0, 0.0, 2.0]}, "at most 1"),
        ({"positions": [3.0, 4.0, 5.0]}, "positions reach 5 cycles"),
    ],
)
def test_impossible_trajectories_are_one_error(arguments, message):
    with pytest.raises(InputError, match=message):
        radial_trajectory(**{"image_size": 8, "n_spokes": 3} | arguments)

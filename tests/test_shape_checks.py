"""Annotated shapes are checked in the tests, in each of them anew."""

import jaxtyping
import pytest
import shape_checks
import torch

from eiwork.symmetry.three_shear import rotate_by_shears


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_wrong_shape_is_refused_until_enough_calls_were_checked(attempt):
    x, angle = torch.zeros(2, 1, 4, 4), torch.zeros(2)
    with pytest.raises(jaxtyping.TypeCheckError, match="degrees"):
        rotate_by_shears(x, angle[:1], fourier=True)
    assert not jaxtyping.config.jaxtyping_disable
    for _ in range(shape_checks.CALLS):
        rotate_by_shears(x, angle, fourier=True)
    assert jaxtyping.config.jaxtyping_disable

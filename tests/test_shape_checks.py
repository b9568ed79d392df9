"""Annotated shapes are checked in the tests, in each of them anew."""

import jaxtyping
import pytest
import shape_checks
import torch

from eiwork.symmetry.rotation import rotate_by_shears


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_wrong_shape_is_refused_until_enough_calls_were_checked(attempt):
    x, angle = torch.zeros(2, 1, 4, 4), torch.zeros(2)
    with pytest.raises(jaxtyping.TypeCheckError, match="degrees"):
        rotate_by_shears(x, angle[:1])
    assert not jaxtyping.config.jaxtyping_disable
    for _ in range(shape_checks.CALLS):
        rotate_by_shears(x, angle)
    assert jaxtyping.config.jaxtyping_disable

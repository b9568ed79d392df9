import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics.checks import check_finite, check_image_size, check_number, check_tensor

SHAPE = (None, 1, 4, 4)
LAYOUT = "(batch, 1, 4, 4)"


def test_float_tensors_of_the_shape_pass_and_their_values_are_looked_at_elsewhere():
    nan = torch.tensor([1.0, float("nan"), 1.0, float("inf")]).expand(1, 1, 4, 4)
    for value in (torch.zeros(3, 1, 4, 4), torch.zeros(3, 1, 4, 4).double(), torch.zeros(0, 1, 4, 4), nan):
        check_tensor(value, "x", SHAPE, LAYOUT)
    check_finite(torch.full((1, 1, 4, 4), 3e38), "x")
    with pytest.raises(InputError, match="x holds 8 NaN or infinite values out of 16"):
        check_finite(nan, "x")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0], "x is a list"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.complex64), "x is complex"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.int64), r"x is torch.int64; pass float32 or float64"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16), r"x.float\(\)"),
        (torch.zeros(1, 4, 4), r"x has shape \(1, 4, 4\), but this operator takes \(batch, 1, 4, 4\)"),
        (torch.zeros(1, 1, 4, 5), r"x has shape \(1, 1, 4, 5\).* Resize or crop"),
        (torch.zeros(3, 4, 4, 1), r"x.reshape\(3, 4, 4, 1\).permute\(0, 3, 1, 2\) would fit"),
        (torch.zeros(4, 4), r"x.reshape\(1, 1, 4, 4\).permute\(0, 1, 2, 3\) would fit"),
    ],
)
def test_each_unusable_tensor_is_one_error_that_names_it(value, message):
    with pytest.raises(InputError, match=message):
        check_tensor(value, "x", SHAPE, LAYOUT)


@pytest.mark.parametrize("value", [0, 2.5, "3", None, True, float("nan"), float("inf")])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(InputError, match=r"views = .* must be a whole number from 1 up"):
        check_number(value, "views", lambda v: v >= 1, "a whole number from 1 up", integer=True)


def test_image_size_is_a_side_or_a_pair():
    assert check_image_size(8) == (8, 8)
    assert check_image_size((8, np.int64(6))) == check_image_size([8, 6]) == (8, 6)
    for wrong in (1, 8.0, (8, 0), (8, 8, 8)):
        with pytest.raises(InputError, match="image_size"):
            check_image_size(wrong)

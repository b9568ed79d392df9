import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics.checks import check_image_size, check_number, check_tensor

SHAPE = (None, 1, 4, 4)
LAYOUT = "(batch, 1, 4, 4)"


def test_finite_float_tensors_of_the_shape_pass_even_if_their_sum_overflows():
    for value in (torch.zeros(3, 1, 4, 4), torch.zeros(3, 1, 4, 4).double(), torch.full((1, 1, 4, 4), 3e38)):
        check_tensor(value, "x", SHAPE, LAYOUT)
    assert torch.isinf(value.sum())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0], "x is a list"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.complex64), "x is complex"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.int64), r"x is torch.int64; pass float32 or float64"),
        (torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16), r"x.float\(\)"),
        (torch.zeros(1, 4, 4), r"x has shape \(1, 4, 4\), but this operator takes \(batch, 1, 4, 4\)"),
        (torch.zeros(1, 1, 4, 5), r"x has shape \(1, 1, 4, 5\)"),
        (torch.zeros(0, 1, 4, 4), "holds no values"),
        (torch.tensor([float("nan")]).expand(1, 1, 4, 4), "x holds 16 NaN or infinite values out of 16"),
        (torch.tensor([float("inf")]).expand(1, 1, 4, 4), "x holds 16 NaN or infinite"),
    ],
)
def test_each_unusable_tensor_is_one_error_that_names_it(value, message):
    with pytest.raises(InputError, match=message):
        check_tensor(value, "x", SHAPE, LAYOUT)


def test_values_are_not_looked_at_inside_functorch_transforms():
    def checked(x):
        check_tensor(x, "x", (1, 4, 4), "(1, 4, 4)")
        return 2 * x

    x = torch.full((3, 1, 4, 4), float("nan"))
    assert torch.func.vmap(checked)(x).shape == (3, 1, 4, 4)


@pytest.mark.parametrize("value", [0, 2.5, "3", None, True, float("nan"), float("inf")])
def test_numbers_out_of_range_are_refused(value):
    with pytest.raises(InputError, match=r"views = .* must be a whole number from 1 up"):
        check_number(value, "views", lambda v: v >= 1, "a whole number from 1 up", integer=True)


def test_image_size_is_a_side_or_a_pair():
    assert check_image_size(8) == (8, 8)
    assert check_image_size((8, 6)) == (8, 6)
    for wrong in (1, 8.0, (8, 0), (8, 8, 8)):
        with pytest.raises(InputError, match="image_size"):
            check_image_size(wrong)

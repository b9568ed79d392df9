"""Numbers and images as figures receive them; a table as text and as HTML."""

import numpy as np
import pytest
import torch

from eiwork.figures.arrays import checked_range, to_array, to_numbers, to_picture
from eiwork.table import Table


def test_tensors_with_gradient_and_lists_of_tensors_become_float64_arrays():
    tensor = torch.tensor([1.0, 2.0], requires_grad=True)
    assert to_array(tensor).tolist() == [1.0, 2.0]
    assert to_array([tensor, tensor * 2]).tolist() == [[1.0, 2.0], [2.0, 4.0]]
    assert to_array([1, 2]).dtype == np.float64


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5), (1, 1, 4, 5)])
def test_one_grey_image_in_any_layout_is_the_same_picture(shape):
    values = torch.arange(20.0)
    assert np.array_equal(to_picture(values.reshape(shape)), np.arange(20.0).reshape(4, 5))


def test_two_channels_are_shown_as_their_magnitude_and_three_as_colour():
    real_imaginary = torch.stack([torch.full((2, 2), 3.0), torch.full((2, 2), 4.0)])
    assert np.array_equal(to_picture(real_imaginary), np.full((2, 2), 5.0))
    assert to_picture(torch.zeros(3, 4, 5)).shape == (4, 5, 3)


def test_numbers_are_a_list_with_gaps_only_where_they_are_allowed_and_a_range_is_kept():
    assert to_numbers([1, 2], "x", 2).tolist() == [1.0, 2.0]
    assert np.isnan(to_numbers([1.0, np.nan], "y", gaps=True)[1])
    assert checked_range((0, 2)) == (0, 2)


def test_a_table_is_text_in_a_terminal_and_html_in_a_notebook():
    table = Table([{"method": "a < b", "PSNR": 27.316, "n": 3}, {"method": "TV", "misfit": 0.01234, "n": 0.0}], "T")
    assert str(table) == repr(table)
    assert str(table).splitlines() == [
        "T",
        "method   PSNR     n  misfit",
        "------  -----  ----  ------",
        "a < b   27.32     3        ",
        "TV             0.00  0.0123",
    ]
    page = table._repr_html_()
    assert page.startswith('<table class="eiwork-table"><caption>T</caption><thead><tr><th scope="col">method</th>')
    assert "<td>a &lt; b</td><td>27.32</td><td>3</td><td></td></tr>" in page
    assert "caption" not in Table(table.rows)._repr_html_()

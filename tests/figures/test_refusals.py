"""What a figure cannot draw is one error that says so."""

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.figures import comparison, convergence, image_row, lines, training_curves
from eiwork.figures.arrays import checked_range, to_array, to_numbers, to_picture
from eiwork.figures.fixed_point import cobweb, spectrum
from eiwork.figures.mri import turned_sampling
from eiwork.table import Table

NAN = float("nan")
NO_IMAGES = [(4,), (2, 1, 4, 4), (4, 8, 8), (1, 0, 3)]
IMAGE = torch.linspace(0, 1, 64).reshape(1, 8, 8)
USUAL = {
    comparison: {"labels": ["a"], "centres": [1.0]},
    convergence: {"traces": [[1.0]], "labels": ["a"]},
    lines: {"x": [1.0, 2.0], "series": {"a": [1.0, 2.0]}, "x_label": "x", "y_label": "y"},
    training_curves: {"steps": [1], "series": {"loss": [1.0]}},
    cobweb: {"positions": [0.0, 1.0, 2.0], "values": [[0.0, 1.0, 2.0]], "iterates": [[1.0, 1.0]], "titles": ["a"]},
    spectrum: {},
    image_row: {"images": [IMAGE], "titles": ["a"]},
    turned_sampling: {"image": IMAGE, "kspace": [IMAGE, IMAGE], "columns": [1], "degrees": 3},
    **{draw: {} for draw in (Table, to_array, to_picture, checked_range)},
    to_numbers: {"name": "x"},
}


@pytest.mark.parametrize("draw", [draw for draw, usual in USUAL.items() if usual and draw is not to_numbers])
def test_the_usual_arguments_are_drawn(draw):
    assert draw(**USUAL[draw]).alt_text


@pytest.mark.parametrize(
    ("draw", "change", "told"),
    [
        (comparison, {"labels": [], "centres": []}, "at least one"),
        (comparison, {"centres": [1.0, 2.0]}, "list of 1 numbers"),
        (comparison, {"points": []}, "points has 0 lists"),
        (convergence, {"traces": [], "labels": []}, "one label per trace"),
        (convergence, {"labels": ["a", "b"]}, "one label per trace"),
        (convergence, {"tolerance": 0.0}, "tolerance"),
        (convergence, {"traces": [[]]}, r"traces\[0\] has shape"),
        (convergence, {"traces": [[0.0, NAN]]}, "nothing to draw"),
        (lines, {"series": {}}, "at least one series"),
        (lines, {"x": [0.0, 1.0], "log_x": True}, "x holds values <= 0"),
        (lines, {"series": {"a": [0.0, 2.0]}, "log_y": True}, "values <= 0"),
        (lines, {"series": {"a": [1.0]}}, "has shape"),
        (training_curves, {"steps": [], "series": {"loss": []}}, "at least one number"),
        (training_curves, {"series": {}}, "at least one quantity"),
        (training_curves, {"log_scale": ["psnr"]}, "unknown quantities"),
        (training_curves, {"series": {"loss": [1.0, 2.0]}}, "has shape"),
        (training_curves, {"series": {"loss": [-1.0]}, "log_scale": ["loss"]}, "values <= 0"),
        (cobweb, {"positions": [0.0, 2.0, 1.0]}, "increasing"),
        (cobweb, {"positions": [0.0]}, "at least two positions"),
        (cobweb, {"titles": ["a", "b"]}, "per panel"),
        (cobweb, {"values": [[1.0, 2.0]]}, r"values\[0\] has shape"),
        (cobweb, {"iterates": [[1.0]]}, "at least two numbers"),
        (cobweb, {"iterates": [[1.0, float("inf")]]}, "infinite"),
        (spectrum, {"eigenvalues": {}}, "at least one set"),
        (spectrum, {"eigenvalues": {"J": torch.zeros(2, 2)}}, "must be a list"),
        (spectrum, {"eigenvalues": {"J": torch.zeros(0)}}, "must be a list"),
        (spectrum, {"eigenvalues": {"J": np.array([NAN])}}, "finite"),
        (image_row, {"titles": []}, "one title per image"),
        (image_row, {"images": [], "titles": []}, "one title per image"),
        (image_row, {"psnr": [1.0, 2.0]}, "one PSNR per image"),
        (image_row, {"value_range": (1.0, 1.0)}, "value_range"),
        (image_row, {"signed": [1]}, "outside 0 to 0"),
        (image_row, {"signed": [0], "reference": IMAGE}, "one row"),
        (image_row, {"signed": [0], "signed_range": 0.0}, "signed_range"),
        (image_row, {"images": [torch.zeros(2, 4, 4)], "signed": [0]}, "one channel"),
        (image_row, {"reference": torch.zeros(4, 4)}, r"images\[0\] has shape"),
        (image_row, {"images": [IMAGE] * 2, "titles": ["a", "b"], "reference": IMAGE, "n_columns": 1}, "one row"),
        (image_row, {"n_columns": 0}, "n_columns"),
        (image_row, {"images": [torch.zeros(4, 4, 4)]}, "not one image"),
        (turned_sampling, {"kspace": [IMAGE]}, "two k-spaces"),
        (turned_sampling, {"kspace": [IMAGE, 0 * IMAGE]}, "all zero"),
        (turned_sampling, {"columns": [8]}, "indices from 0 to 7"),
        (Table, {"rows": []}, "at least one row"),
        (to_array, {"values": ["a"], "name": "scores"}, "scores cannot be read as an array"),
        (to_array, {"values": [[1.0], [1.0, 2.0]]}, "cannot be read"),
        *((to_picture, {"image": torch.zeros(n), "name": "i"}, r"i has shape .* not one image") for n in NO_IMAGES),
        (to_picture, {"image": torch.full((2, 2), NAN)}, "NaN"),
        (to_numbers, {"values": [[1.0]]}, "x has shape .* at least one number"),
        (to_numbers, {"values": []}, "at least one number"),
        (to_numbers, {"values": [1.0], "length": 2}, "list of 2 numbers"),
        (to_numbers, {"values": [1.0, NAN]}, "NaN or infinite"),
        (to_numbers, {"values": [NAN], "gaps": True}, "nothing to draw"),
        (to_numbers, {"values": [1.0, NAN, 0.0], "gaps": True, "positive": True}, "values <= 0"),
        (checked_range, {"value_range": (1.0, 1.0)}, "must exceed"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, change, told):
    with pytest.raises(InputError, match=told):
        draw(**USUAL[draw] | change)

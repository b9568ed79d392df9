"""Exact and Jacobian-free gradients side by side: what is drawn and what the texts say."""

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.figures.jacobian_free import descent_directions

FIELD = {
    "weights": ([0.0, 1.0, 2.0], [0.0, 1.0]),
    "loss": torch.tensor([[4.0, 1.0, 0.5], [2.0, 0.0, 1.0]]),
    "points": [[0.0, 0.0], [1.0, 0.0]],
    "arrows": {"exact": [[3.0, 4.0], [0.0, 0.0]], "Jacobian-free": [[0.0, 5.0], [0.0, -0.1]]},
    "paths": {"exact": [[0.0, 0.0], [1.0, 1.0]], "Jacobian-free": [[0.0, 0.0], [0.5, 0.9], [0.4, 0.8]]},
    "places": {"P": [0.0, 0.0], "Q": torch.tensor([1.0, 0.5])},
    "radii": [0.0, 0.5, 1.0],
    "cosines": {"P": [1.0, 1.0, 0.8], "Q": [1.0, 0.0, -1.0]},
    "norm_ratios": {"P": [1.0, 0.9, 0.8], "Q": [1.0, 0.5, 0.1]},
    "current": 0.75,
}


def test_arrows_show_directions_and_a_zero_stays_zero():
    field, cosine, norm = descent_directions(**FIELD).axes
    exact, free = (c for c in field.collections if hasattr(c, "U"))
    assert np.allclose([exact.U, exact.V], [[0.6, 0.0], [0.8, 0.0]])
    assert np.allclose([free.U, free.V], [[0.0, 0.0], [1.0, -1.0]])
    assert [cosine.get_title(), norm.get_title()] == [
        "cosine with the exact gradient",
        "norm, relative to exact",
    ]
    assert [text.get_text() for text in field.get_legend().get_texts()] == ["exact", "Jacobian-free"]


def test_the_text_says_where_paths_end_and_reads_the_curves_at_the_current_radius():
    text = descent_directions(**FIELD).alt_text
    assert text.startswith("Descent on a loss of two weights at spectral radius 0.75.")
    assert "exact ends at (1.00, 1.00)" in text
    assert "Jacobian-free ends at (0.40, 0.80)" in text
    assert "cosine with the exact gradient at Q: -0.50" in text
    assert "norm, relative to exact at P: 0.85" in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"loss": torch.zeros(3, 2)}, r"loss must hold finite numbers of shape \(2, 3\)"),
        ({"points": [[0.0, 0.0, 0.0]]}, "points must hold"),
        ({"arrows": {}, "paths": {}}, "arrows and a path for every kind"),
        ({"paths": {"exact": [[0.0, 0.0]]}}, "arrows and a path for every kind"),
        ({"places": {"P": [0.0, 0.0]}}, "for every place"),
        ({"places": {"P": [0.0, 0.0], "Q": [0.0]}}, r"places\['Q'\]"),
        ({"cosines": {"P": [1.0], "Q": [1.0]}}, "cosine with the exact gradient at P"),
        ({"loss": torch.full((2, 3), float("nan"))}, "finite"),
    ],
)
def test_a_field_that_does_not_fit_is_refused(change, told):
    with pytest.raises(InputError, match=told):
        descent_directions(**(FIELD | change))

"""Curves of a training run."""

import numpy as np
import pytest

from eiwork.errors import InputError
from eiwork.figures import training_curves


def test_each_quantity_has_a_panel_with_its_scale_and_baselines():
    figure = training_curves(
        [0, 10, 20],
        {"loss": [1.0, 0.5, 0.25], "PSNR (dB)": [20.0, np.nan, 25.0]},
        log_scale=["loss"],
        baselines={"PSNR (dB)": {"FBP": 21.0}},
        description="One run.",
    )
    loss, psnr = figure.axes
    assert (loss.get_yscale(), psnr.get_yscale()) == ("log", "linear")
    assert psnr.lines[0].get_xdata().tolist() == [0, 20], "steps that were not measured are left out"
    assert set(psnr.lines[1].get_ydata()) == {21.0}
    assert figure.alt_text == (
        "One run. Training curves. loss: 1 at step 0, 0.25 at step 20; PSNR (dB): 20 at step 0, 25 at step 20; FBP: 21."
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"steps": [], "series": {"loss": []}}, "at least one quantity"),
        ({"steps": [1], "series": {}}, "at least one quantity"),
        ({"steps": [1], "series": {"loss": [1.0]}, "log_scale": ["psnr"]}, "unknown quantities"),
        ({"steps": [1], "series": {"loss": [1.0]}, "baselines": {"psnr": {}}}, "unknown quantities"),
        ({"steps": [1], "series": {"loss": [1.0, 2.0]}}, "has shape"),
        ({"steps": [1], "series": {"loss": [-1.0]}, "log_scale": ["loss"]}, "values <= 0"),
        ({"steps": [1], "series": {"loss": [np.nan]}}, "no finite value"),
    ],
)
def test_wrong_arguments_are_one_clear_error(arguments, told):
    with pytest.raises(InputError, match=told):
        training_curves(**arguments)

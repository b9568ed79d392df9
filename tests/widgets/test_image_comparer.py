"""The comparison of images, without a browser."""

import base64
import json

import numpy as np
import pytest
import torch

from eiwork.errors import InputError
from eiwork.widgets import ImageComparer
from eiwork.widgets.image_comparer import quantise

RAMP = torch.arange(12.0).reshape(3, 4) / 11
IMAGES = {"truth": RAMP, "half": 0.5 * RAMP, "zero": torch.zeros(1, 3, 4)}


def comparer(**options) -> ImageComparer:
    return ImageComparer(IMAGES, title="Title", alt="What it shows.", **options)


def test_every_value_travels_with_the_widget():
    state = comparer().get_state()
    assert [image["name"] for image in state["images"]] == list(IMAGES)
    assert state["shape"] == [3, 4]
    assert state["cursor"] == [1, 2], "the middle is marked"
    assert (state["left"], state["right"], state["view"], state["divider"]) == ("truth", "half", "swipe", 0.5)
    assert state["difference_range"] == 1.0, "the largest difference between any two"
    assert ImageComparer({"a": RAMP, "b": RAMP}, title="T", alt="A").difference_range == 1.0, "never zero"
    assert ImageComparer({"a": RAMP, "b": 3 * RAMP, "c": -RAMP}, title="T", alt="A").difference_range == 4.0
    assert "export default" in state["_esm"]
    assert "function ticks" in state["_esm"], "the pieces of a chart are part of the module"
    assert ".eiwork-canvas" in state["_css"]
    json.dumps({key: value for key, value in state.items() if key != "layout"})


def test_what_the_page_changes_can_be_observed():
    widget = comparer()
    seen = []
    widget.observe(lambda change: seen.append((change["name"], change["new"])), ["cursor", "divider", "view"])
    widget.set_state({"cursor": [0, 0], "divider": 0.25, "view": "difference"})
    assert sorted(seen) == [("cursor", [0, 0]), ("divider", 0.25), ("view", "difference")]


def test_pages_without_widgets_get_a_figure_of_the_present_choice_and_the_same_text_in_every_run():
    widget, again = comparer(), comparer()
    first, second = (w._repr_mimebundle_()[0] for w in (widget, again))
    assert (first["text/plain"], first["image/png"]) == (second["text/plain"], second["image/png"])
    assert first["text/plain"].startswith("Title (3 images, 3 x 4 pixels). What it shows. Shown: 3 images side by side")
    assert "(white): truth, half, truth - half. In colour, from -1 (blue)" in first["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in first
    widget.left, widget.right = "zero", "truth"
    after = widget._repr_mimebundle_()[0]
    assert "zero, truth, zero - truth." in after["text/plain"]
    assert after["image/png"] != first["image/png"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"images": {"a": RAMP}}, "2 to 6 images; got 1"),
        ({"images": {str(i): RAMP for i in range(7)}}, "got 7"),
        ({"images": {"a": RAMP, "b": RAMP[:2]}}, "differ in size"),
        ({"images": {"a": RAMP, "b": torch.zeros(3, 3, 4)}}, "colour"),
        ({"title": " "}, "title and an alt text"),
        ({"alt": ""}, "title and an alt text"),
        ({"row": 3}, "Pixel"),
        ({"column": -1}, "Pixel"),
        ({"value_range": (1.0, 0.0)}, "must exceed"),
    ],
)
def test_wrong_arguments_are_one_clear_error(change, told):
    usual = {"images": {"a": RAMP, "b": RAMP}, "title": "T", "alt": "A"}
    with pytest.raises(InputError, match=told):
        ImageComparer(**{**usual, **change})


def test_every_value_is_within_half_a_level():
    image = torch.randn(1, 20, 30, generator=torch.Generator().manual_seed(0)) * 1000 - 300
    pixels = quantise(image)
    span = float(image.max() - image.min())
    assert pixels.step == pytest.approx(span / 65535)
    assert np.abs(pixels.values - image[0].double().numpy()).max() <= pixels.step * 0.5001
    assert pixels.values.min() == pytest.approx(float(image.min()))
    assert pixels.values.max() == pytest.approx(float(image.max()))


def test_a_constant_image_stays_what_it_is():
    assert (quantise(torch.full((2, 3), 0.7, dtype=torch.float64)).values == 0.7).all()


def test_the_page_gets_little_endian_levels_row_by_row():
    state = quantise(torch.tensor([[0.0, 65535.0, 256.0]])).state()
    assert base64.b64decode(state["data"]) == bytes([0, 0, 255, 255, 0, 1])
    assert (state["low"], state["step"]) == (0.0, 1.0)

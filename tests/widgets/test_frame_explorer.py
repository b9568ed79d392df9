"""The slider over precomputed pictures, without a browser."""

import json

import pytest
import torch

from eiwork.errors import InputError
from eiwork.widgets import Frame, FrameExplorer, image_frames, image_png
from eiwork.widgets.frame_explorer import Axis


def frames(n: int, name: str = "k") -> list[Frame]:
    return image_frames([torch.full((2, 2), i / 10) for i in range(n)], [f"{name}{i}" for i in range(n)], subject="S")


def explorer(**options) -> FrameExplorer:
    return FrameExplorer(frames(3), [0.0, 1.0, 4.0], title="Title", alt="What it shows.", **options)


def computed(position: float) -> Frame:
    return Frame(image_png(torch.zeros(2, 2)), f"computed at {position}", f"at {position}")


@pytest.fixture
def answers(monkeypatch):
    """What a widget sends to its page."""
    sent = []
    monkeypatch.setattr(FrameExplorer, "send", lambda self, content, buffers=None: sent.append(content))
    return sent


def test_every_picture_travels_with_the_widget():
    state = explorer().get_state()
    assert [picture["caption"] for picture in state["pictures"][0]] == ["k0", "k1", "k2"]
    assert [picture["src"] for picture in state["pictures"][0]] == [frame.data_url for frame in frames(3)]
    assert state["axes"] == [{"name": "iteration", "labels": ["0", "1", "4"]}]
    assert state["index"] == [2], "the last picture is shown first"
    assert "export default" in state["_esm"]
    assert ".eiwork-widget" in state["_css"]
    json.dumps({key: value for key, value in state.items() if key != "layout"})


def test_the_first_position_can_be_chosen():
    assert explorer(start=0).index == [0]
    for start in (3, -1, (0, 0)):
        with pytest.raises(InputError, match="start is"):
            explorer(start=start)


def test_two_axes_make_a_grid_of_rows():
    options = {"second_labels": ["low", "high"], "second_axis": "noise", "start": (1, 0)}
    grid = FrameExplorer([frames(2, "low"), frames(2, "high")], [1, 2], title="Grid", alt="Two axes.", **options)
    assert grid.frame_at(1, 0).caption == "high0"
    assert grid.index == [1, 0]
    assert [axis["name"] for axis in grid.axes] == ["noise", "iteration"]
    with pytest.raises(InputError, match="2 axes"):
        grid.frame_at(1)


def test_between_grid_points_the_function_computes_at_the_interpolated_position():
    live = explorer(compute=computed)
    assert live.frame_at(1.5).alt == "computed at 2.5"
    assert live.frame_at(1).caption == "k1", "grid points are not computed again"
    with pytest.raises(InputError, match="outside the axis"):
        live.frame_at(2.25)
    with pytest.raises(InputError, match="give `compute`"):
        explorer().frame_at(0.5)


def test_a_live_page_is_told_that_python_computes_and_receives_what_it_asks_for(answers):
    def fail(position: float) -> Frame:
        raise ZeroDivisionError("no data here")

    for compute, asked in (
        (None, {"kind": "hello"}),
        (computed, {"kind": "elsewhere"}),
        (computed, {"kind": "hello"}),
        (computed, {"kind": "compute", "index": [0.25]}),
        (fail, {"kind": "compute", "index": [0.5]}),
    ):
        explorer(compute=compute)._answer(None, asked, [])
    alive, frame, failed = answers
    assert alive == {"kind": "alive"}, "without a function there is nothing to compute"
    assert (frame["kind"], frame["index"], frame["labels"]) == ("frame", [0.25], ["0.25"])
    assert frame["picture"]["alt"] == "computed at 0.25"
    assert failed == {"kind": "failed", "index": [0.5], "text": "ZeroDivisionError: no data here"}


def test_pages_without_widgets_get_a_picture_and_the_same_text_in_every_run():
    first, second = (explorer(start=1)._repr_mimebundle_()[0] for _ in range(2))
    assert first["text/plain"] == second["text/plain"]
    assert first["text/plain"] == "Title (3 pictures). What it shows. Shown: S: k1"
    assert first["image/png"] == frames(3)[1].data_url.partition(",")[2]
    assert "application/vnd.jupyter.widget-view+json" in first


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"labels": ["a"]}, r"grid of 1 x 1 frames, but frames has 1 rows of \[2\]"),
        ({"title": " "}, "title and an alt text"),
        ({"alt": ""}, "title and an alt text"),
        ({"second_axis": "noise"}, "without second_labels"),
        ({"labels": ["a", "b"], "compute": computed}, "numbers as labels"),
        ({"axis": ""}, "needs a name"),
    ],
)
def test_wrong_arguments_are_one_clear_error(arguments, told):
    usual = {"frames": frames(2), "labels": [0, 1], "title": "T", "alt": "A"}
    with pytest.raises(InputError, match=told):
        FrameExplorer(**{**usual, **arguments})


def test_positions_between_numbers_are_interpolated_and_whole_numbers_stay_whole():
    sigma, iteration = Axis("sigma", [0.0, 0.1, 0.5]), Axis("iteration", [0, 10, 15])
    assert [sigma.position(i) for i in (0, 0.5, 1, 1.25, 2)] == pytest.approx([0.0, 0.05, 0.1, 0.2, 0.5])
    assert [sigma.text_at(i) for i in (0, 1, 1.25)] == ["0", "0.1", "0.2"]
    assert [iteration.position(i) for i in (0.5, 1.25, 2)] == [5, 11, 15]
    assert iteration.text_at(2) == "15"


def test_texts_have_nothing_in_between_and_labels_differ():
    axis = Axis("method", ["FBP", "DEQ"])
    assert not axis.is_numeric
    assert axis.text_at(1) == "DEQ"
    with pytest.raises(InputError, match="nothing in between"):
        axis.position(0.5)
    for name, labels in (("", ["a"]), ("axis", []), ("axis", ["a", "a"])):
        with pytest.raises(InputError, match="axis"):
            Axis(name, labels)

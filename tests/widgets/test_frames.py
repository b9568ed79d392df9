"""Images and figures encoded as frames."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from eiwork.errors import InputError
from eiwork.figures import convergence, figure_png, new_figure
from eiwork.widgets import Frame, figure_frame, image_frames, image_png


def decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_grey_values_map_to_eight_bits_and_are_clipped():
    image = torch.tensor([[[-1.0, 0.0], [0.5, 2.0]]])
    assert decode(image_png(image)).tolist() == [[0, 0], [128, 255]]
    assert decode(image_png(image, value_range=(-1.0, 3.0))).tolist() == [[0, 64], [96, 191]]


def test_colour_and_complex_images_are_encoded_with_the_same_bytes_every_time():
    assert decode(image_png(torch.ones(3, 2, 4))).shape == (2, 4, 3)
    assert decode(image_png(torch.tensor([[[0.6]], [[0.8]]]))).tolist() == [[255]]
    image = torch.rand(1, 16, 16)
    assert image_png(image) == image_png(image.clone())
    with pytest.raises(InputError, match="value_range"):
        image_png(image, value_range=(1.0, 1.0))
    with pytest.raises(InputError, match="not one image"):
        image_png(torch.zeros(2, 1, 4, 4))


def test_frames_of_images_carry_subject_and_caption():
    frames = image_frames([torch.zeros(2, 2), torch.ones(2, 2)], ["k = 0", "k = 1"], subject="A slice")
    assert [(frame.alt, frame.caption) for frame in frames] == [(f"A slice: k = {k}", f"k = {k}") for k in (0, 1)]
    assert decode(frames[1].png).tolist() == [[255, 255], [255, 255]]
    with pytest.raises(InputError, match="one caption per image"):
        image_frames([torch.zeros(2, 2)], [], subject="A slice")


def test_a_frame_of_a_figure_takes_the_figures_text():
    figure = convergence([[1.0, 0.1]], ["Picard"])
    frame = figure_frame(figure, "caption")
    assert (frame.alt, frame.caption) == (f"caption. {figure.alt_text}", "caption")
    assert frame.png == figure_png(figure, dots_per_inch=100)
    assert figure_frame(figure).alt == figure.alt_text
    with pytest.raises(InputError, match="alternative text"):
        figure_frame(new_figure()[0], "a caption alone says too little")


def test_a_frame_holds_a_png_and_a_text():
    png = image_png(torch.zeros(2, 2))
    prefix, _, data = Frame(png, "black").data_url.partition(",")
    assert prefix == "data:image/png;base64"
    assert base64.b64decode(data) == png
    with pytest.raises(InputError, match="PNG"):
        Frame(b"GIF89a", "not a PNG")
    with pytest.raises(InputError, match="alternative text"):
        Frame(png, " ")

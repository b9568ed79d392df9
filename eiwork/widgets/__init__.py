"""Thin widgets around pictures and curves that were computed elsewhere; they work with and without a kernel."""

from eiwork.widgets.frame_explorer import FrameExplorer
from eiwork.widgets.frames import Frame, figure_frame, image_frames, image_png
from eiwork.widgets.image_comparer import ImageComparer
from eiwork.widgets.live_plot import LivePlot

__all__ = ["Frame", "FrameExplorer", "ImageComparer", "LivePlot", "figure_frame", "image_frames", "image_png"]

"""Settings of a training's measurements: of whose images they are."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from eiwork.training.base_settings import Count, Settings

Name = Literal["ct", "mri", "natural"]
Size = Annotated[int, Field(ge=8)]


class DataSettings(Settings):
    """Which embedded images are measured, and how many warped copies of them make the training set.

    split: "train", always.
    """

    split: Literal["train"] = "train"
    name: Name
    image_size: Size = 64
    n_train: Count = 2000
    seed: int = 0


class ScanSettings(Settings):
    """Training on the very scans to be reconstructed: the measurements of the test images, and never these images.

    Every image is measured once and as it is, with the noise that the evaluation sees: nothing is warped. That needs no
    other patient, and a method that needs no ground truth. split: "test", always. every: 1 takes all scans; n every
    n-th, from the first on, so that the others show what the rest of the same patient gains.
    """

    split: Literal["test"]
    name: Name
    image_size: Size = 64
    every: Count = 1


class SyntheticSettings(Settings):
    """Training on random images that no scanner saw: their truth is known and is nobody's.

    They are drawn from the seed and measured once; nothing is warped. name: of the images that the test measures, which
    say what an image of the problem is: for "natural" `eiwork.data.dead_leaves`, which fill the frame as photographs
    do, else `eiwork.data.bodies`. split: "synthetic", always.
    """

    split: Literal["synthetic"]
    name: Name
    image_size: Size = 64
    n_train: Count = 2000
    seed: int = 0


def _split(values: Any) -> str:
    """Recipes from before there was a choice name no split."""
    return str(values.get("split", "train") if isinstance(values, dict) else values.split)


MeasuredSettings = Annotated[
    Annotated[DataSettings, Tag("train")]
    | Annotated[ScanSettings, Tag("test")]
    | Annotated[SyntheticSettings, Tag("synthetic")],
    Discriminator(_split),
]

"""Validated settings of the losses and groups: how a training judges its images."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from eiwork.symmetry.rotation import INTERPOLATIONS
from eiwork.training.base_settings import Count, Interval, NonNegative, Positive, Settings


class SupervisedSettings(Settings):
    """||x_net - x||^2 with ground truth: the oracle."""

    method: Literal["supervised"] = "supervised"


class ConsistencySettings(Settings):
    """Measurement consistency alone; `whitening` as in EquivariantSettings."""

    method: Literal["mc"] = "mc"
    mc_weight: Positive = 1.0
    whitening: Positive | None = None


class RotationSettings(Settings):
    """Rotations by any angle within +-max_degrees, or by multiples of `multiples_of` degrees."""

    kind: Literal["rotation"] = "rotation"
    interpolation: str = "fourier"
    max_degrees: Annotated[float, Field(gt=0, le=180)] = 180.0
    multiples_of: Positive | None = None

    @field_validator("interpolation")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in INTERPOLATIONS:
            raise ValueError(f"{value!r} is unknown: choose one of {', '.join(INTERPOLATIONS)}")
        return value


class QuarterTurnSettings(Settings):
    """Rotations by multiples of 90 degrees: exact."""

    kind: Literal["quarter_turns"] = "quarter_turns"


class ReflectionSettings(Settings):
    """Flips of the given axes, each with probability one half: exact."""

    kind: Literal["reflection"] = "reflection"
    axes: Annotated[tuple[Literal["horizontal", "vertical"], ...], Field(min_length=1)] = (
        "horizontal",
        "vertical",
    )


class ShiftSettings(Settings):
    """Circular shifts by whole pixels: exact. max_fraction: of half the side."""

    kind: Literal["shift"] = "shift"
    max_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0


ElementName = Literal["rotation", "quarter_turns", "reflection", "shift"]
ElementSettings = Annotated[
    RotationSettings | QuarterTurnSettings | ReflectionSettings | ShiftSettings, Field(discriminator="kind")
]
Group = Annotated[tuple[ElementName | ElementSettings, ...], Field(min_length=1)]


class EquivariantSettings(Settings):
    """Measurement consistency plus equivariance under the group; no ground truth is used.

    group: parts of T_g, applied one after the other; a name stands for that part's default settings ("rotation": any
    angle, its own for every image, spline interpolation). n_elements: group elements for each image of a step.
    warm_start: a DEQ's second solve begins at T_g x, its equilibrium at the optimum.
    whitening: r of the weight (A A^T + r I)^-1 of measurement consistency (tomography); None for no weight.
    cycle_weight: of ||A T_g^-1 f(A T_g x) - y||^2, see `eiwork.losses.EquivarianceLoss`.
    virtual_noise: whether the virtual measurement A T_g x has the noise of the physics, where that has any.
    stop_gradient: whether T_g x, which is measured again and compared with, is a constant of the loss; see there, too.
    null_gain: >= 1, of what the measurement does not tell of x before it is turned and measured again; see there.
    """

    method: Literal["ei"] = "ei"
    mc_weight: Positive = 1.0
    ei_weight: Positive = 1.0
    group: Group = ("rotation",)
    n_elements: Count = 1
    warm_start: bool = False
    whitening: Positive | None = None
    cycle_weight: NonNegative = 0.0
    virtual_noise: bool = True
    stop_gradient: bool = False
    null_gain: Annotated[float, Field(ge=1)] = 1.0


class RobustEquivariantSettings(Settings):
    """Robust EI: SURE with the known noise level in place of measurement consistency, noise on the virtual measurement.

    tau: size of the random difference that estimates SURE's divergence. Other settings as EquivariantSettings.
    Source: Chen, Tachella & Davies, CVPR 2022.
    """

    method: Literal["robust_ei"] = "robust_ei"
    sure_weight: Positive = 1.0
    ei_weight: Positive = 1.0
    tau: Positive = 1e-2
    group: Group = ("rotation",)
    n_elements: Count = 1
    warm_start: bool = False
    whitening: Positive | None = None
    cycle_weight: NonNegative = 0.0
    stop_gradient: bool = False


class RecorruptedSettings(Settings):
    """Recorrupted EI: y + alpha w goes in and y - w / alpha is compared with, w fresh noise; other settings as EI.

    Source: Pang et al., CVPR 2021, for the pair; see `eiwork.losses.RecorruptedTraining`.
    """

    method: Literal["recorrupted_ei"] = "recorrupted_ei"
    alpha: Positive = 0.5
    mc_weight: Positive = 1.0
    ei_weight: Positive = 1.0
    cycle_weight: NonNegative = 0.0
    group: Group = ("rotation",)
    n_elements: Count = 1
    warm_start: bool = False
    whitening: Positive | None = None
    stop_gradient: bool = False


class SplittingSettings(Settings):
    """Equivariant splitting: a part of the measurements reconstructs through A_1 T_g and must predict the rest.

    share: of the measurements (MRI: columns outside the centre; inpainting: pixels; tomography: views) that
    reconstructs. group: of the Reynolds average; empty for none. consistency: whether the image must explain the
    reconstructing part, too; not with noise, which it would fit. test_splittings, test_elements: how many random
    splittings and group elements are averaged in evaluation; 0 and 0: the model sees all measurements at once.
    Source: ICLR 2026, openreview upMIVpe467.
    """

    method: Literal["splitting"] = "splitting"
    share: Annotated[float, Field(gt=0, lt=1)] = 0.6
    group: tuple[ElementName | ElementSettings, ...] = ("rotation",)
    consistency: bool = True
    test_splittings: Annotated[int, Field(ge=0)] = 0
    test_elements: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _applies(self) -> "SplittingSettings":
        if self.test_elements and not self.group:
            raise ValueError("test_elements averages over a group, and group is empty")
        return self


class DenoisingSettings(Settings):
    """Measurement consistency plus ||D(v + n) - v||^2: the operator as a self-supervised denoiser; ours.

    sigma: range of the noise's standard deviation. target: v is A^+ y ("inverse") or the model's own image.
    In the spirit of HyDRA, arXiv 2601.01228.
    """

    method: Literal["denoising"] = "denoising"
    mc_weight: Positive = 1.0
    denoising_weight: Positive = 1.0
    sigma: Interval = (0.0, 0.1)
    target: Literal["inverse", "reconstruction"] = "inverse"

    @field_validator("sigma")
    @classmethod
    def _ordered(cls, value: Interval) -> Interval:
        return ordered(value)


class PretrainingSettings(Settings):
    """D alone, before the training: a denoiser of A^+ y with Gaussian noise, from measurements alone.

    steps: of Adam at a constant `learning_rate`. sigma: range of the noise's standard deviation, image units.
    """

    steps: Count = 200
    sigma: Interval = (0.0, 0.1)
    learning_rate: Positive = 1e-3

    @field_validator("sigma")
    @classmethod
    def _ordered(cls, value: Interval) -> Interval:
        return ordered(value)


def ordered(value: Interval) -> Interval:
    """A range of standard deviations; ValueError unless smallest <= largest and largest > 0."""
    if not (value[0] <= value[1] and value[1] > 0):
        raise ValueError(f"{value} is not a range: needs 0 <= smallest <= largest, largest > 0")
    return value

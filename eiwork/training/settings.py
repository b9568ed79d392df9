"""Validated settings of a training, as immutable objects that say what they mean and reject what does not apply."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from eiwork.training.base_settings import Count, Interval, NonNegative, Positive, Settings
from eiwork.training.contraction_settings import ContractionSettings, ForeignScansSettings
from eiwork.training.data_settings import DataSettings, MeasuredSettings, ScanSettings, SyntheticSettings
from eiwork.training.loss_settings import (
    ConsistencySettings,
    DenoisingSettings,
    ElementName,
    ElementSettings,
    EquivariantSettings,
    Group,
    PretrainingSettings,
    QuarterTurnSettings,
    RecorruptedSettings,
    ReflectionSettings,
    RobustEquivariantSettings,
    RotationSettings,
    ShiftSettings,
    SplittingSettings,
    SupervisedSettings,
)

__all__ = [
    "ADMMSettings",
    "ConsistencySettings",
    "ContractionSettings",
    "Count",
    "DEQSettings",
    "DataSettings",
    "DenoisingSettings",
    "ElementName",
    "ElementSettings",
    "EquivariantSettings",
    "ForeignScansSettings",
    "GradientDescentSettings",
    "GradientSettings",
    "GradientStepSettings",
    "Group",
    "HalfQuadraticSplittingSettings",
    "ImplicitSettings",
    "InpaintingSettings",
    "Interval",
    "IterationBase",
    "IterationSettings",
    "JacobianFreeSettings",
    "MRISettings",
    "MeasuredSettings",
    "NeumannSettings",
    "NonNegative",
    "OptimiserSettings",
    "PhantomSettings",
    "Positive",
    "PretrainingSettings",
    "ProximalGradientSettings",
    "QuarterTurnSettings",
    "RecorruptedSettings",
    "ReflectionSettings",
    "RobustEquivariantSettings",
    "RotationSettings",
    "ScanSettings",
    "Settings",
    "ShiftSettings",
    "SplittingSettings",
    "SupervisedSettings",
    "SyntheticSettings",
    "ToleranceScheduleSettings",
    "TomographySettings",
    "UNetSettings",
    "UnrolledSettings",
    "WarmStartSettings",
    "WhitenedStepSettings",
]


class TomographySettings(Settings):
    """Parallel-beam tomography. noise_sigma is in units of the measurement of an operator of unit norm."""

    kind: Literal["tomography"] = "tomography"
    n_views: Count
    noise_sigma: NonNegative = 0.0


class MRISettings(Settings):
    """Cartesian MRI with one fixed variable-density mask. noise_sigma: per real and imaginary part of k-space.

    n_coils: None for a single coil of uniform sensitivity.
    """

    kind: Literal["mri"] = "mri"
    acceleration: Annotated[float, Field(ge=1)] = 4.0
    center_fraction: Annotated[float, Field(gt=0, le=1)] = 0.08
    noise_sigma: NonNegative = 0.0
    mask_seed: int = 0
    n_coils: Count | None = None


class InpaintingSettings(Settings):
    """Random inpainting with one fixed mask; `keep` is the fraction of pixels that are measured."""

    kind: Literal["inpainting"] = "inpainting"
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    noise_sigma: NonNegative = 0.0
    mask_seed: int = 0


class GradientStepSettings(Settings):
    """x - gamma A^T (A x - y) with a learnt gamma."""

    kind: Literal["gradient"] = "gradient"
    step_size: Positive = 1.0


class WhitenedStepSettings(Settings):
    """x - gamma A^T (A A^T + r I)^{-1} (A x - y) with a learnt gamma."""

    kind: Literal["whitened"] = "whitened"
    step_size: Positive = 1.0
    regularisation: Positive = 0.01


class IterationBase(Settings):
    """The network inside an iteration, and its momentum (None for none; see `eiwork.Inertial`).

    network: "plain", ResidualCNN with `depth` convolutions; "blocks", ResidualBlockCNN with (depth - 2) / 2 blocks of
    two convolutions between the first and the last (an even depth); "convex", InputConvexPotential with `depth` layers,
    a proximal map whatever its weights.
    """

    network: Literal["plain", "blocks", "convex"] = "plain"
    width: Count = 32
    depth: Annotated[int, Field(ge=2)] = 5
    shrinkage: Annotated[float, Field(ge=0, lt=1)] = 0.1
    unshuffle: Count = 2
    momentum: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _whole_blocks(self) -> "IterationBase":
        if self.network == "blocks" and (self.depth < 4 or self.depth % 2):
            raise ValueError(
                f"depth={self.depth}: residual blocks have two convolutions each between the first and the last, so "
                "the depth is 4, 6, 8, ..."
            )
        return self


class ProximalGradientSettings(IterationBase):
    """Proximal gradient descent, the iteration of settings that name no kind."""

    kind: Literal["proximal_gradient"] = "proximal_gradient"
    data_step: GradientStepSettings | WhitenedStepSettings = Field(
        default_factory=GradientStepSettings, discriminator="kind"
    )


class HalfQuadraticSplittingSettings(IterationBase):
    """Half-quadratic splitting with an exact data step and a learnt penalty."""

    kind: Literal["half_quadratic_splitting"] = "half_quadratic_splitting"
    penalty: Positive = 0.1


class ADMMSettings(IterationBase):
    """ADMM with an exact data step and a learnt penalty."""

    kind: Literal["admm"] = "admm"
    penalty: Positive = 0.1


class GradientDescentSettings(IterationBase):
    """Gradient descent on the data term and regularisation by denoising, both weights learnt."""

    kind: Literal["gradient_descent"] = "gradient_descent"
    step_size: Positive = 0.5
    weight: Positive = 1.0


def _iteration_kind(value: Any) -> str | None:
    """The kind of iteration; recipes from before there was a choice name none."""
    if isinstance(value, dict):
        return value.get("kind", "proximal_gradient")
    return getattr(value, "kind", None)


IterationSettings = Annotated[
    Annotated[ProximalGradientSettings, Tag("proximal_gradient")]
    | Annotated[HalfQuadraticSplittingSettings, Tag("half_quadratic_splitting")]
    | Annotated[ADMMSettings, Tag("admm")]
    | Annotated[GradientDescentSettings, Tag("gradient_descent")],
    Discriminator(_iteration_kind),
]


class ImplicitSettings(Settings):
    """Implicit gradients by GMRES; tol is relative to the norm of the incoming gradient of each sample."""

    kind: Literal["implicit"] = "implicit"
    tol: Positive = 1e-2
    max_iter: Count = 40


class JacobianFreeSettings(Settings):
    """Jacobian-free backpropagation."""

    kind: Literal["jacobian_free"] = "jacobian_free"


class PhantomSettings(Settings):
    """Phantom gradients: `steps` tracked evaluations from the fixed point, damped by `damping`."""

    kind: Literal["phantom"] = "phantom"
    steps: Count = 5
    damping: Annotated[float, Field(gt=0, le=1)] = 0.5


class NeumannSettings(Settings):
    """The adjoint solve cut short: `terms` terms of its Neumann series beyond the Jacobian-free one."""

    kind: Literal["neumann"] = "neumann"
    terms: Annotated[int, Field(ge=0)] = 5


GradientSettings = Annotated[
    ImplicitSettings | JacobianFreeSettings | PhantomSettings | NeumannSettings,
    Field(discriminator="kind"),
]


class WarmStartSettings(Settings):
    """Begin each training sample's solve at its last equilibrium, kept in memory up to a budget."""

    budget_mib: Positive = 64.0
    dtype: Literal["float32", "float16", "bfloat16"] = "float16"


class ToleranceScheduleSettings(Settings):
    """Tolerances of the training's solves that keep the estimated gradient error at start ... end (geometric).

    They begin at model.tol and model.gradient.tol; evaluation always uses model.tol.
    """

    start: Positive = 0.5
    end: Positive = 0.1


class DEQSettings(Settings):
    """A DEQ solved to `tol` (relative residual per sample) by Anderson acceleration or Broyden's method.

    memory: iterates that the solver keeps.
    warm_start, tolerance_schedule, mixed_precision (low-precision evaluations far from the fixed point) and compiled
    (torch.compile of the solve's evaluations) make a training step cheaper; off unless set.
    """

    kind: Literal["deq"] = "deq"
    iteration: IterationSettings = Field(default_factory=ProximalGradientSettings)
    tol: Positive = 1e-3
    max_iter: Count = 60
    memory: Count = 5
    solver: Literal["anderson", "broyden"] = "anderson"
    gradient: GradientSettings = Field(default_factory=ImplicitSettings)
    warm_start: WarmStartSettings | None = None
    tolerance_schedule: ToleranceScheduleSettings | None = None
    mixed_precision: bool = False
    compiled: bool = False

    @model_validator(mode="after")
    def _applies(self) -> "DEQSettings":
        if self.gradient.kind == "shine" and self.solver != "broyden":
            raise ValueError("gradient.kind='shine' shares what Broyden's method learns: set solver='broyden'")
        return self


class UnrolledSettings(Settings):
    """The same iteration, run for a fixed number of steps and trained by ordinary backpropagation."""

    kind: Literal["unrolled"] = "unrolled"
    iteration: IterationSettings = Field(default_factory=ProximalGradientSettings)
    steps: Count = 8


class UNetSettings(Settings):
    """A U-Net on the minimum-norm inverse."""

    kind: Literal["unet"] = "unet"
    width: Count = 32
    scales: Annotated[int, Field(ge=2)] = 3


class OptimiserSettings(Settings):
    """Adam with a cosine schedule to zero, gradient clipping by norm, and an exponential average of the weights.

    warmup: steps over which the learning rate rises linearly to the schedule's; 0 for none.
    scalar_rate: learning rate of single numbers (step sizes, penalties, by their logarithms) in units of the weights'.
    The average is what a checkpoint holds. ema = 0 keeps the last weights.
    """

    learning_rate: Positive = 2e-3
    warmup: Annotated[int, Field(ge=0)] = 0
    batch_size: Count = 8
    clip: Positive = 0.01
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.995
    scalar_rate: Positive = 1.0

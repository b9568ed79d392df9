"""A training recipe: one validated object that says everything a training depends on."""

from typing import Any

from pydantic import Field, ValidationError, model_validator

from eiwork.errors import RecipeError
from eiwork.training.settings import (
    ConsistencySettings,
    ContractionSettings,
    Count,
    DenoisingSettings,
    DEQSettings,
    EquivariantSettings,
    InpaintingSettings,
    MeasuredSettings,
    MRISettings,
    OptimiserSettings,
    PretrainingSettings,
    RecorruptedSettings,
    RobustEquivariantSettings,
    Settings,
    SplittingSettings,
    SupervisedSettings,
    TomographySettings,
    UNetSettings,
    UnrolledSettings,
)


class Recipe(Settings):
    """Problem, data, model, loss and optimiser of one training; all settings are ours unless a source is named.

    start: a model that comes with the package, whose weights the training begins with; None for random ones.
    steps: optimiser steps. seed: of the weights, the batches, the group elements and the noise.
    monitor_every: steps between looks at the held-out images, which never influence a training.
    gradient_probe_every: steps between comparisons of gradients on the step's batch (Jacobian-free and the recipe's own
    mode against exact implicit ones), which never influence it either; None for none.
    """

    name: str
    summary: str
    data: MeasuredSettings
    physics: TomographySettings | MRISettings | InpaintingSettings = Field(discriminator="kind")
    model: DEQSettings | UnrolledSettings | UNetSettings = Field(default_factory=DEQSettings, discriminator="kind")
    loss: (
        EquivariantSettings
        | RobustEquivariantSettings
        | RecorruptedSettings
        | SplittingSettings
        | DenoisingSettings
        | ConsistencySettings
        | SupervisedSettings
    ) = Field(default_factory=EquivariantSettings, discriminator="method")
    contraction: ContractionSettings | None = None
    pretraining: PretrainingSettings | None = None
    start: str | None = None
    optimiser: OptimiserSettings = Field(default_factory=OptimiserSettings)
    steps: Count = 1000
    seed: int = 0
    monitor_every: Count = 100
    gradient_probe_every: Count | None = None

    @model_validator(mode="after")
    def _applies(self) -> "Recipe":
        self._needs_a_deq("contraction", self.contraction)
        self._needs_a_deq("gradient_probe_every", self.gradient_probe_every)
        if self.loss.method in ("robust_ei", "recorrupted_ei") and self.physics.noise_sigma == 0:
            raise ValueError(f"loss.method={self.loss.method!r} is for noise, and physics.noise_sigma is 0: use 'ei'")
        if self.loss.method == "ei" and not self.loss.virtual_noise and self.physics.noise_sigma == 0:
            raise ValueError("loss.virtual_noise leaves out noise, and physics.noise_sigma is 0: leave it out")
        if self.loss.method == "splitting":
            self._splits(self.loss)
        if self.start is not None and self.pretraining is not None:
            raise ValueError("start: pretraining would undo what that model has learnt; leave one of them out")
        if self.data.split == "test" and self.loss.method == "supervised":
            raise ValueError("data.split='test' with ground truth would train on the answers of the test")
        if self.model.kind == "unet" and (self.loss.method == "denoising" or self.pretraining is not None):
            raise ValueError("a U-Net holds no operator D to train as a denoiser: choose another model.kind")
        if self.physics.kind == "mri" and self.data.name != "mri":
            raise ValueError(f"physics.kind='mri' measures complex MRI images, not data.name={self.data.name!r}")
        return self

    def _needs_a_deq(self, name: str, value: object) -> None:
        if value is not None and self.model.kind != "deq":
            raise ValueError(f"{name}: only a DEQ has a fixed point to control, not model.kind={self.model.kind!r}")

    def _splits(self, loss: SplittingSettings) -> None:
        if self.model.kind == "deq" and self.model.warm_start is not None:
            raise ValueError("loss.method='splitting' solves another equation each step: no model.warm_start")
        if self.model.kind == "unet":
            raise ValueError("loss.method='splitting' changes the operator: choose a model that uses it")
        if loss.consistency and self.physics.noise_sigma > 0:
            raise ValueError("loss.consistency would fit the noise: set it to false where noise_sigma > 0")

    @property
    def channels(self) -> int:
        """2 for complex MRI images, else 1."""
        return 2 if self.physics.kind == "mri" else 1

    def with_overrides(self, **fields: Any) -> "Recipe":
        """A validated copy with other values; nested fields by double underscore (`optimiser__batch_size=4`).

        Raises RecipeError naming the field.
        """
        values = self.model_dump()
        for key, value in fields.items():
            *path, last = key.split("__")
            target = values
            for part in path:
                if not isinstance(target.get(part), dict):
                    raise RecipeError(f"Recipe {self.name!r} has no settings {part!r} to override in {key!r}.")
                target = target[part]
            if last not in target:
                raise RecipeError(f"Recipe {self.name!r} has no field {key!r}; it has {sorted(target)} there.")
            target[last] = value.model_dump() if isinstance(value, Settings) else value
        return Recipe.parse(values)

    @staticmethod
    def parse(values: dict[str, Any]) -> "Recipe":
        """A recipe from plain values; raises RecipeError with every wrong field and what is allowed."""
        try:
            return Recipe.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in e['loc']) or 'recipe'}: {e['msg']}" for e in error.errors()
            )
            raise RecipeError(f"The recipe {values.get('name', '(unnamed)')!r} is not valid: {problems}.") from None

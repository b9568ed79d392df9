"""A training recipe: one validated object that says everything a training depends on."""

from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal

from deepinv.physics import LinearPhysics
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import nn

from eiwork.errors import EiworkError, InputError, RecipeError
from eiwork.losses import Objective
from eiwork.training.contraction import Contraction
from eiwork.training.optimiser import Optimiser
from eiwork.training.parts import Part, part
from eiwork.training.randomness import seeded

Count = Annotated[int, Field(ge=1)]


class Data(BaseModel):
    """Whose images are measured: "scans", `n` seeded warps of the embedded training images, or "bodies", `n` random.

    Random images are nobody's, so that their truth is known: `eiwork.data.bodies`, and `dead_leaves` for "natural".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["scans", "bodies"] = "scans"
    name: Literal["ct", "mri", "natural"]
    image_size: Annotated[int, Field(ge=8)] = 64
    n: Count = 2000
    seed: int = 0


class Recipe(BaseModel):
    """Problem, data, model, loss and optimiser of one training; all settings are ours unless a source is named.

    physics, model, loss: parts with a `kind`, see `eiwork.training.parts`. start: a model that comes with the package,
    or the path of a checkpoint, whose weights the training begins with; None for random ones. steps: optimiser steps.
    seed: of the weights, the batches, the group elements and the noise. monitor_every: steps between looks at the
    held-out images, which never influence a training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str
    data: Data
    physics: part("physics")  # type: ignore[valid-type]
    model: part("model")  # type: ignore[valid-type]
    loss: part("loss")  # type: ignore[valid-type]
    contraction: Contraction | None = None
    optimiser: Optimiser = Field(default_factory=Optimiser)
    start: str | None = None
    steps: Count = 500
    seed: Annotated[int, Field(ge=0)] = 0
    monitor_every: Count = 100

    @model_validator(mode="after")
    def _applies(self) -> "Recipe":
        if self.contraction is not None and self.model.kind != "DEQ":
            raise ValueError(
                f"contraction: only a DEQ has a fixed point to control, not model.kind={self.model.kind!r}"
            )
        if (self.physics.kind == "mri") != (self.data.name == "mri"):
            raise ValueError(f"physics.kind={self.physics.kind!r} does not measure data.name={self.data.name!r}")
        noisy = (
            self.loss.kind in ("Sure", "Recorrupted") or getattr(getattr(self.loss, "fit", None), "kind", "") == "Sure"
        )
        if noisy and self.physics.noise_sigma == 0:
            raise ValueError("loss: Sure and Recorrupted are for noise, and physics.noise_sigma is 0: use EI with Fit")
        return self

    @property
    def channels(self) -> int:
        """2 for complex MRI images, else 1."""
        return 2 if self.physics.kind == "mri" else 1

    def build_physics(self) -> LinearPhysics:
        """The operator, for square images of the data's size; RecipeError for a value that it does not take."""
        return self._built("physics", image_size=self.data.image_size)

    def build_model(self) -> nn.Module:
        """The model with random weights of the seed; RecipeError for a value that it does not take.

        The caller's random state does not move.
        """
        with seeded(self.seed, "weights"):
            return self._built("model")

    def build_loss(self) -> Objective:
        """The loss."""
        return self._built("loss")

    def _built(self, role: str, **given: Any) -> Any:
        try:
            return getattr(self, role).build(**given)
        except InputError as error:
            raise RecipeError(f"The recipe {self.name!r} is not valid: {role}: {error}") from None

    def with_overrides(self, **changes: Any) -> "Recipe":
        """A validated copy with other values; nested fields by double underscore (`optimiser__batch_size=4`).

        Raises RecipeError naming the field.
        """
        values = self.model_dump()
        for key, value in changes.items():
            *path, last = key.split("__")
            target = values
            for name in path:
                if not isinstance(target.get(name), dict):
                    raise RecipeError(f"Recipe {self.name!r} has no settings {name!r} to override in {key!r}.")
                target = target[name]
            if last not in target:
                raise RecipeError(f"Recipe {self.name!r} has no field {key!r}; it has {sorted(target)} there.")
            target[last] = _plain(value)
        return Recipe.parse(values)

    @staticmethod
    def parse(values: dict[str, Any]) -> "Recipe":
        """A recipe from plain values; raises RecipeError with every wrong field and what is allowed."""
        try:
            return Recipe.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(step) for step in e['loc']) or 'recipe'}: {e['msg'].removeprefix('Value error, ')}"
                for e in error.errors()
            )
        except EiworkError as error:
            problems = str(error)
        raise RecipeError(f"The recipe {values.get('name', '(unnamed)')!r} is not valid: {problems.removesuffix('.')}.")


def _plain(value: Any) -> Any:
    if isinstance(value, Part | BaseModel):
        return value.model_dump()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return value

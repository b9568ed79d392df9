"""The parts of a recipe: settings made from the constructors' own signatures, which build what they describe.

There is no second list of names: a part is {"kind": "Rotation", "interpolation": "fourier"}, its fields are the
constructor's parameters with their types and defaults, and pydantic validates them.
"""

import inspect
import types
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny, create_model, model_validator

from eiwork import fixed_point, losses, models, symmetry
from eiwork.errors import choices, listed
from eiwork.models.baselines import UnrolledNetwork
from eiwork.physics import inpainting, mri, tomography

_SOLVERS = (fixed_point.Picard, fixed_point.Anderson, fixed_point.Broyden, fixed_point.GMRES)
_GRADIENTS = (fixed_point.Implicit, fixed_point.JacobianFree, fixed_point.Phantom, fixed_point.Neumann)
_ITERATIONS = (models.ProximalGradient, models.HalfQuadraticSplitting, models.ADMM, models.GradientDescent)
PARTS: dict[str, tuple[Callable[..., Any], ...]] = {
    "physics": (tomography, mri, inpainting),
    "model": (models.DEQ, UnrolledNetwork),
    "iteration": _ITERATIONS,
    "denoiser": (models.ResidualCNN, models.ResidualBlockCNN, models.InputConvexPotential),
    "data_step": (models.GradientStep, models.WhitenedStep, models.ProximalStep),
    "solver": _SOLVERS,
    "gradient": _GRADIENTS,
    "loss": (losses.Supervised, losses.Fit, losses.Sure, losses.EI, losses.Recorrupted),
    "fit": (losses.Fit, losses.Sure),
    "group": (symmetry.Rotation, symmetry.Shift, symmetry.Reflection),
}
"""What a parameter of that name can be."""
# Given by the recipe itself, or of no use in a file.
_NOT_FIELDS = {"self", "image_size", "rng", "n_trans", "give_up"}
_PLAIN = (int, float, bool, str, type(None))


class Part(BaseModel):
    """Settings of one object: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str

    @model_validator(mode="after")
    def _in_range(self) -> "Part":
        if is_dataclass(_target(self.kind)):
            self.build()  # cheap, and says what is out of range
        return self

    def build(self, **given: Any) -> Any:
        """The object that the settings describe; `given` are parameters that no file holds. InputError as it raises."""
        values = {name: _built(getattr(self, name)) for name in type(self).model_fields if name != "kind"}
        return _target(self.kind)(**given, **values)


def part(role: str) -> Any:
    """The type of a field that holds a part of that role: a `Part`, or the dictionary of one."""
    return Annotated[Any, BeforeValidator(lambda value: parse_part(role, value)), SerializeAsAny()]


def parse_part(role: str, value: Any) -> Any:
    """A part of a role from plain values; of a group also a list, applied one after the other. ValueError names it."""
    known = {target.__name__: target for target in PARTS[role]}
    if role == "group" and isinstance(value, list | tuple):
        if not value:
            raise ValueError("a group needs at least one transform")
        return tuple(parse_part(role, inner) for inner in value)
    if isinstance(value, Part) and value.kind in known:
        return value
    if not isinstance(value, dict):
        raise ValueError(f'{value!r} is no {role}: write {{"kind": ..., ...}} with one of {listed(known)}')
    kind = value.get("kind")
    if kind not in known:
        raise ValueError(f"kind {kind!r} is no {role}: {choices(kind, known, 'eiwork.training.parts.PARTS')}")
    return settings_of(known[kind]).model_validate(value)


@cache
def settings_of(target: Callable[..., Any]) -> type[Part]:
    """The settings class of a constructor: one field for each of its parameters that a file can hold."""
    fields: dict[str, Any] = {"kind": (Literal.__getitem__(target.__name__), target.__name__)}
    for name, parameter in inspect.signature(target, eval_str=True).parameters.items():
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        if name in PARTS and default not in (..., None):
            default = settings_of(PARTS[name][0] if name != "solver" else fixed_point.GMRES).model_validate({})
        if name in _NOT_FIELDS:
            continue
        if name in PARTS:
            kind = part(name)
            fields[name] = (kind | None, default) if default is None else (kind, default)
        elif _is_plain(parameter.annotation):
            fields[name] = (parameter.annotation, default)
    config: dict[str, Any] = {"__base__": Part, "__doc__": target.__doc__}
    return create_model(target.__name__, **config, **fields)


def _is_plain(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return True
    if get_origin(annotation) in (Union, types.UnionType, tuple):
        return all(inner is Ellipsis or _is_plain(inner) for inner in get_args(annotation))
    return annotation in _PLAIN


def _target(kind: str) -> Callable[..., Any]:
    return next(target for targets in PARTS.values() for target in targets if target.__name__ == kind)


def _built(value: Any) -> Any:
    if isinstance(value, Part):
        return value.build()
    if isinstance(value, tuple) and value and isinstance(value[0], Part):
        first, *others = (inner.build() for inner in value)
        for other in others:
            first = first * other
        return first
    return value

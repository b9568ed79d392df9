"""Objects in words that a file can hold, to tell one training from another."""

from dataclasses import fields, is_dataclass
from typing import Any

from torch import nn

_PLAIN = (int, float, bool, str, type(None))


def described(thing: Any) -> Any:
    """A loss, group or other object as plain values: its class, and its own settings."""
    if isinstance(thing, _PLAIN):
        return thing
    if isinstance(thing, list | tuple):
        return [described(inner) for inner in thing]
    if is_dataclass(thing) and not isinstance(thing, type):
        return {"kind": type(thing).__name__} | {f.name: described(getattr(thing, f.name)) for f in fields(thing)}
    if isinstance(thing, nn.Module):
        own = {name: value for name, value in vars(thing).items() if not name.startswith("_") and name != "training"}
        inner = {name: described(module) for name, module in thing.named_children()}
        return {"kind": type(thing).__name__} | {k: v for k, v in own.items() if isinstance(v, _PLAIN)} | inner
    return getattr(thing, "__qualname__", type(thing).__name__)

"""Every setting of the runs of a study, as tables made from the recipes in their results."""

from collections.abc import Iterable, Mapping
from typing import Any

from eiwork.training.settings import Settings
from pydantic import BaseModel

from eiwork.errors import RecipeError
from eiwork.training import Recipe
from eiwork_study.collection import Collection

Tree = Mapping[str, Any]
_NOT_SETTINGS = {"name", "summary", "seed"}
_ABSENT = "-"


def recipe_of(collection: Collection, problem: str, method: str) -> dict[str, Any]:
    """The recipe of a method's first result, settings that did not exist yet at their defaults.

    One that this version cannot read is given as it was written. Raises InputError where there is no result.
    """
    collection.values(problem, method)  # raises for what is not there
    written = collection.of(problem, method)[0].recipe
    try:
        return Recipe.parse(written).model_dump(mode="json")
    except RecipeError:
        return written


def flat_settings(recipe: Tree) -> dict[str, str]:
    """Dotted name -> value as text; name, summary and seed are left out."""
    return {name: text for name, text in _flat(recipe, "") if name not in _NOT_SETTINGS}


def settings_markdown(recipes: Mapping[str, Tree]) -> str:
    """One row per setting, one column per recipe, as Markdown; "-" where a recipe has no such setting."""
    columns = {label: flat_settings(recipe) for label, recipe in recipes.items()}
    names = _in_groups(dict.fromkeys(name for column in columns.values() for name in column))
    head = ["| setting | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    rows = [
        f"| {name} | " + " | ".join(column.get(name, _ABSENT) for column in columns.values()) + " |" for name in names
    ]
    return "\n".join(head + rows)


def changes(base: Tree, other: Tree) -> dict[str, tuple[str, str]]:
    """Settings in which one recipe differs from a base: dotted name -> (value in the base, value in the other)."""
    one, two = flat_settings(base), flat_settings(other)
    names = dict.fromkeys([*one, *two])
    pairs = {name: (one.get(name, _ABSENT), two.get(name, _ABSENT)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def changes_text(base: Tree, other: Tree) -> str:
    """What a recipe changes in a base, in one line; settings that fall away with a part are not listed one by one."""
    found = changes(base, other)
    added = [f"{name} = {new}" for name, (_, new) in found.items() if new != _ABSENT]
    gone = dict.fromkeys(name.rpartition(".")[0] or name for name, (_, new) in found.items() if new == _ABSENT)
    present = flat_settings(other)
    lost = [part for part in gone if not any(f"{name}.".startswith(f"{part}.") for name in present)]
    whole = [part for part in lost if not any(part.startswith(f"{outer}.") for outer in lost)]
    return "; ".join(added + [f"no {part}" for part in whole]) or "nothing"


def meanings(recipe: Recipe) -> dict[str, str]:
    """Part of a recipe -> what its settings mean: the docstring of its class, in one paragraph."""
    found = {"recipe": _paragraph(type(recipe))}

    def visit(part: BaseModel, path: str) -> None:
        for name in type(part).model_fields:
            value, inner = getattr(part, name), f"{path}.{name}" if path else name
            if isinstance(value, BaseModel):
                found[inner] = _paragraph(type(value))
                visit(value, inner)

    visit(recipe, "")
    return found


def explained(*things: object) -> str:
    """The docstrings of classes or functions as one line of a Markdown table."""
    return " ".join(" ".join(thing.__doc__ or "" for thing in things).split()).replace("|", r"\|")


def _paragraph(settings: type[BaseModel]) -> str:
    """The docstrings of a settings class and of those that it refines, without that of all settings."""
    return explained(*(kind for kind in settings.__mro__ if issubclass(kind, Settings) and kind is not Settings))


def _in_groups(names: Iterable[str]) -> list[str]:
    """Dotted names with those of one part together, otherwise in the order in which they come."""
    first: dict[str, int] = {}
    for name in names:
        for prefix in _prefixes(name):
            first.setdefault(prefix, len(first))
    return sorted(names, key=lambda name: [first[prefix] for prefix in _prefixes(name)])


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]


def _flat(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [item for key, inner in value.items() for item in _flat(inner, f"{path}.{key}" if path else key)]
    return [(path, _text(value))]


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        options = [f"{key} {_text(inner)}" for key, inner in value.items() if key != "kind" and inner is not None]
        return f"{value.get('kind', '')} ({', '.join(options)})" if options else str(value.get("kind", ""))
    if isinstance(value, list | tuple):
        return ", then ".join(_text(inner) for inner in value)
    return str(value)

"""The JavaScript of a widget, put together from files, because a widget is one module."""

from pathlib import Path

_HERE = Path(__file__).parent


def script(*names: str) -> str:
    """The files of these names, one after the other, as one module."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)

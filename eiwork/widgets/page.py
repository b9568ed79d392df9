"""What the widgets share: JavaScript put together from files, a title, and what stands for them without widgets."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from eiwork.figures.arrays import require
from eiwork.widgets.frames import Frame

_HERE = Path(__file__).parent


def script(*names: str) -> str:
    """The JavaScript files of these names, one after the other, as one module, because a widget is one module."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


class PageWidget(anywidget.AnyWidget):
    """A widget with a title, and a text and perhaps a picture that stand for it on pages without widgets."""

    _css = _HERE / "widgets.css"
    title = traitlets.Unicode().tag(sync=True)

    def _stand_in(self) -> tuple[str, Frame | None]:
        """A text that does not change between runs with the same numbers, and a picture."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        base: tuple[dict[str, Any], dict[str, Any]] | None = super()._repr_mimebundle_(**kwargs)
        data, metadata = base if base is not None else ({}, {})
        data["text/plain"], frame = self._stand_in()
        if frame is not None:
            data["image/png"] = frame.data_url.partition(",")[2]
        return data, metadata


def check_texts(title: str, alt: str) -> None:
    """Raise `InputError` unless a widget has a title and an alternative text."""
    told = "A widget needs a title and an alt text that says what it lets one see."
    require(bool(title.strip() and alt.strip()), told)

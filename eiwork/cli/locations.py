"""Where the workbook's files are: the notebooks folder, the lessons in it, the build folder, a browser."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import eiwork
from eiwork.errors import InputError

FIRST_LESSON = "00_start_here.ipynb"
_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def project_folder() -> Path:
    """Return the folder that holds `notebooks/` and `book/`: the current one, a parent of it, or the source checkout.

    Raises:
        InputError: there is none, as in an installation without the source checkout.
    """
    here = Path.cwd()
    for folder in (here, *here.parents, Path(eiwork.__file__).resolve().parents[1]):
        if (folder / "notebooks" / FIRST_LESSON).is_file():
            return folder
    raise InputError(
        f"The lessons are not here: no notebooks/{FIRST_LESSON} in {here}, in its parents, or beside the installed "
        "package. Get the source checkout of eiwork and run this command inside it."
    )


def notebooks_folder() -> Path:
    """Return the folder of the lessons; raises InputError as `project_folder` does."""
    return project_folder() / "notebooks"


def executed_folder() -> Path:
    """Return the folder of the executed lessons, which may be missing; raises InputError as `project_folder` does."""
    return project_folder() / "build" / "notebooks"


def lessons(names: Sequence[str] = ()) -> list[Path]:
    """Return the lessons in reading order, all of them or the named ones.

    Args:
        names: a lesson by its number (`04`), its name (`04_implicit_backpropagation`, with or without `.ipynb`),
            or the beginning of its name.

    Raises:
        InputError: a name fits no lesson, or more than one.
    """
    every = sorted(notebooks_folder().glob("[0-9][0-9]_*.ipynb"))
    if not names:
        return every
    chosen = {_lesson(name, every) for name in names}
    return [path for path in every if path in chosen]


def find_chromium() -> Path | None:
    """Return a Chromium or Chrome of this machine: EIWORK_CHROMIUM when it is set, else the first one on the PATH."""
    names = (os.environ["EIWORK_CHROMIUM"],) if os.environ.get("EIWORK_CHROMIUM") else _CHROMIUM_NAMES
    found = next((path for name in names if (path := shutil.which(name))), None)
    return None if found is None else Path(found)


def _lesson(name: str, every: Sequence[Path]) -> Path:
    stem = Path(name).name.removesuffix(".ipynb")
    exact = [path for path in every if path.stem == stem]
    fitting = exact or [path for path in every if stem and path.stem.startswith(stem)]
    if len(fitting) == 1:
        return fitting[0]
    problem = "fits more than one lesson" if fitting else "is not a lesson"
    among = ", ".join(path.stem for path in fitting or every)
    raise InputError(f"{name!r} {problem}. Choose from: {among}.")

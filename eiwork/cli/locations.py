"""Where the workbook's files are: the checkout with the lessons, and a browser."""

import os
import shutil
from pathlib import Path

import eiwork
from eiwork.errors import InputError

FIRST_LESSON = "00_start_here.ipynb"
_CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def project_folder() -> Path:
    """The folder with `notebooks/`: the current one, a parent, or the source checkout; InputError if there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(eiwork.__file__).resolve().parents[1]):
        if (folder / "notebooks" / FIRST_LESSON).is_file():
            return folder
    told = f"The lessons are not here: no notebooks/{FIRST_LESSON} in {here}, in its parents, or beside the installed "
    raise InputError(told + "package. Get the source checkout of eiwork and run this command inside it.")


def find_chromium() -> Path | None:
    """Return a Chromium or Chrome of this machine: EIWORK_CHROMIUM when it is set, else the first one on the PATH."""
    names = (os.environ["EIWORK_CHROMIUM"],) if os.environ.get("EIWORK_CHROMIUM") else _CHROMIUM_NAMES
    found = next((path for name in names if (path := shutil.which(name))), None)
    return None if found is None else Path(found)

"""The study's results as they are committed beside the lessons."""

from pathlib import Path

import eiwork
from eiwork.errors import DataFormatError
from eiwork_study.collection import Collection
from eiwork_study.result import load_result


def committed_folder() -> Path:
    """The folder `results/` of the source checkout; raises DataFormatError where there is none."""
    folder = Path(eiwork.__file__).resolve().parents[1] / "results"
    if not (folder / "runs").is_dir():
        raise DataFormatError(
            f"The results of the study are not here: {folder / 'runs'} does not exist. They come with the source "
            "checkout of eiwork; `eiwork reproduce` makes them anew."
        )
    return folder


def committed_results(results: Path | None = None) -> Collection:
    """Every run in `results` (by default the committed ones), whatever its recipe: each result names its own.

    Raises DataFormatError for a missing folder and for a damaged file.
    """
    folder = committed_folder() if results is None else results
    runs = [load_result(path) for path in sorted((folder / "runs").glob("*/*.json"))]
    return Collection({(run.problem, run.method, run.seed): run for run in runs})

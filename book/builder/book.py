"""The book built from prose pages and executed lessons."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from book.builder.execute import LESSONS, executed_record
from book.builder.fingerprint import identity, is_up_to_date
from book.builder.quick_start import QUICK_START
from book.builder.staging import PublishingError, stage_notebook
from eiwork.errors import listed
from eiwork.files import ensure_output_folder, write_text_atomically

PROJECT = Path(__file__).resolve().parents[2]
_MARK = ".eiwork-book"  # a folder with this file is ours to replace
_NOT_PAGES = shutil.ignore_patterns("_build", "builder", "__pycache__", ".*")
_RUN = "Run: python -m book.builder notebooks"
_STATUS = """\
# Status of the lessons

Every lesson was executed from its first cell to its last, in a fresh kernel, before this book was
built; a lesson that fails stops the build. Mode *fast* is what a reader runs in JupyterLab by default;
mode *full* takes longer and changes only what a lesson says it changes.

| lesson | mode | run time (s) | executed |
|---|---|---:|---|
{rows}
They ran with:

| eiwork | Python | torch | deepinv | machine | lessons |
|---|---|---|---|---|---|
{where}"""


def build_book(source: Path, notebooks_executed: Path, output: Path, *, notebooks: Path | None = None) -> Path:
    """Build the HTML book, without executing anything, and return its first page.

    `source` holds the prose pages with `_config.yml` and `_toc.yml`; `notebooks_executed` the copies that
    `run_notebooks` wrote. Where `notebooks`, the lessons themselves, are given, every one must have a copy that is up
    to date. The folder `output` is replaced as a whole, and only when the build succeeds; its pages work from any file
    server without a network. Raises PublishingError when executed copies are missing or stale, jupyter-book is not
    installed, `output` is a folder of something else, or the build gives a warning.
    """
    source, executed, output = (Path(path).resolve() for path in (source, notebooks_executed, output))
    if find_spec("jupyter_book") is None:
        raise PublishingError("Building the book needs jupyter-book: pip install 'eiwork[book]'.")
    if not (source / "_config.yml").is_file() or not (source / "_toc.yml").is_file():
        raise PublishingError(f"{source} has no _config.yml and _toc.yml, so it is not the source of a book.")
    records = _lessons(executed, notebooks)
    staged = output.with_name(f"{output.name}-source")
    for folder in (output, staged):
        ours = not folder.exists() or (folder.is_dir() and ((folder / _MARK).exists() or not any(folder.iterdir())))
        if not ours:
            told = "exists and was not made by this command, so it is left alone. Choose another output folder, or"
            raise PublishingError(f"{folder} {told} remove it yourself.")
    _stage(source, executed, records, staged)
    _replace(_jupyter_book(staged), output)
    return output / "index.html"


def _lessons(executed: Path, notebooks: Path | None) -> dict[str, dict[str, Any]]:
    """Name -> record of each executed lesson, in reading order."""
    copies = sorted(executed.glob(LESSONS))
    lessons = copies if notebooks is None else sorted(Path(notebooks).resolve().glob(LESSONS))
    if not lessons:
        raise PublishingError(f"There are no executed lessons in {executed}, so there is no book to build. {_RUN}")
    records, missing = {}, []
    for lesson in lessons:
        record = executed_record(executed / lesson.name)
        if record is None or not (notebooks is None or is_up_to_date(record, identity(lesson, record["mode"]))):
            missing.append(lesson.name)
        else:
            records[lesson.stem] = record
    if missing:
        raise PublishingError(
            f"{len(missing)} of {len(lessons)} lessons have no executed copy in {executed}, or one that is older than "
            f"the lesson or the code: {listed(missing)}. {_RUN}"
        )
    return records


def _stage(source: Path, executed: Path, records: dict[str, dict[str, Any]], staged: Path) -> None:
    shutil.rmtree(staged, ignore_errors=True)
    ensure_output_folder(staged, PublishingError)
    (staged / _MARK).touch()
    shutil.copytree(source, staged, dirs_exist_ok=True, ignore=_NOT_PAGES)
    for name in records:
        stage_notebook(executed / f"{name}.ipynb", staged / "notebooks" / f"{name}.ipynb")
    write_text_atomically(staged / "status.md", status_page(records), PublishingError)


def _jupyter_book(staged: Path) -> Path:
    program = QUICK_START + "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", program, "build", str(staged), "--all", "-W", "-n", "--keep-going"]
    # There it finds `book.builder.sphinx_offline`: in this checkout, before what was there.
    path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
    # Warnings of the tools' own code are not ours to fix; those about the book are Sphinx's and do count.
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1", "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=staged, check=False)
    html = staged / "_build" / "html"
    if done.returncode != 0 or not (html / "index.html").is_file():
        lines = (done.stdout + done.stderr).splitlines()
        told = [line for line in lines if "WARNING" in line or "ERROR" in line] or lines[-25:]
        raise PublishingError("The book could not be built:\n" + "\n".join(told))
    return html


def _replace(html: Path, output: Path) -> None:
    """Put the finished pages in the place of the old ones."""
    (html / _MARK).touch()
    (html / ".nojekyll").touch()  # some hosts leave out folders such as _static without it
    old = output.with_name(f".{output.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    html.rename(output)
    shutil.rmtree(old, ignore_errors=True)


def status_page(records: Mapping[str, Mapping[str, Any]]) -> str:
    """When, how long and with what each lesson was executed, in MyST Markdown; name -> record of its executed copy."""
    rows, stands = [], dict[str, list[str]]()
    for name, record in records.items():
        at = record["executed_at"].replace("T", " ").replace("+00:00", " UTC")
        rows.append(f"| [{name}](notebooks/{name}.ipynb) | {record['mode']} | {record['seconds']:.0f} | {at} |\n")
        libraries = " | ".join(record["versions"][key] for key in ("eiwork", "python", "torch", "deepinv"))
        stand = f"{libraries} | {record['machine']['processor']}, {record['machine']['cores']} cores"
        stands.setdefault(stand, []).append(name.partition("_")[0])
    where = [f"| {stand} | {', '.join(lessons)} |\n" for stand, lessons in stands.items()]
    return _STATUS.format(rows="".join(rows), where="".join(where))

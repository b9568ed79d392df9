"""The shape of the repository: a small package, and nothing heavy beside it."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median

import pytest

MB = 1e6
CHECKPOINTS = Path("eiwork/data/checkpoints")


def lines(paths: Iterable[Path]) -> dict[Path, int]:
    return {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}


@pytest.fixture(scope="module")
def size(tracked, root):
    """The bytes of the tracked files whose path begins with a folder's."""

    def measure(folder: str = "") -> int:
        return sum((root / path).stat().st_size for path in tracked if path.is_relative_to(folder))

    return measure


@pytest.mark.parametrize(
    ("folder", "most_lines", "most_files"),
    [("eiwork", 12_000, 170), ("eiwork_study", 4_500, 80), ("book", 800, 12), ("tests", 13_000, 210)],
)
def test_a_newcomer_can_read_it(root, folder, most_lines, most_files):
    found = lines((root / folder).rglob("*.py"))
    n_lines, n_files = sum(found.values()), len(found)
    assert n_lines <= most_lines
    assert n_files <= most_files


@pytest.mark.parametrize("folder", ["eiwork", "eiwork_study", "book", "tests", "scripts"])
def test_no_file_is_long(root, folder):
    found = lines(path for path in (root / folder).rglob("*") if path.suffix in {".py", ".sh"})
    assert {str(path.relative_to(root)): n for path, n in found.items() if n > 400} == {}
    if folder.startswith("eiwork"):
        assert median(found.values()) < 150


def test_a_clone_is_light(size):
    assert size() <= 25 * MB
    assert size("results") <= 10 * MB


def test_the_only_weights_are_the_shipped_models(tracked):
    weights = [path for path in tracked if path.suffix in {".safetensors", ".pt", ".pth", ".ckpt", ".pkl"}]
    elsewhere = [str(path) for path in weights if not path.is_relative_to(CHECKPOINTS)]
    assert elsewhere == []
    assert 0 < len(weights) <= 14


def test_the_installed_packages_carry_no_script_but_the_widgets_own(tracked, project, root):
    find = project["tool"]["setuptools"]["packages"]["find"]
    assert find == {"include": ["eiwork*"]}, "book and tests stay in the checkout"
    packaged = [path for path in tracked if path.parts[0] in {"eiwork", "eiwork_study"}]
    page_parts = [path for path in packaged if path.suffix in {".js", ".css", ".html", ".woff2"}]
    assert {path.parent for path in page_parts} == {Path("eiwork/widgets")}
    assert max((root / path).stat().st_size for path in page_parts) <= 40_000

"""What stands in several files agrees; the repository is small; `make` does what its help says."""

import os
import re
import subprocess
from pathlib import Path
from statistics import median

import pytest
import yaml
from packaging.requirements import Requirement

import eiwork


@pytest.fixture(scope="module")
def extras(project):
    return project["project"]["optional-dependencies"]


def resolved(extra, extras):
    """The requirements of an extra, those of the extras it names included."""
    found = set()
    for text in extras[extra]:
        requirement = Requirement(text)
        named = requirement.extras if requirement.name == "eiwork" else ()
        found = found.union(*(resolved(name, extras) for name in named)) if named else found | {text}
    return found


def test_version_licence_oldest_python_and_paper_are_the_same_everywhere(root, project):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    latest = re.search(r"^## \[(.+?)\]", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert project["project"]["version"] == eiwork.__version__ == citation["version"] == latest[1]
    assert project["project"]["license"] == citation["license"] == "BSD-3-Clause"
    assert (root / "LICENSE").read_text().startswith("BSD 3-Clause License")
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"].startswith("eiwork")
    [paper] = citation["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2511.18667"
    authors = [author["family-names"] for author in paper["authors"]]
    assert authors == ["Mehta", "Kitichotkul", "Goyal", "Tachella"]
    oldest = project["project"]["requires-python"].removeprefix(">=")
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert project["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_the_conda_environment_takes_all_but_python_from_pyproject_and_versions_have_lower_bounds(
    root, project, extras
):
    environment = yaml.safe_load((root / "environment.yml").read_text())
    assert (environment["name"], environment["channels"]) == ("eiwork", ["conda-forge"])
    python = "python" + project["project"]["requires-python"]
    assert environment["dependencies"] == [python, "pip", {"pip": ["-e .[all]"]}]
    assert extras.keys() == {"lab", "book", "test", "data", "study", "bench", "all"}
    parts = [resolved(name, extras) for name in extras if name not in ("bench", "all")]
    assert resolved("all", extras) == set.union(*parts)
    assert not resolved("all", extras) & resolved("bench", extras), "all is everything but the peers"
    script = (root / "scripts/environment.sh").read_text()
    assert 'uv pip install --python "$python" --cache-dir "$environment/uv-cache" --editable ".[all]"' in script
    assert 'pip install --disable-pip-version-check --no-compile --editable ".[all]"' in script
    texts = [*project["project"]["dependencies"], *(text for name in extras for text in resolved(name, extras))]
    assert len(texts) > 30
    for text in texts:
        assert ">=" in {clause.operator for clause in Requirement(text).specifier}, text


@pytest.mark.parametrize(
    ("folder", "most_lines", "most_files"),
    [("eiwork", 12_000, 170), ("eiwork_study", 4_500, 80), ("book", 800, 12), ("tests", 13_000, 210)],
)
def test_a_newcomer_can_read_it_and_no_file_is_long(root, folder, most_lines, most_files):
    found = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (root / folder).rglob("*.py")}
    n_lines, n_files = sum(found.values()), len(found)
    assert n_lines <= most_lines
    assert n_files <= most_files
    assert {str(path.relative_to(root)): n for path, n in found.items() if n > 400} == {}
    assert median(found.values()) < 150


def test_a_clone_is_light_and_the_only_weights_are_the_shipped_models(tracked, root):
    sizes = {path: (root / path).stat().st_size for path in tracked}
    assert sum(sizes.values()) <= 25 * 1e6
    assert all(len(path.read_text().splitlines()) <= 400 for path in (root / "scripts").iterdir())
    assert sum(n for path, n in sizes.items() if path.is_relative_to("results")) <= 10 * 1e6
    weights = [path for path in tracked if path.suffix in {".safetensors", ".pt", ".pth", ".ckpt", ".pkl"}]
    assert [str(path) for path in weights if not path.is_relative_to("eiwork/data/checkpoints")] == []
    assert 0 < len(weights) <= 14


def test_the_installed_packages_carry_no_script_but_the_widgets_own(tracked, project, root):
    find = project["tool"]["setuptools"]["packages"]["find"]
    assert find == {"include": ["eiwork*"]}, "book and tests stay in the checkout"
    packaged = [path for path in tracked if path.parts[0] in {"eiwork", "eiwork_study"}]
    page_parts = [path for path in packaged if path.suffix in {".js", ".css", ".html", ".woff2"}]
    assert {path.parent for path in page_parts} == {Path("eiwork/widgets")}
    assert max((root / path).stat().st_size for path in page_parts) <= 40_000


def make(root, *arguments):
    # Under `make test` this is a make inside a make, which would announce the folders it enters and share options.
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "TEST_ARGS", "WORKERS", "LAB_ARGS"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(["make", *arguments], cwd=root, capture_output=True, text=True, env=environment)


def dry_run(root, *arguments):
    done = make(root, "--dry-run", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_is_the_default_and_names_every_target(root):
    done = make(root, "--silent")
    targets = re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE)
    assert done.returncode == 0
    assert {"lab", "test", "book", "lint", "notebooks", "clean", "help"} <= set(targets)
    assert [target for target in targets if f"make {target} " not in done.stdout] == []


def test_every_target_starts_with_the_environment_and_test_runs_style_types_lessons_and_every_test(root):
    for target in ("lab", "lint", "test", "notebooks", "book"):
        assert dry_run(root, target).startswith("./scripts/environment.sh"), target
    commands = dry_run(root, "test")
    order = ["ruff check .", "ruff format --check .", "mypy", "book.builder notebooks --fast --jobs=2"]
    order += ["--numprocesses=2"]
    assert sorted(map(commands.index, order)) == list(map(commands.index, order))
    assert "--dist=loadfile" in commands


def test_options_are_passed_on_and_the_book_is_built_from_freshly_executed_lessons(root):
    lab = dry_run(root, "lab", "LAB_ARGS=--no-browser --port=9000")
    assert lab.endswith("eiwork lab -- --no-browser --port=9000\n")
    chosen = dry_run(root, "test", "TEST_ARGS=tests/physics", "WORKERS=4")
    assert "book.builder" not in chosen, "chosen tests do not wait for the lessons"
    assert "--numprocesses=4" in chosen
    assert chosen.rstrip().endswith("tests/physics")
    commands = dry_run(root, "book")
    assert commands.index("builder notebooks --fast") < commands.index("builder book")

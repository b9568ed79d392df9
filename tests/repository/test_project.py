"""What stands in several files agrees: version, licence, supported Python, requirements."""

import re

import pytest
import yaml
from packaging.requirements import Requirement

import eiwork


@pytest.fixture(scope="module")
def citation(root):
    return yaml.safe_load((root / "CITATION.cff").read_text())


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


def test_the_version_and_the_licence_are_the_same_everywhere(root, project, citation):
    latest = re.search(r"^## \[(.+?)\]", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert project["project"]["version"] == eiwork.__version__ == citation["version"] == latest[1]
    assert project["project"]["license"] == citation["license"] == "BSD-3-Clause"
    assert (root / "LICENSE").read_text().startswith("BSD 3-Clause License")


def test_the_citation_names_the_software_and_the_paper(citation):
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"].startswith("eiwork")
    [paper] = citation["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2511.18667"
    authors = [author["family-names"] for author in paper["authors"]]
    assert authors == ["Mehta", "Kitichotkul", "Goyal", "Tachella"]


def test_tools_check_for_the_oldest_supported_python(project):
    oldest = project["project"]["requires-python"].removeprefix(">=")
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert project["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")


def test_the_conda_environment_takes_everything_but_python_from_pyproject_through_pip(root, project, extras):
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


def test_every_requirement_has_a_lower_bound(project, extras):
    texts = [*project["project"]["dependencies"], *(text for name in extras for text in resolved(name, extras))]
    assert len(texts) > 30
    for text in texts:
        assert ">=" in {clause.operator for clause in Requirement(text).specifier}, text

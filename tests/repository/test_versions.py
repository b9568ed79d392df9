"""The version, the licence and the supported Python stand in several files, and agree."""

import re

import yaml

import eiwork


def test_the_version_is_the_same_everywhere(root, project):
    version = project["project"]["version"]
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    latest = re.search(r"^## \[(.+?)\]", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version == eiwork.__version__ == citation["version"] == latest[1]


def test_the_licence_is_the_same_everywhere(root, project):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert project["project"]["license"] == citation["license"] == "BSD-3-Clause"
    assert (root / "LICENSE").read_text().startswith("BSD 3-Clause License")


def test_the_citation_names_the_software_and_the_paper(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"].startswith("eiwork")
    [paper] = citation["references"]
    assert paper["identifiers"][0]["value"] == "arXiv:2511.18667"
    assert [author["family-names"] for author in paper["authors"]] == [
        "Mehta",
        "Kitichotkul",
        "Goyal",
        "Tachella",
    ]


def test_tools_check_for_the_oldest_supported_python(project):
    oldest = project["project"]["requires-python"].removeprefix(">=")
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert project["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")

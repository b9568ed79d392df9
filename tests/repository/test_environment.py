"""environment.yml says what pyproject.toml says."""

import pytest
import yaml
from packaging.requirements import Requirement


@pytest.fixture(scope="module")
def environment(root):
    return yaml.safe_load((root / "environment.yml").read_text())


@pytest.fixture(scope="module")
def extras(project):
    return project["project"]["optional-dependencies"]


def resolved(extra, extras):
    """The requirements of an extra, those of the extras it names included."""
    found = set()
    for text in extras[extra]:
        requirement = Requirement(text)
        if requirement.name == "eiwork":
            found = found.union(*(resolved(name, extras) for name in requirement.extras))
        else:
            found.add(text)
    return found


def test_it_makes_an_environment_of_that_name_from_conda_forge(environment):
    assert (environment["name"], environment["channels"]) == ("eiwork", ["conda-forge"])


def test_the_python_range_is_that_of_the_project(environment, project):
    assert environment["dependencies"][0] == "python" + project["project"]["requires-python"]


def test_everything_else_comes_from_pyproject_through_pip(environment, extras):
    assert environment["dependencies"][1:] == ["pip", {"pip": ["-e .[all]"]}]
    assert "all" in extras


def test_all_is_everything_but_the_peers(extras):
    assert extras.keys() == {"lab", "book", "test", "data", "study", "bench", "all"}
    parts = [resolved(name, extras) for name in extras if name not in ("bench", "all")]
    assert resolved("all", extras) == set.union(*parts)
    assert not resolved("all", extras) & resolved("bench", extras)


def test_the_makefile_installs_the_same_extra(root):
    script = (root / "scripts/environment.sh").read_text()
    assert 'uv pip install --python "$python" --cache-dir "$environment/uv-cache" --editable ".[all]"' in script
    assert 'pip install --disable-pip-version-check --no-compile --editable ".[all]"' in script


def test_every_requirement_has_a_lower_bound(project, extras):
    texts = [
        *project["project"]["dependencies"],
        *(text for name in extras for text in resolved(name, extras)),
    ]
    assert len(texts) > 30
    for text in texts:
        assert ">=" in {clause.operator for clause in Requirement(text).specifier}, text

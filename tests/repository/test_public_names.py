"""Every public name can be imported and says what it is."""

import importlib
import inspect

import pytest

import eiwork


@pytest.fixture
def packages(modules, study_modules):
    """Every package of eiwork and eiwork_study."""
    found = (modules | study_modules).items()
    return [importlib.import_module(name) for name, path in found if path.name == "__init__.py"]


def test_the_list_of_public_names_is_sorted_and_complete():
    assert len(eiwork.__all__) == len(set(eiwork.__all__)) > 10
    assert [name for name in eiwork.__all__ if not hasattr(eiwork, name)] == []


def test_public_names_of_every_package_can_be_imported(packages):
    names = [(package, name) for package in packages for name in getattr(package, "__all__", ())]
    assert len(names) > 50
    assert [f"{package.__name__}.{name}" for package, name in names if not hasattr(package, name)] == []


def test_public_names_are_documented(packages):
    undocumented = []
    for package in packages:
        for name in getattr(package, "__all__", ()):
            thing = getattr(package, name)
            explained = inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing)
            if explained and not vars(thing).get("__doc__", thing.__doc__):
                undocumented.append(f"{package.__name__}.{name}")
    assert undocumented == []


def test_every_module_is_documented(modules, study_modules, builder_modules):
    # Read, not imported: __main__ would run the command.
    found = modules | study_modules | builder_modules
    assert [name for name, path in found.items() if not path.read_text().lstrip().startswith(('"""', 'r"""'))] == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        eiwork.no_such_name  # noqa: B018

"""Every public name can be imported and says what it is."""

import importlib
import inspect

import pytest

import eiwork


def test_public_names_of_every_package_can_be_imported_and_are_documented(packages):
    files = [item for found in packages.values() for item in found.items()]
    loaded = [importlib.import_module(name) for name, path in files if path.name == "__init__.py"]
    names = [(package, name) for package in loaded for name in getattr(package, "__all__", ())]
    assert len(names) > 50
    assert len(names) == len(set(names))
    missing, undocumented = [], []
    for package, name in names:
        thing = getattr(package, name, None)
        missing += [f"{package.__name__}.{name}"] if thing is None else []
        explained = inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing)
        if explained and not vars(thing).get("__doc__", thing.__doc__):
            undocumented.append(f"{package.__name__}.{name}")
    assert (missing, undocumented) == ([], [])


def test_every_module_is_documented(packages):
    # Read, not imported: __main__ would run the command.
    files = [path for found in packages.values() for path in found.values()]
    assert [path for path in files if not path.read_text().lstrip().startswith(('"""', 'r"""'))] == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        eiwork.no_such_name  # noqa: B018

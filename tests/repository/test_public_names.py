"""Every public name can be imported and says what it is."""

import importlib
import inspect

import pytest

import eiwork


def public_packages(modules):
    packages = [name for name, path in modules.items() if path.name == "__init__.py"]
    return [importlib.import_module(name) for name in packages]


def test_the_list_of_public_names_is_sorted_and_complete():
    assert len(eiwork.__all__) == len(set(eiwork.__all__)) > 10
    assert [name for name in eiwork.__all__ if not hasattr(eiwork, name)] == []


def test_public_names_of_every_package_can_be_imported(modules):
    lists = {package.__name__: getattr(package, "__all__", ()) for package in public_packages(modules)}
    assert sum(map(len, lists.values())) > 50
    missing = [
        f"{package}.{name}"
        for package, names in lists.items()
        for name in names
        if not hasattr(importlib.import_module(package), name)
    ]
    assert missing == []


def test_public_names_are_documented(modules):
    undocumented = []
    for package in public_packages(modules):
        for name in getattr(package, "__all__", ()):
            thing = getattr(package, name)
            explained = inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing)
            if explained and not vars(thing).get("__doc__", thing.__doc__):
                undocumented.append(f"{package.__name__}.{name}")
    assert undocumented == []


def test_every_module_is_documented(modules):
    # Read, not imported: __main__ would run the command.
    assert [name for name, path in modules.items() if not path.read_text().lstrip().startswith(('"""', 'r"""'))] == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        eiwork.no_such_name  # noqa: B018

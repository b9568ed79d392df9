"""Imports go one way, public names are documented, and files that a user opens cannot run code (no pickle)."""

import ast
import importlib
import inspect

import nbformat
import pytest

import eiwork

# A module may import from its own part of the package and from rows above, never from below or beside.
ORDER = "errors progress | files device figures table | provenance | data fixed_point | physics | symmetry | models"
ORDER += " | losses | training | analysis results | widgets | cli | __main__"
RANK = {name: rank for rank, row in enumerate(ORDER.split("|")) for name in row.split()}
PICKLING_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
PICKLING_CALLS = {"torch.load", "torch.save", "torch.jit.load", "pandas.read_pickle", "pd.read_pickle"}
IMAGING = {"deepinv", "torchvision", "skimage", "PIL", "matplotlib", "plotly", "ipywidgets", "anywidget", "IPython"}


def imports(source: str) -> set[str]:
    """Every module that a source imports, wherever in it, with `from package import name` as package.name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def roots(source: str) -> set[str]:
    return {name.split(".")[0] for name in imports(source)}


def used_parts(source: str) -> set[str]:
    """The parts of eiwork that a source uses, through an import or as `eiwork.part`."""
    parts = {name.split(".")[1] for name in imports(source) if name.startswith("eiwork.")}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "eiwork":
            parts.add(node.attr)
    return parts & RANK.keys()


def violations(part: str, source: str) -> set[str]:
    return {used for used in used_parts(source) if used != part and RANK[used] >= RANK[part]}


def test_every_part_of_the_package_has_its_place_and_imports_go_one_way(modules):
    parts = {name: name.split(".")[1] for name in modules if "." in name}
    assert set(parts.values()) == RANK.keys()
    found = {name: violations(part, modules[name].read_text()) for name, part in parts.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_a_wrong_import_would_be_found():
    told = ["from eiwork.training import train", "from eiwork import training", "import eiwork.training.recipe"]
    told += ["import eiwork\ndef f():\n    eiwork.training.train()"]
    for source in (*told, "def f():\n    from eiwork.training.recipe import Recipe"):
        assert (violations("models", source), violations("cli", source)) == ({"training"}, set()), source


def test_what_makes_the_numbers_and_the_book_stands_on_the_package_and_not_under_it(packages):
    used = {name: [roots(path.read_text()) for path in found.values()] for name, found in packages.items()}
    together = {name: set().union(*found) & packages.keys() for name, found in used.items()}
    assert together == {"eiwork": {"eiwork"}, "eiwork_study": {"eiwork", "eiwork_study"}, "book": {"eiwork", "book"}}


def test_lessons_use_the_package_alone(root):
    used = {}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        lines = "\n".join(cells).splitlines()
        used[path.stem] = roots("\n".join(line for line in lines if not line.lstrip().startswith(("%", "!"))))
    assert all("eiwork" in names for names in used.values())
    assert {name: found for name, names in used.items() if (found := names & {"eiwork_study", "book", "tests"})} == {}


def test_the_heart_knows_of_no_images_and_figures_compute_nothing(modules):
    sources = {name: path.read_text() for name, path in modules.items()}
    for part in ("fixed_point", "figures"):
        own = {name: source for name, source in sources.items() if name.startswith(f"eiwork.{part}")}
        assert len(own) > 5
        assert {name: used for name, source in own.items() if (used := used_parts(source) - {"errors", part})} == {}
        assert part == "figures" or not IMAGING & set().union(*map(roots, own.values()))


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
    # Modules are read, not imported: __main__ would run the command.
    assert [path for _, path in files if not path.read_text().lstrip().startswith(('"""', 'r"""'))] == []
    with pytest.raises(AttributeError, match="no_such_name"):
        eiwork.no_such_name  # noqa: B018


def unsafe(source: str) -> list[str]:
    """What in a source reads or writes pickles."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in PICKLING_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += sorted({f"{node.module}.{alias.name}" for alias in node.names} & PICKLING_CALLS)
            found += [node.module] if node.module.split(".")[0] in PICKLING_MODULES else []
        elif isinstance(node, ast.Call):
            found += [name for name in [ast.unparse(node.func)] if name in PICKLING_CALLS]
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            found += ["allow_pickle"] * (options.get("allow_pickle", "False") != "False")
    return found


def test_no_code_here_unpickles_and_code_that_did_would_be_found(packages):
    files = [path for found in packages.values() for path in found.values()]
    assert {path.name: found for path in files if (found := unsafe(path.read_text()))} == {}
    for source in ("import pickle", "from joblib import load", "from torch import load", "torch.load('x')"):
        assert len(unsafe(source)) == 1, source
    assert unsafe("np.load('x', allow_pickle=True)") == ["allow_pickle"]

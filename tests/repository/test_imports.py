"""Imports go one way, from the errors to the command line; the heart knows nothing of images."""

import ast

import nbformat
import pytest

# A module may import from its own part of the package and from rows above, never from below or beside.
ORDER = [
    {"errors"},
    {"files", "device", "figures"},
    {"provenance"},
    {"data", "fixed_point"},
    {"physics"},
    {"symmetry"},
    {"models"},
    {"losses"},
    {"training"},
    {"analysis", "results"},
    {"widgets"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, row in enumerate(ORDER) for name in row}
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


@pytest.mark.parametrize(
    "source",
    [
        "from eiwork.training import train",
        "from eiwork import training",
        "import eiwork.training.recipe",
        "import eiwork\ndef f():\n    eiwork.training.train()",
        "def f():\n    from eiwork.training.recipe import Recipe",
    ],
)
def test_a_wrong_import_would_be_found(source):
    assert violations("models", source) == {"training"}
    assert violations("cli", source) == set()


def test_what_makes_the_numbers_and_the_book_stands_on_the_package_and_not_under_it(packages):
    used = {name: [roots(path.read_text()) for path in found.values()] for name, found in packages.items()}
    together = {name: set().union(*found) & packages.keys() for name, found in used.items()}
    assert together == {"eiwork": {"eiwork"}, "eiwork_study": {"eiwork", "eiwork_study"}, "book": {"eiwork", "book"}}


def test_lessons_use_the_package_alone(root):
    used = {}
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        code = "\n".join(
            line for cell in cells for line in cell.splitlines() if not line.lstrip().startswith(("%", "!"))
        )
        used[path.stem] = roots(code)
    assert all("eiwork" in names for names in used.values())
    assert {name: found for name, names in used.items() if (found := names & {"eiwork_study", "book", "tests"})} == {}


def test_the_heart_knows_of_no_images_and_figures_compute_nothing(modules):
    heart = {name: path for name, path in modules.items() if name.startswith("eiwork.fixed_point")}
    assert len(heart) > 5
    for name, path in heart.items():
        source = path.read_text()
        assert used_parts(source) <= {"errors", "fixed_point"}, name
        assert not IMAGING & roots(source), name
    for name, path in modules.items():
        if name.startswith("eiwork.figures"):
            assert used_parts(path.read_text()) <= {"errors", "figures"}, name

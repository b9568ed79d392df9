"""Imports go one way, from the data to the command line; the heart knows nothing of images."""

import ast

import pytest

# A module may import from its own row's package and from rows above, never from below or beside.
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
    {"analysis"},
    {"widgets"},
    {"cli"},
]
RANK = {name: rank for rank, row in enumerate(ORDER) for name in row}
IMAGING = {
    "deepinv",
    "torchvision",
    "skimage",
    "PIL",
    "matplotlib",
    "plotly",
    "ipywidgets",
    "anywidget",
    "IPython",
}


def imports(source: str) -> set[str]:
    """Every module that a source imports, wherever in it, with `from package import name` as package.name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def used_packages(source: str) -> set[str]:
    """The parts of eiwork that a source uses, through an import or as `eiwork.part`."""
    parts = {name.split(".")[1] for name in imports(source) if name.startswith("eiwork.")}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "eiwork":
            parts.add(node.attr)
    return parts & RANK.keys()


def violations(part: str, source: str) -> set[str]:
    return {used for used in used_packages(source) if used != part and RANK[used] >= RANK[part]}


def test_every_part_of_the_package_has_its_place(modules):
    parts = {name.split(".")[1] for name in modules if "." in name}
    assert parts == RANK.keys()


def test_imports_go_one_way(modules):
    wrong = {
        name: found
        for name, path in modules.items()
        if "." in name and (found := violations(name.split(".")[1], path.read_text()))
    }
    assert wrong == {}


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


def test_the_heart_knows_of_no_images_physics_or_notebooks(modules):
    heart = {name: path for name, path in modules.items() if name.startswith("eiwork.fixed_point")}
    assert len(heart) > 5
    for name, path in heart.items():
        source = path.read_text()
        assert used_packages(source) <= {"errors", "fixed_point"}, name
        assert not IMAGING & {module.split(".")[0] for module in imports(source)}, name

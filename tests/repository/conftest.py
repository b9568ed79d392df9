import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = {"build", "dist", "runs", "vendor", "__pycache__"}


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    """The content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def modules() -> dict[str, Path]:
    """Every module of the package: dotted name -> file."""
    files = sorted((ROOT / "eiwork").rglob("*.py"))
    names = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files}
    return {name.removesuffix(".__init__"): file for file, name in names.items()}


@pytest.fixture(scope="session")
def texts() -> dict[Path, str]:
    """Every text file that people wrote here: path from the root -> content."""
    found = {}
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") and parts[0] not in {
            ".ci",
            ".pre-commit-config.yaml",
            ".gitattributes",
        }
        skipped = hidden or parts[0] == "eiwork.egg-info" or _NOT_OURS.intersection(parts)
        if skipped or not path.is_file():
            continue
        try:
            found[path.relative_to(ROOT)] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image, arrays, weights
    return found

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    """The content of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Every file that is or could be committed, from the root; outside a git checkout every file that is not hidden."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, capture_output=True, text=True)
    if (ROOT / ".git").exists() and done.returncode == 0:
        return sorted({path for name in done.stdout.split("\0") if name and (ROOT / (path := Path(name))).is_file()})
    found = (path.relative_to(ROOT) for path in sorted(ROOT.rglob("*")) if path.is_file())
    return [path for path in found if not {"build", "dist", "runs", "__pycache__"} & set(path.parts)]


@pytest.fixture(scope="session")
def packages() -> dict[str, dict[str, Path]]:
    """eiwork, eiwork_study and book -> every module of it: dotted name -> file."""
    found: dict[str, dict[str, Path]] = {"eiwork": {}, "eiwork_study": {}, "book": {}}
    for package, modules in found.items():
        for file in sorted((ROOT / package).rglob("*.py")):
            modules[".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = file
    return found


@pytest.fixture(scope="session")
def modules(packages) -> dict[str, Path]:
    """Every module of eiwork."""
    return packages["eiwork"]


@pytest.fixture(scope="session")
def texts(tracked) -> dict[Path, str]:
    """Every text file that people wrote here: path from the root -> content."""
    found = {}
    for path in tracked:
        if "vendor" in path.parts:
            continue
        try:
            found[path] = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image, arrays, weights
    return found

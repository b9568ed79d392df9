"""Shared by all tests: shapes checked at run time, fixed seeds, one thread, no display."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

# Before numpy and torch are imported: threads are read once, and two test processes share the machine's cores.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"

sys.modules["rfc3987_syntax"] = None  # see book/builder/quick_start.py

import jaxtyping

assert "eiwork" not in sys.modules, "eiwork was imported before its annotations could be checked"
sys.path.insert(0, str(Path(__file__).parent))  # the hook finds its type checker by name
jaxtyping.install_import_hook(["eiwork", "eiwork_study"], "shape_checks.checked")

import numpy as np
import pytest
import shape_checks
import torch

SLOW_FIRST = ("tests/notebooks", "tests/browser")


@pytest.fixture(autouse=True)
def _deterministic() -> Iterator[None]:
    """Every test starts from the same random state and leaves no figure open."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  # libraries that still draw from the global state
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


def pytest_configure() -> None:
    """One thread per process, whatever the machine."""
    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Check shapes anew, before the fixtures of the test, whatever their scope."""
    shape_checks.begin()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first: the lessons keep one process busy while the other builds the book."""
    items.sort(key=lambda item: [not item.nodeid.startswith(folder) for folder in SLOW_FIRST])

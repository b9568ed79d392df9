"""Files that a user opens cannot run code: no pickle, in any of its guises."""

import ast

import pytest

PICKLING_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
PICKLING_CALLS = {"torch.load", "torch.save", "torch.jit.load", "pandas.read_pickle", "pd.read_pickle"}


def unsafe(source: str) -> list[str]:
    """What in a source reads or writes pickles."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in PICKLING_MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found += sorted(names & PICKLING_CALLS)
            found += [node.module] if node.module.split(".")[0] in PICKLING_MODULES else []
        elif isinstance(node, ast.Call):
            found += [name for name in [ast.unparse(node.func)] if name in PICKLING_CALLS]
            found += [
                "allow_pickle"
                for keyword in node.keywords
                if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
            ]
    return found


def test_no_code_here_unpickles(packages):
    files = [path for found in packages.values() for path in found.values()]
    assert {path.name: found for path in files if (found := unsafe(path.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "from torch import load",
        "import torch\ntorch.load('x', weights_only=True)",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
    ],
)
def test_unpickling_would_be_found(source):
    assert len(unsafe(source)) == 1

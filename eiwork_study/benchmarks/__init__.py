"""Side by side with other libraries, and what no training says: each a function that returns plain data."""

from collections.abc import Callable
from typing import Any

from eiwork_study.benchmarks import accuracy, identifiability, memory, operators

BENCHMARKS: dict[str, Callable[[], dict[str, Any]]] = {
    "accuracy": accuracy.run,
    "tomography": operators.tomography_benchmark,
    "multicoil": operators.multicoil_benchmark,
    "memory": memory.run,
    "identifiability": identifiability.run,
}
"""Name -> what measures it. Keys of the data: rows, requirement (figures and whether it passed), settings."""

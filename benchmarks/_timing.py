"""Time of several calls in one process, turn and turn about, and the options of a script that measures it."""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleaved_medians(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each call, over rounds in which each runs once, after three rounds of warm-up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for round_number in range(repeats + 3):
        for name, call in calls.items():
            elapsed = seconds(call)
            if round_number >= 3:
                times[name].append(elapsed)
    return {name: statistics.median(values) for name, values in times.items()}


def parsed(doc: str, result: Path, *, repeats: int) -> argparse.Namespace:
    """The command line of a benchmark: threads, repeats and json, the last by default `result`."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2, help="PyTorch threads (default: 2)")
    parser.add_argument("--repeats", type=int, default=repeats, help=f"interleaved repetitions (default: {repeats})")
    parser.add_argument("--json", type=Path, default=result, help="where the figures are written")
    return parser.parse_args()

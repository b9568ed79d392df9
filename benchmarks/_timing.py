"""Time of several calls in one process, turn and turn about."""

import statistics
import time
from collections.abc import Callable


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

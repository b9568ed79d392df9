"""What a measurement was taken on: hardware, versions, commit."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch


def describe_machine(*packages: str) -> dict[str, object]:
    """Describe the machine and the software, for the JSON of a benchmark.

    Args:
        packages: distributions whose versions matter, besides torch and numpy.

    Returns:
        CPU model, cores, PyTorch threads, GPU (or None), operating system, Python and package versions, the
        commit of the checkout (None outside one) and whether it had local changes.
    """
    names = sorted({"torch", "numpy", "deepinv", *packages})
    return {
        "cpu": _cpu_model(),
        "cores": len(_usable_cores()),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in names},
        "commit": _git("rev-parse", "HEAD"),
        "local_changes": bool(_git("status", "--porcelain", "--", "eiwork", "benchmarks/*.py")),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _usable_cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip() or None

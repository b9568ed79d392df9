"""Where a result comes from: code version, commit, machine; recorded with every checkpoint and figure."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import eiwork


def code_version() -> dict[str, str | None]:
    """Version of this package and, in a source checkout, its git commit ("+changes" when files differ from it)."""
    return {"eiwork": eiwork.__version__, "commit": _commit()}


def machine() -> dict[str, str | int]:
    """Processor, cores, threads and library versions of this process."""
    import torch  # here, so that the book's tools need not wait for it

    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    libraries = {"torch": torch.__version__, "deepinv": version("deepinv")}
    system = {"system": platform.system(), "python": platform.python_version()}
    return {"processor": _processor(), "cores": cores, "threads": threads, **system, **libraries}


@cache
def _commit() -> str | None:
    # Asked once: files that change under a running process are not the code that runs.
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

"""The libraries of a run: ours, deepinv, and torchdeq where it is installed."""

import importlib.util

from eiwork_study.benchmarks.deepinv_deq import DEEPINV
from eiwork_study.benchmarks.library import Library
from eiwork_study.benchmarks.ours import OURS
from eiwork_study.benchmarks.torchdeq_deq import torchdeq_library


def has_torchdeq() -> bool:
    """Whether the optional peer is installed (`pip install "eiwork[bench]"`)."""
    return importlib.util.find_spec("torchdeq") is not None


def libraries() -> list[Library]:
    """Ours first, then the peers that are installed."""
    return [OURS, DEEPINV, *([torchdeq_library()] if has_torchdeq() else [])]

"""What a measurement was taken on: hardware, versions, commit."""

import importlib.metadata

import torch

from eiwork.provenance import code_version, machine


def describe_machine(*packages: str) -> dict[str, object]:
    """Describe the machine and the software, for the JSON of a benchmark.

    Args:
        packages: distributions whose versions matter, besides those that every checkpoint records.

    Returns:
        Processor, cores, PyTorch threads, GPU (or None), versions, and the commit of the checkout, which ends in
        "+changes" when tracked files differ from it.
    """
    return {
        **machine(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: importlib.metadata.version(name) for name in sorted({"numpy", *packages})},
        "code": code_version(),
    }

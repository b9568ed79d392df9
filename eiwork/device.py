"""The choice of a device: one function from a name on the command line to a `torch.device`."""

import re

import torch

from eiwork.errors import InputError


def resolve(name: str | torch.device = "auto") -> torch.device:
    """The `torch.device` of a name, if this machine has it.

    `name`: "auto" (the first CUDA device when there is one, else the CPU), "cpu", "cuda", "cuda:N", or a
    `torch.device` of these types. Raises InputError for another name, CUDA where torch finds none, an absent index.
    """
    text = str(name)
    if text in ("auto", "cpu"):
        return torch.device("cuda" if text == "auto" and torch.cuda.is_available() else "cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", text)
    if match is None:
        raise InputError(f"--device {text!r} is not known. Use auto, cpu, cuda, or cuda:N with the number of a GPU.")
    if not torch.cuda.is_available():
        raise InputError(f"--device {text} needs CUDA, and {_why_no_cuda()} Use --device cpu or --device auto.")
    count = torch.cuda.device_count()
    if match[1] is not None and int(match[1]) >= count:
        told = f"--device {text} does not exist: torch sees {count} CUDA device(s), numbered from 0 to {count - 1}."
        raise InputError(f"{told} Use one of these, or --device auto.")
    return torch.device(text)


def describe(device: torch.device) -> str:
    """Name a device in words for a report, for example `cpu` or `cuda (NVIDIA H200)`."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return f"this torch {torch.__version__} is a build without CUDA (install a CUDA build of torch to use a GPU)."
    told = f"torch {torch.__version__} (built for CUDA {torch.version.cuda}) finds no usable GPU: there is none, "
    return told + "its driver is missing or too old (see `nvidia-smi`), or CUDA_VISIBLE_DEVICES hides it."

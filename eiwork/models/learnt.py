"""Positive numbers that are learnt: step sizes, penalties, weights."""

import torch
from torch import nn

from eiwork.errors import InputError


def log_parameter(value: float | int, name: str, advice: str) -> nn.Parameter:
    """The logarithm of a positive number as a parameter, so that no update can make the number negative.

    Raises InputError, with the advice, for a number that is not positive and finite.
    """
    if not 0 < value < float("inf"):
        raise InputError(f"{name}={value}: must be positive and finite; {advice}.")
    return nn.Parameter(torch.tensor(float(value)).log())

"""Argument checks that several modules of this package share."""

import numbers

# A run-time type check takes `float` at its word, and people write warp=0 and window=(-160, 240).
Real = float | int


def is_whole_number(value: object) -> bool:
    """Whether a value is an integer, numpy's included; True and False are not counted as numbers."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)

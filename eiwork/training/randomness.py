"""Randomness that depends on (seed, step) alone, so that a resumed training draws what an uninterrupted one would."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Each purpose has its own stream; the numbers only need to differ.
STREAMS = {"weights": 1, "measurements": 2, "batches": 3, "steps": 4, "evaluation": 5, "probe": 7}


def derive_seed(seed: int, stream: str, step: int = 0) -> int:
    """A 63-bit seed for one purpose and step; nearby inputs give unrelated seeds (splitmix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + STREAMS[stream] * 0xBF58476D1CE4E5B9 + step * 0x94D049BB133111EB) % 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = ((value ^ (value >> shift)) * factor) % 2**64
    return (value ^ (value >> 31)) >> 1


@contextmanager
def seeded(seed: int, stream: str, step: int = 0) -> Iterator[None]:
    """Run a block with torch's generators set for (seed, stream, step); the caller's random state is restored."""
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(seed, stream, step))
        yield


def batch_indices(seed: int, step: int, n: int, batch_size: int, stream: str = "batches") -> torch.Tensor:
    """The samples of a step's batch, drawn without replacement from n (with replacement if n < batch_size)."""
    generator = torch.Generator().manual_seed(derive_seed(seed, stream, step))
    if n < batch_size:
        return torch.randint(n, (batch_size,), generator=generator)
    return torch.randperm(n, generator=generator)[:batch_size]

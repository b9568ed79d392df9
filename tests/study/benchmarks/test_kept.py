"""Kept bytes are those of the graph that is left, however many were thrown away."""

import torch

from eiwork.analysis import saved_bytes
from eiwork_study.benchmarks.kept import kept_bytes


def exponential(discarded):
    x = torch.ones(1000, requires_grad=True)
    for _ in range(discarded):
        x.exp()
    return x.exp()


def test_a_graph_that_was_thrown_away_is_not_counted():
    assert kept_bytes(lambda: exponential(0)) == kept_bytes(lambda: exponential(3)) == 4000
    assert saved_bytes(lambda: exponential(3)) == 16000


def test_a_graph_in_use_is_counted_in_full():
    def chain(n):
        x = torch.ones(1000, requires_grad=True)
        for _ in range(n):
            x = x.exp()
        return x

    assert kept_bytes(lambda: chain(5)) == 5 * kept_bytes(lambda: chain(1))

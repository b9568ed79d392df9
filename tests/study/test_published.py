"""Published numbers give the gap closures that their texts state."""

import pytest

from eiwork_study.published import PUBLISHED


def test_every_number_has_a_source_and_a_gap():
    assert len(PUBLISHED) == len({(p.problem, p.method) for p in PUBLISHED})
    for published in PUBLISHED:
        assert "arXiv" in published.source or "openreview" in published.source
        assert published.linear < published.psnr < published.supervised


@pytest.mark.parametrize(
    ("problem", "method", "percent"),
    [
        ("brain MRI 6x, single operator", "EI", 66),
        ("MRI 8x, 40 dB", "EI", 83),
        ("MRI 8x, 40 dB", "equivariant splitting", 96),
    ],
)
def test_gap_closures(problem, method, percent):
    (found,) = (p for p in PUBLISHED if (p.problem, p.method) == (problem, method))
    assert round(100 * found.gap_closure) == percent

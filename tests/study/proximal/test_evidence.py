"""The survey as evidence: pairs of the same images and seeds, and signs that the claim wants."""

import pytest

from eiwork_study.proximal.evidence import lead, level


def report(subject, seed, learnt, smallest):
    entries = {"learnt_asymmetry": {"per_image": learnt}, "smallest_eigenvalue": {"per_image": smallest}}
    return {
        "subject": subject,
        "title": subject,
        "kind": "trained",
        "seed": seed,
        "jacobian": {"iterate": {"whole": entries}},
    }


REPORTS = [
    report("ei", 0, [0.3, 0.4], [-0.5, -0.6]),
    report("ei", 1, [0.3, 0.2], [-0.7, -0.4]),
    report("initial", 0, [0.9, 1.0], [0.8, 0.9]),
    report("random", 2, [0.9, 1.0], [0.8, 0.9]),
]


def test_a_level_is_judged_by_its_sign():
    found = level(REPORTS, "ei", "smallest-eigenvalue")
    assert found.interval.mean == pytest.approx(-0.55)
    assert (found.n_seeds, found.n_images) == (2, 2)
    assert found.verdict == "not supported"
    assert level(REPORTS, "initial", "smallest-eigenvalue").over_seeds is None
    assert level(REPORTS, "mc", "smallest-eigenvalue") is None


def test_a_lead_pairs_the_seeds_that_both_have():
    found = lead(REPORTS, "ei", "initial", "learnt")
    assert found.interval.mean == pytest.approx(0.6)
    assert found.n_seeds == 1
    assert found.verdict == "partly"
    assert lead(REPORTS, "ei", "random", "learnt") is None

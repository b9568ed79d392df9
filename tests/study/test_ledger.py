"""Verdicts follow from intervals and targets alone."""

import pytest

from eiwork_study import Claim, Evidence, Exact, Interval, judge, verdict_of
from eiwork_study.ledger import MOST_SHOWN, ledger_markdown

ABOVE, ACROSS, BELOW = Interval(0.2, 0.1, 0.3), Interval(0.2, -0.1, 0.5), Interval(-0.2, -0.3, -0.1)


def evidence(interval=ABOVE, over_seeds=ABOVE, n_seeds=3, name="ct: one - other", **fields):
    return Evidence(name=name, interval=interval, over_seeds=over_seeds, n_seeds=n_seeds, n_images=4, **fields)


@pytest.mark.parametrize(
    ("interval", "over_seeds", "verdict"),
    [
        (ABOVE, ABOVE, "supported"),
        (ABOVE, ACROSS, "partly"),
        (ABOVE, None, "partly"),
        (ACROSS, ABOVE, "open"),
        (BELOW, ABOVE, "not supported"),
        (Interval(0.2, 0.0, 0.3), ABOVE, "open"),
    ],
)
def test_the_verdict_on_a_number(interval, over_seeds, verdict):
    assert verdict_of(interval, 0, over_seeds) == verdict
    assert evidence(interval, over_seeds).verdict == verdict


def test_the_target_decides():
    assert verdict_of(ABOVE, 0.05, ABOVE) == "supported"
    assert verdict_of(ABOVE, 0.2, ABOVE) == "open"
    assert verdict_of(ABOVE, 0.35, ABOVE) == "not supported"
    assert evidence(target=0.35).verdict == "not supported"


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([ABOVE, ABOVE], "supported"),
        ([ABOVE, ACROSS], "partly"),
        ([ABOVE, BELOW], "partly"),
        ([ACROSS, ACROSS], "open"),
        ([ACROSS, BELOW], "not supported"),
        ([BELOW, BELOW], "not supported"),
        ([], "open"),
    ],
)
def test_the_verdict_on_a_claim(intervals, verdict):
    assert judge([evidence(interval) for interval in intervals]) == verdict


@pytest.mark.parametrize("interval", [ABOVE, BELOW])
def test_one_training_leaves_a_claim_open(interval):
    assert judge([evidence(interval, over_seeds=None, n_seeds=1)] * 3) == "open"
    assert judge([evidence(ABOVE, over_seeds=None, n_seeds=1), evidence(ABOVE)]) == "partly"


def test_an_exact_number_needs_no_seeds():
    right, wrong = Exact(name="a", value=1e-9, bound=1e-6), Exact(name="b", value=1e-3, bound=1e-6)
    assert judge([right, right]) == "supported"
    assert judge([right, wrong]) == "partly"
    assert judge([wrong]) == "not supported"
    assert (right.text, wrong.text) == ("at most 1e-06", "1.0e-03, above 1e-06")
    assert Exact(name="c", value=0.0, bound=0.0).text == "exactly 0"
    assert Exact(name="d", value=float("nan"), bound=1.0).verdict == "not supported"


def test_the_sentence_says_how_the_numbers_voted():
    claim = Claim(number="2", words="better", evidence=(evidence(), evidence(BELOW, name="mri")), command="run")
    assert claim.sentence == (
        "**Claim 2: partly.** 1 supported, 1 not supported. ct: one - other +0.20 dB [+0.10, +0.30] (supported); "
        "mri -0.20 dB [-0.30, -0.10] (not supported)."
    )
    numbers = tuple(evidence(Interval(float(i), i - 1.0, i + 1.0), name=f"n{i}") for i in range(MOST_SHOWN + 2))
    many = Claim(number="2", words="better", evidence=numbers, command="run")
    assert many.sentence.endswith("; and 2 more.")
    exact = tuple(Exact(name=name, value=0.0, bound=0.0) for name in "abc")
    same = Claim(number="4", words="blind", evidence=exact, command="run")
    assert same.sentence == "**Claim 4: supported.** 3 supported. a, b, c exactly 0 (supported)."
    alone = Claim(number="2", words="better", evidence=(evidence(n_seeds=1),), command="run")
    assert "One training is no answer" in alone.sentence
    assert "No run speaks" in Claim(number="2", words="better", evidence=(), command="run").sentence


def test_the_ledger_is_a_table():
    claims = [
        Claim(number="1", words='"modular"', evidence=(Exact(name="a", value=0.0, bound=0.0),), command="one"),
        Claim(number="2", words='"better"', evidence=(evidence(), evidence(ACROSS)), command="two"),
        Claim(number="3", words='"prior"', evidence=(), command="three"),
    ]
    lines = ledger_markdown(claims).splitlines()
    assert lines[2:] == [
        '| 1 | "modular" | 1 of 1 | none needed | **supported** | `one` |',
        '| 2 | "better" | 1 of 2 | 3 | **partly** | `two` |',
        '| 3 | "prior" | 0 of 0 | 0 | **open** | `three` |',
    ]

"""The figure of a claim's evidence: what it draws and what its text says."""

import pytest

from eiwork.errors import InputError
from eiwork_study.figures.ledger import evidence

GOOD = {
    "labels": ["one", "two"],
    "means": [0.2, -0.1],
    "intervals": [(0.1, 0.3), (-0.2, 0.05)],
    "verdicts": ["supported", "open"],
}


def test_every_number_has_its_intervals_verdict_and_text():
    figure = evidence(**GOOD, over_seeds=[(0.05, 9.0), None], description="Claim 2.")
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.texts] == ["supported", "open"]
    assert axis.get_xlim()[1] < 1, "a wide interval over seeds does not squeeze the others"
    assert figure.alt_text.startswith("Claim 2. Intervals of difference of PSNR (dB) beside 0:")
    assert "one 0.2 (0.1 to 0.3, over seeds 0.05 to 9): supported" in figure.alt_text
    assert "two -0.1 (-0.2 to 0.05, one seed): open" in figure.alt_text


def test_the_target_lies_inside_the_axis():
    figure = evidence(**GOOD, target=1.0)
    low, high = figure.axes[0].get_xlim()
    assert low < -0.2
    assert high > 1.0
    assert figure.axes[0].lines[0].get_xdata()[0] == 1.0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"means": [0.2]}, "one mean"),
        ({"verdicts": ["supported", "perhaps"]}, "'perhaps' is not a verdict"),
        ({"intervals": [(0.3, 0.4), (-0.2, 0.05)]}, "does not contain"),
        ({"intervals": [(0.1, float("inf")), (-0.2, 0.05)]}, "not finite"),
        ({"labels": [], "means": [], "intervals": [], "verdicts": []}, "a label"),
    ],
)
def test_evidence_that_cannot_be_drawn_is_told(change, match):
    with pytest.raises(InputError, match=match):
        evidence(**(GOOD | change))

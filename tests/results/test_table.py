"""Tables of runs and of claims."""

import pytest

from eiwork import results
from eiwork.errors import InputError
from eiwork.results import Runs
from eiwork.results.verdict import share_text


def test_a_table_has_a_row_for_every_method_without_a_variant(small_study):
    table = results.table("ct", runs=Runs(small_study))
    assert [row["label"] for row in table.rows] == ["inverse", "supervised", "ei", "ei@bodies", "ei-jfb"]
    linear, _, ei, after, free = table.rows
    assert (ei["trainings"], ei["NFE"], ei["most NFE"], ei["converged"]) == (3, 11, 12, "100%")
    assert ei["gap closure"] == pytest.approx(6.1 / 8)
    assert ei["minus EI"] is None
    assert after["method"] == "EI, random bodies first (ours)"
    assert free["minus EI"].endswith("3 trainings: not supported")
    assert (linear["trainings"], linear["NFE"]) == (0, None)
    assert "ct, 20 test images" in repr(table)
    assert "<caption>ct, 20 test images</caption>" in table._repr_html_()


def test_rows_can_be_chosen_and_sorted(small_study):
    runs = Runs(small_study)
    table = results.table("ct", ["ei-jfb", "inverse", "ei"], sort="PSNR (dB)", runs=runs)
    assert [row["label"] for row in table.rows] == ["ei", "ei-jfb", "inverse"]
    by_nfe = results.table("ct", ["inverse", "ei"], sort="NFE", runs=runs)
    assert [row["label"] for row in by_nfe.rows] == ["ei", "inverse"], "rows without the number come last"
    with pytest.raises(InputError, match="no run of 'tv'"):
        results.table("ct", ["tv"], runs=runs)
    with pytest.raises(InputError, match="no run of problem 'pet'"):
        results.table("pet", runs=runs)


def test_a_method_without_partner_or_oracle_still_has_a_row(run_of):
    row = results.table("ct", ["mc"], runs=Runs((run_of("mc", seed=7), run_of("ei", seed=0)))).rows[0]
    assert (row["gap closure"], row["minus EI"]) == (None, None)


def test_a_ledger_has_a_verdict_for_each_number(small_study):
    runs = Runs(small_study)
    numbers = [results.compare(runs.get("ct", "ei"), runs.get("ct", other)) for other in ("ei-jfb", "ei@bodies")]
    table = results.ledger({"implicit wins": numbers[:1], "bodies lose": numbers[1:]})
    assert [list(row.values()) for row in table.rows] == [
        ["implicit wins", "ct: ei - ei-jfb", "+0.98 dB [+0.91, +1.06], 3 trainings", "supported"],
        ["bodies lose", "ct: ei - ei@bodies", "-1.00 dB [-1.00, -1.00], 1 training", "open"],
    ]


SHARES = [(1.0, "100%"), (0.9999, "99.9%"), (0.0, "0%"), (0.0001, "0.1%"), (0.5, "50%")]


@pytest.mark.parametrize(("share", "text"), SHARES)
def test_a_share_never_says_all_of_less(share, text):
    assert share_text(share) == text

"""Tables, as text, Markdown and HTML."""

import pytest

from eiwork import results
from eiwork.errors import InputError
from eiwork.results import Collection, Table
from eiwork.results.table import share_text


def test_a_table_has_a_row_for_every_method_without_a_variant(small_study):
    table = results.table("ct", runs=Collection(small_study))
    assert [row.method for row in table.rows] == ["inverse", "supervised", "ei", "ei@bodies", "ei-jfb"]
    ei = table.rows[2]
    assert (ei.n_trainings, ei.nfe, ei.max_nfe, ei.converged_share) == (3, 11, 12, 1.0)
    assert ei.gap.interval.mean == pytest.approx(6.1 / 8)
    assert ei.over_ei is None
    assert table.rows[4].over_ei.verdict == "not supported"
    assert table.rows[0].nfe is None


def test_rows_can_be_chosen_and_sorted(small_study):
    table = results.table("ct", ["ei", "inverse", "ei-jfb"], runs=Collection(small_study))
    ranked = table.sorted(lambda row: row.psnr.mean)
    assert [row.method for row in ranked.rows] == ["ei", "ei-jfb", "inverse"]
    by_nfe = table.sorted(lambda row: row.nfe, descending=False)
    assert [row.method for row in by_nfe.rows] == ["ei", "inverse", "ei-jfb"], "rows without the number come last"
    with pytest.raises(InputError, match="no run of 'tv'"):
        results.table("ct", ["tv"], runs=Collection(small_study))


def test_a_method_without_partner_or_oracle_still_has_a_row(run_of):
    runs = Collection((run_of("mc", seed=7), run_of("ei", seed=0)))
    row = results.table("ct", ["mc"], runs=runs).rows[0]
    assert row.gap is None
    assert row.over_ei is None


def test_every_representation_says_the_same():
    table = Table("a <title>", ((1, "x|<y>"),), {"n": lambda row: str(row[0]), "text": lambda row: row[1]})
    assert repr(table) == "a <title>\nn  text\n1  x|<y>"
    assert "| 1 | x|<y> |" in table.markdown()
    page = table._repr_html_()
    assert "a &lt;title&gt;" in page
    assert "<td>x|&lt;y&gt;</td>" in page


def test_a_ledger_has_a_verdict_for_each_number(small_study):
    runs = Collection(small_study)
    numbers = [results.compare(runs.get("ct", "ei"), runs.get("ct", other)) for other in ("ei-jfb", "ei@bodies")]
    table = results.ledger({"implicit wins": numbers[:1], "bodies lose": numbers[1:]})
    assert table.cells() == [
        ["implicit wins", "ct: ei - ei-jfb", "+0.98 dB [+0.91, +1.06], 3 trainings", "supported"],
        ["bodies lose", "ct: ei - ei@bodies", "-1.00 dB [-1.00, -1.00], 1 training", "open"],
    ]


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, "100%"), (0.9999, "99.9%"), (0.0, "0%"), (0.0001, "0.1%"), (0.5, "50%")]
)
def test_a_share_never_says_all_of_less(share, text):
    assert share_text(share) == text

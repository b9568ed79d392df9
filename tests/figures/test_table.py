"""Rows of values as text and as HTML."""

from eiwork.figures.table import Table


def test_a_table_is_text_in_a_terminal_and_html_in_a_notebook():
    table = Table([{"method": "a < b", "PSNR": 27.316, "n": 3}, {"method": "TV", "misfit": 0.01234, "n": 0.0}], "T")
    assert str(table) == repr(table)
    assert str(table).splitlines() == [
        "T",
        "method   PSNR     n  misfit",
        "------  -----  ----  ------",
        "a < b   27.32     3        ",
        "TV             0.00  0.0123",
    ]
    page = table._repr_html_()
    assert page.startswith('<table class="eiwork-table"><caption>T</caption><thead><tr><th scope="col">method</th>')
    assert "<td>a &lt; b</td><td>27.32</td><td>3</td><td></td></tr>" in page
    assert "caption" not in Table(table.rows)._repr_html_()

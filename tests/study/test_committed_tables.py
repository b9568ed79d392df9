"""The committed tables are those of the committed runs."""

import json

import pytest

from eiwork import results
from eiwork_study.tables import write_report


def test_they_can_be_made_anew(tmp_path):
    write_report(results.committed(), tmp_path)
    committed = results.results_folder() / "tables"
    for path in (tmp_path / "tables").glob("*.json"):
        made, kept = (json.loads(file.read_text())["tables"] for file in (path, committed / path.name))
        assert made.keys() == kept.keys()
        for title, rows in made.items():
            for row, same in zip(rows, kept[title], strict=True):
                assert {k: pytest.approx(v) if isinstance(v, float) else v for k, v in same.items()} == row
    assert {path.stem for path in committed.iterdir()} == {"methods", "variants", "budgets", "core_run"}

"""The committed tables are those of the committed runs."""

from eiwork import results
from eiwork_study.tables import write_report


def test_they_are_made_anew_to_the_same_bytes(tmp_path):
    write_report(results.committed(), tmp_path)
    made = {path.name: path.read_bytes() for path in (tmp_path / "tables").iterdir()}
    committed = results.results_folder() / "tables"
    assert made == {name: (committed / name).read_bytes() for name in made}
    assert {path.name for path in committed.iterdir()} == {*made, "core_run.json"}

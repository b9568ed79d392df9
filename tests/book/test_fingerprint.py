"""What makes an executed copy stale."""

from book.builder import fingerprint
from book.builder.fingerprint import identity, is_up_to_date, package_fingerprint, results_fingerprint


def test_code_data_and_results_change_the_fingerprint_and_what_no_result_depends_on_does_not(tmp_path):
    def write(text, *names):
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)

    for fingerprint_of, counts, ignored in (
        (package_fingerprint, ["a.py", "data/b.json"], ["cli/c.py", "notes.md"]),
        (results_fingerprint, ["data/run.json"], ["figure.png"]),
    ):
        write("first", *counts, *ignored)
        seen = {fingerprint_of(tmp_path)}
        write("changed", *ignored)
        assert {fingerprint_of(tmp_path)} == seen
        for name in counts:
            write("changed", name)
            seen.add(fingerprint_of(tmp_path))
        (tmp_path / name).rename(tmp_path / "data" / "other.json")
        seen.add(fingerprint_of(tmp_path))
        assert len(seen) == len(counts) + 2, "a new name is a change"


def test_a_copy_is_stale_when_notebook_mode_results_or_versions_differ(tmp_path, monkeypatch):
    lesson = tmp_path / "lesson.ipynb"
    lesson.write_text("one")
    wanted = identity(lesson, "fast")
    assert is_up_to_date({**wanted, "seconds": 1.0}, wanted)
    assert not is_up_to_date(None, wanted)
    assert not is_up_to_date(wanted, identity(lesson, "full"))
    assert not is_up_to_date({**wanted, "versions": {"torch": "0"}}, wanted)
    lesson.write_text("two")
    assert not is_up_to_date(wanted, identity(lesson, "fast"))
    before = identity(lesson, "fast")
    monkeypatch.setattr(fingerprint, "results_fingerprint", lambda: "other results")
    assert not is_up_to_date(before, identity(lesson, "fast"))

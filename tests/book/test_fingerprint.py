"""What makes an executed copy stale."""

import pytest

from book.builder import fingerprint
from book.builder.fingerprint import identity, is_up_to_date, package_fingerprint, results_fingerprint


@pytest.fixture
def package(tmp_path):
    for name, text in {"a.py": "x = 1", "data/b.json": "{}", "cli/c.py": "", "notes.md": ""}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", ["a.py", "data/b.json", "cli/c.py", "notes.md"])
def test_code_and_data_change_the_fingerprint_and_what_no_result_depends_on_does_not(package, name):
    before = package_fingerprint(package)
    assert package_fingerprint(package) == before
    (package / name).write_text("changed")
    assert (package_fingerprint(package) != before) == (name in {"a.py", "data/b.json"})
    (package / "a.py").rename(package / "b.py")
    assert package_fingerprint(package) != before, "a new name is a change"


def test_new_and_changed_results_change_the_fingerprint(tmp_path):
    seen = {results_fingerprint(tmp_path)}
    run = tmp_path / "runs" / "mri" / "ei-0.json"
    run.parent.mkdir(parents=True)
    for text in ("{}", '{"psnr": []}'):
        run.write_text(text)
        seen.add(results_fingerprint(tmp_path))
    run.rename(run.with_name("ei-1.json"))
    seen.add(results_fingerprint(tmp_path))
    (tmp_path / "figure.png").write_bytes(b"not a result")
    assert results_fingerprint(tmp_path) in seen
    assert len(seen) == 4


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

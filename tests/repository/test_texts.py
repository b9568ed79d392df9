"""What is written here is finished, holds on any machine, and links to things that exist."""

import json
import re
from pathlib import Path

import pytest

HERE = Path("tests/repository/test_texts.py")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MACHINE_PATH = re.compile(r"(?<![\w.~}])/(home|root|Users|work|mnt|opt|tmp)/[\w.]")
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")


def found(pattern: re.Pattern[str], texts: dict[Path, str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts.items()
        if path != HERE
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_nothing_is_marked_as_unfinished(texts):
    assert len(texts) > 100
    assert found(UNFINISHED, texts) == []


def test_no_path_of_one_machine_is_written_down(texts):
    assert found(MACHINE_PATH, texts) == []


@pytest.mark.parametrize("line", ["see /home/ann/data", 'open("/tmp/x")', "# TODO: later"])
def test_what_is_looked_for_would_be_found(line):
    assert bool(MACHINE_PATH.search(line)) != bool(UNFINISHED.search(line))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_to_files_that_exist(root, page):
    targets = LINK.findall((root / page).read_text())
    assert [target for target in targets if not (root / target).exists()] == []


def test_the_readme_shows_a_lesson_and_the_two_commands_at_its_top(root):
    text = (root / "README.md").read_text()
    assert re.search(r"!\[[^\]]{20,}\]\(book/images/lesson_00\.png\)", text)
    assert text.index("make lab") < text.index("make test") < 1500


def test_the_code_of_the_readme_runs(root):
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    for code in blocks:
        exec(code, names)
    x, gradient = names["x"][0].detach(), names["w"].grad
    # x = w cos x has x = 0.4501836113 at w = 1/2, and dx/dw = cos x / (1 + w sin x).
    assert x.numpy() == pytest.approx(0.4501836113, abs=1e-4)
    assert gradient.numpy() == pytest.approx((x.cos() / (1 + 0.5 * x.sin())).numpy(), rel=1e-4)
    truth = names["images"].x
    inverse = names["physics"].A_dagger(names["images"].y)
    assert (names["x_hat"] - truth).norm() < 0.5 * (inverse - truth).norm()


def test_what_the_readme_says_of_the_core_table_is_in_its_record(root):
    text = " ".join((root / "README.md").read_text().split())
    record = json.loads((root / "results/tables/core_run.json").read_text())
    again = record["repeated"]
    assert again["equal_bits"] + len(again["different"]) == again["runs"]
    furthest = max(run["largest_difference_db"] for run in again["different"])
    assert f"three seeds, {record['runs']} runs." in text
    assert f"took {record['wall_seconds'] / 60:.0f} minutes" in text
    assert f"Of {again['runs']} runs that had been done before, {again['equal_bits']} came out" in text
    assert furthest <= 0.12
    assert "within 0.12 dB" in text


def test_the_readme_names_every_command(root):
    from eiwork.cli.application import app

    text = (root / "README.md").read_text()
    names = [command.name for command in app.registered_commands] + [group.name for group in app.registered_groups]
    assert [name for name in names if f"`eiwork {name}" not in text] == []

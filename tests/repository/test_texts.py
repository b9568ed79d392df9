"""What is written here is finished, holds on any machine, and links to things that exist."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from eiwork import data
from eiwork.training import shipped_checkpoints

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


def test_nothing_is_unfinished_and_no_path_of_one_machine_is_written_down(texts):
    assert len(texts) > 100
    assert found(UNFINISHED, texts) == found(MACHINE_PATH, texts) == []
    for line in ("see /home/ann/data", 'open("/tmp/x")', "# TODO: later"):
        assert bool(MACHINE_PATH.search(line)) != bool(UNFINISHED.search(line)), "it would be found"


def test_links_lead_to_files_that_exist_and_the_readme_begins_with_a_lesson_and_two_commands(root):
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        targets = LINK.findall((root / page).read_text())
        assert [target for target in targets if not (root / target).exists()] == []
    text = (root / "README.md").read_text()
    assert re.search(r"!\[[^\]]{20,}\]\(book/images/lesson_00\.png\)", text)
    assert text.index("make lab") < text.index("make test") < 1500


@pytest.fixture(scope="module")
def readme_code(root):
    """The Python blocks of the README: the engine, a training of one's own, a trained model."""
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    return blocks


def executed(code: str) -> dict[str, Any]:
    exec(code, names := {})
    return names


def test_the_engine_of_the_readme_differentiates_a_fixed_point(readme_code):
    names = executed(readme_code[0])
    x, gradient = names["x"][0].detach(), names["w"].grad
    # x = w cos x has x = 0.4501836113 at w = 1/2, and dx/dw = cos x / (1 + w sin x).
    assert x.numpy() == pytest.approx(0.4501836113, abs=1e-4)
    assert gradient.numpy() == pytest.approx((x.cos() / (1 + 0.5 * x.sin())).numpy(), rel=1e-4)


def test_an_own_scanner_network_and_measurements_are_trained_in_twenty_lines(readme_code):
    code = readme_code[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    names = executed(code)
    truth = data.load("natural", "test", 32)
    y = names["scanner"](truth)
    with torch.no_grad():
        x_hat = names["run"].model(y, names["scanner"])
    inverse = names["scanner"].A_dagger(y)
    assert (x_hat - truth).norm() < 0.6 * (inverse - truth).norm()


def test_a_trained_model_of_the_readme_beats_the_linear_inverse(readme_code):
    names = executed(readme_code[2])
    truth, inverse = names["images"].x, names["physics"].A_dagger(names["images"].y)
    assert (names["x_hat"] - truth).norm() < 0.5 * (inverse - truth).norm()


def test_the_readme_names_every_shipped_model_and_what_it_says_of_the_core_table_is_in_its_record(root):
    text, names = " ".join((root / "README.md").read_text().split()), shipped_checkpoints()
    assert len(names) <= 14
    # Those of CT and MRI by what follows the problem.
    assert [name for name in names if f"`{name}`" not in text and f"`{name.partition('-')[2]}`" not in text] == []
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
    text, modules = (root / "README.md").read_text(), ["eiwork.cli.application", "eiwork_study.cli.application"]
    programs = ["eiwork", "eiwork-study", "python -m book.builder"]
    for program, module in zip(programs, [*modules, "book.builder.__main__"], strict=True):
        names = typer.main.get_command(importlib.import_module(module).app).commands
        assert len(names) >= 2
        assert [name for name in names if f"`{program} {name}" not in text] == []

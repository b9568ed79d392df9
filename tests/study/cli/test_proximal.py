"""`eiwork proximal`: what it measures, what it keeps, and what it refuses."""

import json

import pytest

from eiwork_study import proximal as analysis

PLACES = ("--models", "models", "--results", "results", "--work", "work")


@pytest.fixture
def made(monkeypatch):
    """Replaces the measurements by made-up ones, and records them."""
    calls = []

    def make_part(part, problem, name, seed, **options):
        calls.append((part, name, seed, options["settings"]))
        asymmetry = {"per_image": [0.1 * (seed + 1), 0.3]}
        return {
            "format": "eiwork-proximal-1" if part == "survey" else f"eiwork-proximal-{part}-1",
            "subject": name,
            "title": f"the {name}",
            "kind": "comparison",
            "seed": seed,
            "jacobian": {"iterate": {"whole": {"learnt_asymmetry": asymmetry}}},
        }

    monkeypatch.setattr(analysis, "make_part", make_part)
    return calls


def test_every_control_is_measured_once_and_shown(run, made, tmp_path):
    result = run("proximal", "mri", "--seeds", 2, "--json", "rows.json", *PLACES)
    assert result.exit_code == 0, result.output
    assert {(name, seed) for _, name, seed, _ in made} == {(c, s) for c in analysis.controls() for s in (0, 1)}
    assert "the random" in result.stdout
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert rows["reports"] == 2 * len(analysis.controls())
    assert rows["rows"][0]["mean"] == pytest.approx((0.2 + 0.25) / 2)
    count = len(made)
    assert run("proximal", "mri", "--seeds", 2, *PLACES).exit_code == 0
    assert len(made) == count


def test_parts_and_subjects_are_chosen(run, made, tmp_path):
    result = run(
        "proximal",
        "mri",
        "--part",
        "likes",
        "--part",
        "survey",
        "--subject",
        "random",
        "--seeds",
        1,
        "--light",
        *PLACES,
    )
    assert result.exit_code == 0, result.output
    assert [call[:3] for call in made] == [("likes", "random", 0), ("survey", "random", 0)]
    assert made[0][3].n_images < 50
    assert (tmp_path / "results/mri/likes/random-0.json").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--subject", "eii"), "no subject 'eii'"),
        (("--subject", "ei"), "does not exist: `eiwork reproduce"),
        (("--part", "surveys"), "no part 'surveys'"),
        (("--part", "along", "--subject", "random"), "there is no training"),
    ],
)
def test_what_cannot_be_measured_is_told(run, made, advice, arguments, says):
    result = run("proximal", "mri", *arguments, *PLACES)
    assert result.exit_code == 2
    assert says in advice(result)
    assert made == []


def test_an_unknown_problem_is_told(run, made, advice):
    result = run("proximal", "xray", *PLACES)
    assert result.exit_code == 2
    assert "no problem 'xray'" in advice(result)

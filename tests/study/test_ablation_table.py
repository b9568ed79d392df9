"""The table of ablations: differences to the reference, seed by seed and image by image."""

import numpy as np
import pytest

from eiwork.errors import InputError
from eiwork_study import Collection, seed_reach, write_report
from eiwork_study.ablation_table import ablation_markdown, ablation_rows


@pytest.fixture
def collection(make_result):
    """A reference of two seeds, one change with both, one with seed 0 alone, one without its reference, and EI."""
    solves = {"nfe": [5, 7], "converged": [True, False], "residual": [1e-5, 1e-3]}
    runs = [
        make_result("ablation-nothing", 0, (20.0, 22.0), cpu_seconds=2.0, **solves),
        make_result("ablation-nothing", 1, (20.0, 23.0), **solves),
        make_result("ablation-no-contraction", 0, (18.0, 21.0), **solves),
        make_result("ablation-no-contraction", 1, (18.0, 21.0), **solves),
        make_result("ablation-more", 0, (21.0, 23.0), cpu_seconds=3.0, **solves),
        make_result("ablation-alone", 2, (21.0, 23.0), **solves),
        make_result("ei", 0),
    ]
    return Collection({(run.problem, run.method, run.seed): run for run in runs})


def test_rows_compare_the_seeds_that_both_have(collection):
    rows = {row.change: row for row in ablation_rows(collection)}
    assert list(rows) == ["no-contraction", "nothing", "more"]
    assert rows["no-contraction"].difference.mean == pytest.approx(-1.75)
    assert rows["nothing"].difference.mean == 0
    assert (rows["more"].difference.mean, rows["more"].n_seeds) == (1.0, 1)
    assert rows["more"].cost == pytest.approx(1.5)
    assert (rows["more"].converged_share, rows["more"].nfe) == (0.5, 6.0)


def test_the_table_says_what_it_is(collection):
    text = ablation_markdown(ablation_rows(collection))
    assert "Trainings of 200 steps" in text
    assert "| mri | more | 1 | 22.00 | +1.00 [+1.00, +1.00] | 1.50x | 50% | 6.0 |" in text


def test_times_of_two_kinds_of_processor_are_not_compared(make_result):
    solves = {"nfe": [5, 7], "converged": [True, True], "residual": [1e-5, 1e-5]}

    def cost_on(processor):
        runs = [
            make_result("ablation-nothing", 0, cpu_seconds=2.0, machine={"processor": "one"}, **solves),
            make_result("ablation-more", 0, cpu_seconds=3.0, machine={"processor": processor}, **solves),
        ]
        rows = ablation_rows(Collection({(run.problem, run.method, run.seed): run for run in runs}))
        return next(row for row in rows if row.change == "more").cost, ablation_markdown(rows)

    assert cost_on("one")[0] == pytest.approx(1.5)
    cost, text = cost_on("other")
    assert cost is None
    assert "1.50x" not in text


def test_the_report_keeps_ablations_out_of_the_table_of_methods(collection, tmp_path):
    rows = write_report(collection, tmp_path)
    assert [row.method for row in rows] == ["ei"]
    assert "no-contraction" in (tmp_path / "tables/ablation.md").read_text()
    assert "no-contraction" not in (tmp_path / "tables/methods.md").read_text()


def test_a_report_of_ablations_alone_has_their_table(collection, tmp_path):
    alone = Collection({key: run for key, run in collection.runs.items() if key[1] != "ei"})
    assert write_report(alone, tmp_path) == []
    assert (tmp_path / "tables/ablation.json").exists()
    assert not (tmp_path / "tables/methods.md").exists()


def test_equal_trainings_are_within_reach_of_each_other_nineteen_times_in_twenty(make_result):
    draw, n_studies = np.random.default_rng(0), 400
    beyond = 0
    for _ in range(n_studies):
        ends = draw.normal(27.0, 0.4, 8)
        runs = [make_result("ei", seed, (end, end)) for seed, end in enumerate(ends[:4])]
        beyond += abs(ends[4:6].mean() - ends[6:8].mean()) > seed_reach(runs, n_seeds=2)
    assert 0.02 < beyond / n_studies < 0.09
    assert seed_reach(runs) == pytest.approx(seed_reach(runs, n_seeds=4) * 2)


@pytest.mark.parametrize(("n_runs", "n_seeds"), [(1, 1), (2, 0)])
def test_one_training_says_nothing_of_luck(make_result, n_runs, n_seeds):
    with pytest.raises(InputError, match="luck of a seed"):
        seed_reach([make_result("ei", seed) for seed in range(n_runs)], n_seeds)

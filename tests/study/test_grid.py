"""The grid: every task once, with the recipe it says."""

import pickle

import pytest

from eiwork.errors import InputError
from eiwork_study.grid import grid
from eiwork_study.methods import CLASSICAL, CORE_METHODS
from eiwork_study.problems import CORE_PROBLEMS


def test_the_core_table_is_three_problems_by_six_methods_by_three_seeds():
    tasks = grid(CORE_PROBLEMS, CORE_METHODS, range(3))
    assert len(tasks) == len({task.name for task in tasks}) == 3 * 6 * 3
    assert [task.seed for task in tasks] == sorted(task.seed for task in tasks)
    assert all(task.recipe.seed == task.seed for task in tasks)


def test_starts_and_variants_are_properties_of_the_tasks(tmp_path):
    (after,) = grid(["ct"], ["ei"], [1], start="bodies", variants=["stopped-gradient"])
    assert after.name == "ct/ei+stopped-gradient@bodies-1"
    assert after.result_path(tmp_path) == tmp_path / "runs" / "ct" / "ei+stopped-gradient@bodies-1.json"
    first = after.before()
    assert (first.label, first.seed, first.recipe.data.kind) == ("supervised+bodies-alone", 1, "bodies")
    assert first.before() is None
    every = {task.label for task in grid(["ct"], ["ei", "mc"], [0], variants=["all"])}
    assert {"ei+short-shifts", "ei+noise-free"} <= every
    assert "mc" not in every
    two = grid(["ct"], ["ei", "mc"], [0], variants=[None, "short"])
    assert {task.label for task in two} == {"ei", "ei+short", "mc"}


def test_what_does_not_apply_to_one_of_several_problems_or_seeds_is_left_out():
    for sigma, n in ((0.0, 1), (0.1, 2)):
        assert len(grid(["mri"], ["inverse"], [0, 1], overrides={"physics__noise_sigma": sigma})) == n
    found = {(task.problem, task.method) for task in grid(["ct", "mri"], CLASSICAL, [0])}
    assert ("ct", "fbp") in found
    assert ("mri", "fbp") not in found


def test_a_task_travels():
    (task,), (linear,) = (
        grid(["mri"], ["ei"], [3], variants=["short"], overrides={"steps": 7}),
        grid(["mri"], ["inverse"], [0]),
    )
    assert pickle.loads(pickle.dumps(task)) == task
    assert (task.steps, linear.steps) == (7, 1)


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((["mri"], ["fbp"], [0]), {}, "for tomography"),
        ((["ct"], ["ei"], [0]), {"variants": ["magic"]}, "no variant 'magic'"),
        ((["ct"], ["ei", "mc"], [0]), {"variants": ["magic"]}, "None of ei, mc applies to ct"),
        ((["ct"], ["ei"], []), {}, "at least one seed"),
    ],
)
def test_unknown_names_are_told(arguments, options, match):
    with pytest.raises(InputError, match=match):
        grid(*arguments, **options)

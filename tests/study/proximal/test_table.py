"""Reports and the table made of them."""

import copy
import json

import pytest

from eiwork.errors import DataFormatError, InputError
from eiwork.training.measurements import clean_images
from eiwork_study.proximal import (
    STATISTICS,
    control,
    load_report,
    load_reports,
    proximal_report,
    proximal_row,
    proximal_rows,
    save_report,
    trained,
)
from eiwork_study.proximal.table import values


@pytest.fixture(scope="module")
def measured(checkpoint, recipe, few):
    """Of a trained model and a control, two seeds of the latter."""
    images = clean_images(recipe)
    return [
        proximal_report(trained(checkpoint, "ei"), recipe, seed=0, settings=few),
        *(proximal_report(control("random", recipe, images, seed), recipe, seed=seed, settings=few) for seed in (0, 1)),
    ]


@pytest.fixture
def reports(measured):
    """The same, to be changed as a test likes."""
    return copy.deepcopy(measured)


def test_a_report_has_every_statistic_and_survives_its_file(reports, tmp_path):
    first, second, third = reports
    assert all(values(first, name) for name in STATISTICS)
    assert {name for name in STATISTICS if values(second, name) is None} == {"learnt-fixed-point"}
    for report in reports:
        save_report(tmp_path / f"{report['subject']}-{report['seed']}.json", report)
    assert load_reports(tmp_path) == [first, second, third]
    assert load_reports(tmp_path / "nowhere") == []


def test_rows_have_an_interval_from_two_seeds_on(reports):
    rows = proximal_rows(reports, ["learnt", "learnt-fixed-point"])
    assert list(rows) == ["ei", "random"]
    assert list(rows["random"]) == ["learnt"]
    one, two = rows["ei"]["learnt"], rows["random"]["learnt"]
    assert one.over_seeds is None
    assert (one.n_seeds, two.n_seeds, two.n_images) == (1, 2, 4)
    assert two.over_seeds.lower < two.mean < two.over_seeds.upper
    assert two.extremes[0] <= two.mean <= two.extremes[1]


def test_reports_that_do_not_belong_together_are_refused(reports):
    with pytest.raises(InputError, match="of one subject"):
        proximal_row(reports, "learnt")
    with pytest.raises(InputError, match="of one subject"):
        proximal_row([reports[1], reports[1]], "learnt")
    with pytest.raises(InputError, match="no statistic 'assymetry'"):
        values(reports[0], "assymetry")


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"format": "eiwork-run-1"})])
def test_a_file_that_is_something_else_is_named(tmp_path, text):
    path = tmp_path / "ei-0.json"
    path.write_text(text)
    with pytest.raises(DataFormatError, match=r"ei-0\.json"):
        load_report(path)

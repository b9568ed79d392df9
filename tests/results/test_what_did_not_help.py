"""The page of what did not help against the runs behind it."""

import json

import numpy as np
import pytest

from eiwork import results


@pytest.fixture(scope="module")
def record():
    return json.loads((results.results_folder() / "what_did_not_help.json").read_text())


def test_its_numbers_follow_from_the_runs(record):
    study = results.committed()
    for row in record["rows"]:
        if not row["runs"]:
            assert row["text"].startswith("diverged for ")
            continue
        own = [record["runs"][key] for key in row["runs"]]
        if row["reference"] is None:
            other = [record["runs"][key]["psnr"] for key in row["reference_runs"]]
        else:
            by_seed = {run.seed: run for run in study.of(row["problem"], row["reference"])}
            assert {run["test_data_hash"] for run in own} == {by_seed[run["seed"]].test_data_hash for run in own}
            other = [by_seed[run["seed"]].psnr for run in own]
        found = results.measured("", np.asarray([run["psnr"] for run in own]) - np.asarray(other))
        assert found.text == row["text"], row["tried"]


def test_the_page_says_what_the_record_says(record):
    page = (results.results_folder().parent / "book" / "what_did_not_help.md").read_text()
    table = [line for line in page.splitlines() if line.startswith("| ")][1:]
    rows = [
        f"| {row['tried']} | {row['problem']} | {row['against']} | {row['text']} | {row['how']} |"
        for row in record["rows"]
    ]
    rows += [f"| {name} | - | - | never measured on a committed run | - |" for name in record["never_measured"]]
    assert table == rows
    text = " ".join(page.split())
    without, with_them, sets = (sum(row[n] for row in record["solved_sets"]) for n in (2, 3, 4))
    assert f"of {sets} sets of changed scans (eight models, tolerance 1e-4), {without} were solved" in text
    assert f"and {with_them} with it" in text


def test_every_run_names_its_recipe_data_code_and_machine(record):
    for run in record["runs"].values():
        assert all((run["recipe"], run["data_hash"], run["code"]["commit"], run["machine"]["processor"]))

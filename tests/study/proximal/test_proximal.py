"""Subjects whose answer is known, the survey of them, its table and its command."""

import json

import numpy as np
import pytest
import torch

from eiwork import results
from eiwork.analysis import CompleteBasis, asymmetry, dense_jacobian, equivariance_error, jacobian
from eiwork.errors import CheckpointError, ConvergenceError, DataFormatError, InputError
from eiwork.models import ResidualBlockCNN
from eiwork.training import load_checkpoint, load_shipped
from eiwork.training.measurements import clean_images
from eiwork_study.problems import base_recipe
from eiwork_study.proximal import subjects as module
from eiwork_study.proximal.averaged import GroupAveraged
from eiwork_study.proximal.subjects import RotatedField, control, fit_denoiser, subject_of, trained
from eiwork_study.proximal.survey import SurveySettings, images_of_test, load_reports, save_report, survey, transforms
from eiwork_study.proximal.table import STATISTICS, lead, survey_table, values
from eiwork_study.task import run_task

TINY = SurveySettings(n_images=3, n_spectrum=2, krylov_size=6, probes=2, n_circles=2, order=6)


@pytest.fixture(scope="module")
def recipe():
    return base_recipe("mri").with_overrides(model__iteration__denoiser__width=4, data__image_size=16, data__n=8)


@pytest.fixture(scope="module")
def clean(recipe):
    return clean_images(recipe)


@pytest.fixture
def quick(monkeypatch):
    """Least squares in a few steps."""
    fit = module.fit_denoiser
    monkeypatch.setattr(module, "fit_denoiser", lambda network, images, seed: fit(network, images, seed=seed, steps=4))


def learnt_asymmetry(denoiser, x):
    return asymmetry(jacobian(denoiser, x), CompleteBasis()).learnt.value


def test_the_negative_control_has_the_asymmetry_that_was_put_in():
    field = RotatedField(torch.nn.Identity(), 0.25, (1, 4, 4), torch.Generator().manual_seed(0))
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    matrix = dense_jacobian(field, x)[0]
    antisymmetric = (matrix - matrix.T) / 2
    assert float(antisymmetric.norm()) == pytest.approx(0.25 * 4)
    assert float(torch.linalg.matrix_norm(antisymmetric, 2)) == pytest.approx(0.25)
    with pytest.raises(InputError, match="odd number"):
        RotatedField(torch.nn.Identity(), 0.25, (1, 3, 3), torch.Generator())


def test_least_squares_denoise_follow_from_the_seed_and_refuse_nonsense(clean):
    def fitted(seed, steps=2):
        torch.manual_seed(5)
        return fit_denoiser(ResidualBlockCNN(2, width=4, blocks=1), clean, seed=seed, steps=steps)

    noisy = clean + 0.05 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    networks = [fitted(0, steps) for steps in (1, 60)]
    with torch.no_grad():
        before, after = ((network(noisy) - clean).square().mean() for network in networks)
    assert after < before
    first, again, other = (fitted(seed).last.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    with pytest.raises(InputError, match="must be positive"):
        fit_denoiser(torch.nn.Identity(), clean, seed=0, steps=0)
    with pytest.raises(ConvergenceError, match="loss is nan"):
        fit_denoiser(torch.nn.Conv2d(2, 2, 1), clean * float("nan"), seed=0, steps=1)


def test_controls_are_what_they_say(recipe, clean, quick):
    for name in ("gradient-step", "input-convex"):
        subject = control(name, recipe, clean, 0)
        assert subject.kind == "positive"
        assert float(learnt_asymmetry(subject.denoiser.double(), clean[:1, :, :8, :8].double())) < 1e-6
    initial, random, again = (
        control(name, recipe, clean, seed) for name, seed in (("initial", 1), ("random", 1), ("initial", 2))
    )
    assert not torch.equal(initial.denoiser.last.weight, again.denoiser.last.weight)
    assert torch.allclose(initial.denoiser.last.weight * 10, random.denoiser.last.weight)
    averaged = control("averaged", recipe, clean, 0)
    assert isinstance(averaged.denoiser, GroupAveraged)
    turn = transforms(0, 2)["quarter turns"]
    assert float(equivariance_error(averaged.denoiser, clean[:2], *turn).error.max()) < 1e-5
    rotated = control("rotated", recipe, clean, 0)
    assert float(learnt_asymmetry(rotated.denoiser.double(), clean[:1, :, :16, :16].double())) > 0.1
    with pytest.raises(InputError, match="choose from initial"):
        control("magic", recipe, clean, 0)


def test_trained_subjects_come_from_a_folder_or_the_package(small_grid, places, tmp_path, monkeypatch):
    shipped = subject_of("mri", "ei", 0, None)
    assert shipped.title == "EI"
    assert subject_of("mri", "ei", 1, None) is None
    assert subject_of("mri", "mc", 0, tmp_path) is None
    (task,) = small_grid(methods=("mc",))
    run_task(task, places)
    kept = load_checkpoint(places.training(task))
    (tmp_path / "mri").mkdir()
    kept.save(tmp_path / "mri" / "mc-0")
    own = subject_of("mri", "mc", 0, tmp_path)
    assert all(torch.equal(p, kept.weights[f"iterate.denoiser.{n}"]) for n, p in own.denoiser.named_parameters())
    kept.save(tmp_path / "mri" / "mc-1")
    with pytest.raises(CheckpointError, match="another seed or problem"):
        subject_of("mri", "mc", 1, tmp_path)
    with pytest.raises(InputError, match="no subject 'magic'"):
        subject_of("mri", "magic", 0, None)
    (unrolled,) = small_grid(methods=("ei-unrolled",))
    run_task(unrolled, places)
    with pytest.raises(InputError, match="no DEQ"):
        trained(load_checkpoint(places.training(unrolled)), "ei-unrolled")


@pytest.fixture(scope="module")
def report():
    checkpoint = load_shipped("mri-ei-deq")
    recipe = checkpoint.recipe.with_overrides(data__image_size=16)
    return survey(trained(checkpoint, "ei"), recipe, seed=0, settings=TINY)


def test_the_survey_measures_every_statistic_as_the_analysis_does_and_says_what_it_depends_on(report, tmp_path):
    for name in STATISTICS:
        found = values(report, name)
        assert len(found) in (2, 3)
        assert np.isfinite(found).all()
    assert {"recipe", "code", "machine", "test_data_hash", "settings", "seconds"} <= report.keys()
    assert report["jacobian"].keys() == {"clean", "iterate", "fixed point", "noise"}
    path = save_report(tmp_path / "ei-0.json", report)
    assert load_reports(tmp_path) == [json.loads(path.read_text())] == [report]
    path.write_text("{}")
    with pytest.raises(DataFormatError, match="belongs to something else"):
        load_reports(tmp_path)
    for name, value in (("n_images", 0), ("radius", -1.0)):
        with pytest.raises(InputError, match=name):
            SurveySettings(**{name: value})
    checkpoint = load_shipped("mri-ei-deq")
    images, _ = images_of_test(checkpoint.recipe.with_overrides(data__image_size=16), 3)
    denoiser = checkpoint.model().iterate.denoiser
    exact = torch.linalg.matrix_norm(dense_jacobian(denoiser, images[:2]), 2)
    found = torch.tensor(report["jacobian"]["clean"]["whole"]["lipschitz"]["per_image"])
    assert bool(((0.8 * exact < found) & (found <= exact * 1.001)).all())
    turn = equivariance_error(denoiser, images, *transforms(0, 3)["quarter turns"])
    assert values(report, "turns") == pytest.approx(turn.learnt.tolist(), rel=1e-3)


def made(subject, seed, numbers, kind="trained"):
    part = {"iterate": {"whole": {"learnt_asymmetry": {"per_image": numbers}}}}
    return {"subject": subject, "title": subject.upper(), "kind": kind, "seed": seed, "jacobian": part}


def test_rows_and_leads_are_over_seeds():
    reports = [made("ei", s, [0.3 + 0.01 * s, 0.5]) for s in range(3)]
    reports += [made("rotated", s, [0.5 + 0.01 * s, 0.7], "negative") for s in range(4)]
    first, second = survey_table(reports, ["learnt", "turns"]).rows
    assert (first["subject"], first["seeds"], first["smallest"], first["largest"]) == ("EI", 3, 0.3, 0.5)
    assert first["mean"] == pytest.approx(0.405)
    assert first["over seeds"].startswith("[0.39")
    assert second["kind"] == "negative"
    found = lead(reports, "ei", "rotated", "learnt")
    assert (found.n_trainings, found.interval.mean, found.verdict) == (3, pytest.approx(0.2), "supported")
    assert lead(reports, "ei", "rotated", "turns") is None
    with pytest.raises(InputError, match="no statistic 'luck'"):
        values(reports[0], "luck")


def test_the_committed_survey_has_every_statistic():
    reports = load_reports(results.results_folder() / "proximal" / "mri" / "survey")
    assert {r["subject"] for r in reports} == set(module.SUBJECTS)
    for report in reports:
        missing = {name for name in STATISTICS if values(report, name) is None}
        assert missing == (set() if report["kind"] == "trained" else {"learnt-fixed-point"})


def test_the_command_makes_what_is_missing_and_prints_the_table(run, advice, tmp_path, monkeypatch, recipe):
    monkeypatch.setattr("eiwork_study.problems.base_recipe", lambda problem: recipe)
    monkeypatch.setattr(module, "base_recipe", lambda problem: recipe)
    monkeypatch.setattr("eiwork_study.proximal.survey.SurveySettings", lambda **_: TINY)
    asked = ("proximal", "mri", "--subject", "initial", "--seeds", 1, "--results", "out")
    done = run(*asked, "--light", "--json", "x.json")
    assert done.exit_code == 0, done.output
    assert "the network before training" in done.stdout
    assert json.loads((tmp_path / "x.json").read_text())["reports"] == 1
    again = run(*asked)
    assert "mri/initial-0" in done.stdout
    assert "mri/initial-0" not in again.stdout
    for subject, told in (("magic", "no subject 'magic'"), ("mc", "no subject has a model")):
        assert told in advice(run("proximal", "mri", "--subject", subject, "--seeds", 1, "--results", "none"))

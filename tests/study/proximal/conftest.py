"""A recipe small enough for a test, its trained model, and controls that are fitted for fewer steps."""

from functools import partial

import pytest

from eiwork.training import load_checkpoint, train
from eiwork_study import method_recipe
from eiwork_study.proximal import fit_denoiser, subjects
from eiwork_study.proximal.report import AnalysisSettings

SMALL = {
    "data__image_size": 16,
    "data__n_train": 8,
    "steps": 2,
    "optimiser__batch_size": 2,
    "model__iteration__width": 8,
    "model__iteration__depth": 4,
    "gradient_probe_every": None,
}


@pytest.fixture(scope="module", autouse=True)
def _short_fits():
    """What a control is by construction does not depend on how long it is fitted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subjects, "fit_denoiser", partial(fit_denoiser, steps=40))
        yield


@pytest.fixture(scope="module")
def small():
    """Fields of a recipe that make it so."""
    return SMALL


@pytest.fixture(scope="module")
def recipe(small):
    """MRI at 16x16 with a network of one block."""
    return method_recipe("mri", "ei").with_overrides(**small)


@pytest.fixture(scope="module")
def checkpoint(recipe, tmp_path_factory):
    """That recipe trained for two steps."""
    folder = tmp_path_factory.mktemp("trained")
    train(recipe, folder, device="cpu", progress=False, measure=False)
    return load_checkpoint(folder)


@pytest.fixture(scope="module")
def few():
    """Settings for a test."""
    return AnalysisSettings(
        n_images=4, n_spectrum=2, krylov_size=6, probes=4, n_circles=3, n_triangles=3, order=4, corners=2, n_rivals=6,
        n_minimised=2, ascent_steps=3,
    )  # fmt: skip

"""Studies small enough for a test."""

import pytest

from eiwork_study import Places, RunResult, grid

SMALL = {
    "data__image_size": 16,
    "data__n_train": 8,
    "steps": 4,
    "monitor_every": 2,
    "optimiser__batch_size": 2,
    "model__iteration__network": "plain",
    "model__iteration__width": 4,
    "model__iteration__depth": 2,
}


@pytest.fixture
def small_grid():
    """The function that makes tasks at 16x16 with a tiny network."""

    def make(problems=("mri",), methods=("ei", "inverse"), seeds=(0,), **overrides):
        return grid(problems, methods, seeds, SMALL | overrides)

    return make


@pytest.fixture
def places(tmp_path):
    """Folders of a study."""
    return Places(results=tmp_path / "results", work=tmp_path / "work")


@pytest.fixture
def make_result():
    """A result with given PSNRs, without training anything."""

    def make(method="ei", seed=0, psnr=(20.0, 22.0), problem="mri", **fields):
        values = {
            "recipe": {"name": "made up"},
            "data_hash": "a",
            "test_data_hash": "b",
            "code": {},
            "machine": {},
            "n_parameters": 1,
            "ssim": [0.5] * len(psnr),
            "seconds": 1.0,
            "cpu_seconds": 1.0,
        }
        return RunResult(problem=problem, method=method, seed=seed, psnr=list(psnr), **(values | fields))

    return make

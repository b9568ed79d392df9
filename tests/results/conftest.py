"""A small study of which every mean is known."""

import numpy as np
import pytest

from eiwork.results import RunResult

REST = {"recipe": {}, "data_hash": "a", "test_data_hash": "b", "code": {}, "machine": {}}
REST |= {"seconds": 2.0, "cpu_seconds": 1.0, "ssim": [0.5] * 20}


def run_of(method, seed=0, mean=30.0, *, parameters=1, problem="ct", **fields):
    """A run of 20 images whose PSNR has this mean, with the same ups and downs for every run."""
    psnr = [float(value) for value in mean + np.linspace(-1, 1, 20)]
    own = {"problem": problem, "method": method, "seed": seed, "psnr": psnr, "n_parameters": parameters}
    return RunResult(**(REST | own | fields))


@pytest.fixture(name="run_of")
def _run_of():
    return run_of


@pytest.fixture
def small_study():
    """EI about 1 dB above Jacobian-free in three trainings, with ends of the scale of gap closure."""
    return (
        *(run_of("ei", s, 30 + 0.1 * s, nfe=[10 + s] * 20, converged=[True] * 20) for s in range(3)),
        *(run_of("ei-jfb", s, 29 + 0.1 * s + 0.05 * (s == 1)) for s in range(4)),
        *(run_of("supervised", s, 32.0) for s in range(2)),
        run_of("inverse", 0, 24.0, parameters=0),
        run_of("ei", 0, 31.0, start="bodies"),
        run_of("ei", 0, 29.5, variant="short-learning-rate-8e-3"),
    )

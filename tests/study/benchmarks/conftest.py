import pytest
import torch

from eiwork.models import ResidualCNN
from eiwork.physics import mri, real_to_complex
from eiwork_study.benchmarks.problem import Problem


@pytest.fixture
def small() -> Problem:
    """A single-image MRI problem of 16x16 pixels in float64 whose map contracts."""
    physics = mri(16, acceleration=2, center_fraction=0.25).double()
    x = real_to_complex(torch.rand(1, 1, 16, 16, dtype=torch.float64))
    denoiser = ResidualCNN(2, width=8, depth=3, shrinkage=0.2).double()
    with torch.no_grad():
        denoiser.network[-1].weight.mul_(40)
    return Problem(denoiser, 1.0, physics, physics.A(x), x, torch.tensor([33.0], dtype=torch.float64))

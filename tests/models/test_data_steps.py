"""Data steps: formulas, learnt step sizes, errors."""

import pytest
import torch

from eiwork.errors import InputError
from eiwork.models import GradientStep, WhitenedStep
from eiwork.physics import mri, tomography


def test_the_step_size_is_learnt_and_stays_positive():
    step = GradientStep(0.5)
    assert step.step_size.item() == pytest.approx(0.5)
    optimiser = torch.optim.SGD(step.parameters(), lr=100.0)
    step.step_size.backward()
    optimiser.step()
    assert 0 < step.step_size.item() < 0.5


def test_whitening_reaches_the_measurement_in_far_fewer_steps():
    physics = tomography(16, 6).double()
    x = torch.rand(1, 1, 16, 16, dtype=torch.float64)
    y = physics.A(x)

    def residual_after(step, n):
        z = step.start(y, physics)
        for _ in range(n):
            z = step(z, y, physics)
        return float((physics.A(z) - y).norm() / y.norm())

    with torch.no_grad():
        plain, whitened = (
            residual_after(GradientStep().double(), 10),
            residual_after(WhitenedStep().double(), 10),
        )
        weaker = residual_after(WhitenedStep(regularisation=1.0).double(), 10)
    assert whitened < plain / 3
    assert whitened < weaker


def test_a_physics_without_whitening_is_refused_with_advice():
    with pytest.raises(InputError, match="use GradientStep"):
        WhitenedStep().start(torch.zeros(1, 2, 8, 8), mri(8, acceleration=2))


@pytest.mark.parametrize("make", [lambda: GradientStep(0.0), lambda: WhitenedStep(1.0, 0.0)])
def test_steps_must_be_positive(make):
    with pytest.raises(InputError, match="positive"):
        make()

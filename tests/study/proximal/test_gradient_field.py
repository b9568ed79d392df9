"""Fitting a gradient field: it finds one that is there, and cannot imitate a rotation."""

import pytest
import torch
from fields import SIZE, Linear, generator, images, network

from eiwork.analysis import asymmetry, jacobian
from eiwork.errors import ConvergenceError, InputError
from eiwork.models import GradientStepDenoiser, InputConvexPotential
from eiwork_study.proximal.gradient_field import fit_gradient_field
from eiwork_study.proximal.measures import RotatedField

X, TEST = images(12), images(3, seed=9)
BLUR = torch.eye(SIZE, dtype=torch.float64) * 0.5
BLUR = BLUR + 0.2 * (torch.diag(torch.ones(SIZE - 1), 1) + torch.diag(torch.ones(SIZE - 1), -1)).double()
SMOOTHING = Linear(torch.kron(BLUR, BLUR))


def student(cls=GradientStepDenoiser.convolutional):
    torch.manual_seed(0)
    return cls(1, width=8, depth=2).double()


def fit(denoiser, steps=250, **options):
    options = {"generator": generator(), "learning_rate": 1e-2} | options
    return fit_gradient_field(denoiser, student(), X, TEST, steps=steps, **options)


def test_a_gradient_field_is_found_and_a_rotation_is_not():
    found = fit(SMOOTHING)
    assert found.losses[-1] < 0.05 * found.losses[0]
    assert float(found.learnt.max()) < 0.25
    assert float(found.error.max()) < float(found.learnt.min())
    turned = fit(RotatedField(SMOOTHING, 0.5, (1, SIZE, SIZE), generator()))
    assert float(turned.learnt.min()) > 2 * float(found.learnt.max())
    assert float(asymmetry(jacobian(found.field, TEST), generator=generator()).learnt.value.max()) < 1e-10


def test_the_student_and_the_denoiser_are_left_as_they_were():
    denoiser, pupil = network(), student()
    before = [p.clone() for p in (*denoiser.parameters(), *pupil.parameters())]
    found = fit_gradient_field(denoiser, pupil, X, TEST, generator=generator(), steps=2)
    after = (*denoiser.parameters(), *pupil.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None for p in after)
    assert not torch.equal(found.field(TEST), pupil(TEST))
    assert not any(p.requires_grad for p in found.field.parameters())


def test_the_errors_are_what_they_say_and_seeds_repeat():
    found = fit(SMOOTHING, steps=3)
    target = SMOOTHING(TEST)
    difference = (found.field(TEST) - target).flatten(1).norm(dim=1)
    torch.testing.assert_close(found.error, difference / target.flatten(1).norm(dim=1))
    assert fit(SMOOTHING, steps=3).losses == found.losses


@pytest.mark.parametrize("option", [{"noise": 1.0}, {"batch_size": 2}, {"learning_rate": 1e-4}, {"steps": 5}], ids=str)
def test_every_option_changes_the_fit(option):
    changed = fit(SMOOTHING, **({"steps": 3} | option))
    assert not torch.allclose(changed.error, fit(SMOOTHING, steps=3).error)


def test_a_convex_potential_can_be_fitted_too():
    pupil = student(InputConvexPotential)
    found = fit_gradient_field(SMOOTHING, pupil, X, TEST, generator=generator(), steps=100, learning_rate=1e-2)
    assert found.losses[-1] < 0.5 * found.losses[0]


@pytest.mark.parametrize("option", [{"steps": 0}, {"noise": -1.0}, {"learning_rate": 0.0}], ids=str)
def test_unusable_settings_are_named(option):
    with pytest.raises(InputError, match=next(iter(option))):
        fit(SMOOTHING, **option)


def test_a_fit_that_is_not_finite_is_stopped():
    with pytest.raises(ConvergenceError, match="lower the learning rate"):
        fit(lambda x: x / 0, steps=1)

"""The recovered prior on other operators, and gradient fields in place of the trained operator."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d

from eiwork.errors import ConvergenceError, InputError
from eiwork.models import GradientStepDenoiser
from eiwork.physics import inpainting
from eiwork.training.measurements import clean_images
from eiwork_study import method_recipe
from eiwork_study.proximal import control, trained
from eiwork_study.proximal.elsewhere import best_of, compare_elsewhere, other_physics, plugged_in, prior_of
from eiwork_study.proximal.projection import PathGradient, compare_projections


@pytest.fixture(scope="module")
def fitted():
    recipe = method_recipe("mri", "ei").with_overrides(data__image_size=16, data__n_train=8)
    return control("gradient-step", recipe, clean_images(recipe), 0)


@pytest.fixture
def gradient_step(fitted):
    return copy.deepcopy(fitted)


def test_the_operators_are_others_and_take_the_same_images():
    recipes = [method_recipe(name, "ei") for name in ("mri", "ct", "inpainting")]
    names = [set(other_physics(recipe)) for recipe in recipes]
    assert [len(found) for found in names] == [3, 2, 1]
    assert len(set.union(*names)) == 4


class Smooth(nn.Module):
    """A symmetric blur: the proximal map of a quadratic prior, which dislikes differences of neighbours."""

    def forward(self, x):
        line = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype)
        kernel = (line[:, None] * line).repeat(x.shape[1], 1, 1, 1)
        return 0.9 * conv2d(x, kernel, padding=1, groups=x.shape[1])


def test_the_recovered_prior_against_d_plugged_in(gradient_step, recipe):
    images = clean_images(recipe)[:3]
    gradient_step.model.set_submodule("iterate.denoiser", Smooth())
    operators = {"inpainting": inpainting(16, keep=0.5, noise_sigma=0.01, channels=2)}
    rows = compare_elsewhere(gradient_step, recipe, images, operators=operators, steps=30)
    assert len(rows) == 6
    by_method = {row["method"]: row for row in rows}
    explicit = by_method["recovered prior, minimised"]
    assert explicit["monotone"] is True
    assert explicit["converged"] == 1.0
    assert len(explicit["psnr"]) == 3
    mean = {name: sum(row["psnr"]) / 3 for name, row in by_method.items()}
    assert mean["recovered prior, minimised"] > mean["minimum-norm inverse"] + 1
    # The same stationary points for the same weight, as D is a gradient.
    assert mean["recovered prior, minimised"] == pytest.approx(mean["D plugged in"], abs=0.3)
    assert "weight" not in by_method["minimum-norm inverse"]


def test_an_operator_that_diverges_has_no_psnr():
    def solve(y, physics, weight):
        raise ConvergenceError("diverged")

    x, physics = torch.rand(2, 1, 16, 16), inpainting(16)
    assert best_of(solve, (-1.0, 1.0), x, x, physics)["psnr"] is None
    good = best_of(lambda y, _, weight: (y + 0.1 / weight, {"converged": 1.0}), (-1.0, 1.0), x, x, physics)
    assert good["weight"] > 5
    assert good["converged"] == 1.0


def test_one_image_is_not_enough(gradient_step, recipe):
    with pytest.raises(InputError, match="two images"):
        compare_elsewhere(gradient_step, recipe, clean_images(recipe)[:1])


def test_the_weight_is_the_reciprocal_step(gradient_step):
    assert plugged_in(gradient_step.denoiser, 2.0).iterate.data_step.log_step.exp().item() == pytest.approx(0.5)


def test_the_potential_of_a_gradient_field_is_its_own(gradient_step, recipe):
    denoiser = gradient_step.denoiser.double()
    assert isinstance(denoiser, GradientStepDenoiser)
    x = clean_images(recipe)[:2].double()
    black = denoiser.psi(torch.zeros_like(x))
    torch.testing.assert_close(prior_of(denoiser, x).psi(x), denoiser.psi(x) - black, rtol=1e-6, atol=1e-6)


def test_the_path_gradient_of_a_gradient_field_is_the_field(gradient_step, checkpoint, recipe):
    x = clean_images(recipe)[:2].double()
    field = gradient_step.denoiser.double()
    torch.testing.assert_close(PathGradient(field)(x), field(x), rtol=1e-5, atol=1e-5)
    own = checkpoint.model().double().iterate.denoiser
    assert (PathGradient(own)(x) - own(x)).norm() > 1e-3 * own(x).norm()


def test_projections_are_compared_in_the_same_deq(checkpoint, recipe):
    subject = trained(checkpoint, "ei")
    before = subject.denoiser
    rows = {row["operator"]: row for row in compare_projections(subject, recipe, n_images=3, steps=60)}
    own, path, fitted = rows.values()
    assert subject.denoiser is before
    assert own["distance"] == 0
    assert 0 < path["distance"] < 1
    assert fitted["asymmetry"] < 1e-3 < own["asymmetry"]
    assert own["psnr"] != path["psnr"]
    assert len(own["psnr"]) == 3

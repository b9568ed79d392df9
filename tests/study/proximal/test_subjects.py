"""Trained operators and controls: what they are by construction shows in their Jacobians."""

import pytest
import torch

from eiwork.analysis import CompleteBasis, asymmetry, equivariance_error, jacobian, symmetric_spectrum
from eiwork.errors import InputError
from eiwork.symmetry import Rotation
from eiwork.training.measurements import clean_images
from eiwork_study import method_recipe
from eiwork_study.proximal import control, controls, fit_denoiser, subject_of, trained, transforms, wanted


def learnt_asymmetry(denoiser, recipe):
    x = clean_images(recipe)[:2].double()
    exact = asymmetry(jacobian(denoiser.double(), x[:, :, :8, :8]), CompleteBasis())
    return exact.learnt.value.max().item()


def test_the_positive_control_is_symmetric_and_the_rotated_one_is_not(recipe):
    images = clean_images(recipe)
    assert learnt_asymmetry(control("gradient-step", recipe, images, 0).denoiser, recipe) < 1e-6
    assert learnt_asymmetry(control("initial", recipe, images, 0).denoiser, recipe) > 0.1
    rotated = control("rotated", recipe, images, 0).denoiser.double()
    x = images[:2].double()
    measured = asymmetry(jacobian(rotated, x), CompleteBasis())
    assert measured.learnt.value.min() > 0.1


def test_the_gradient_of_a_convex_potential_is_positive_too(recipe):
    images = clean_images(recipe)
    denoiser = control("input-convex", recipe, images, 0).denoiser.double()
    assert learnt_asymmetry(denoiser, recipe) < 1e-6
    ends = symmetric_spectrum(jacobian(denoiser, images[:2].double()), generator=torch.Generator().manual_seed(0))
    assert ends.smallest.min() > 0


def test_no_transform_is_the_identity(recipe):
    x = clean_images(recipe)[:6]
    for name, transform in transforms(0).items():
        moved = transform.transform(x, **transform.get_params(x))
        assert ((moved - x).flatten(1).norm(dim=1) > 0).all(), name


def test_a_control_repeats_with_its_seed_and_differs_with_another(recipe):
    images = clean_images(recipe)
    x = images[:2]
    one, again, other = (control("denoiser", recipe, images, seed).denoiser(x) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_averaged_denoiser_is_equivariant_and_the_plain_one_is_not(recipe):
    images = clean_images(recipe)
    turn = Rotation(multiples_of=90)
    params = {"theta": torch.tensor([90.0], dtype=torch.float64)}
    errors = [
        equivariance_error(control(name, recipe, images, 0).denoiser, images[:2], turn, params).learnt.max()
        for name in ("averaged", "denoiser")
    ]
    assert errors[0] < 1e-4
    assert errors[1] > 1e-2


def test_the_fit_denoises(recipe):
    images = clean_images(recipe)
    torch.manual_seed(0)
    network = control("initial", recipe, images, 0).denoiser.requires_grad_()
    noisy = images + 0.05 * torch.randn_like(images)
    before = (network(noisy) - images).square().mean().item()
    fit_denoiser(network, images, seed=0, steps=60)
    after = (network(noisy) - images).square().mean().item()
    assert after < 0.8 * before


def test_a_trained_model_is_taken_as_it_is(checkpoint, recipe):
    subject = trained(checkpoint, "ei")
    x = clean_images(recipe)[:2]
    assert torch.equal(subject.denoiser(x), checkpoint.model().iterate.denoiser(x))
    assert subject.kind == "trained"


def test_what_has_no_operator_is_told(recipe):
    images = clean_images(recipe)
    with pytest.raises(InputError, match="no control 'gradient'"):
        control("gradient", recipe, images, 0)
    with pytest.raises(InputError, match="need a DEQ"):
        control("initial", method_recipe("mri", "ei-unet"), images, 0)
    with pytest.raises(InputError, match="must be positive"):
        fit_denoiser(torch.nn.Identity(), images, seed=0, steps=0)


def test_a_survey_lists_controls_and_the_models_there_are(tmp_path):
    folder = tmp_path / "mri"
    folder.mkdir()
    (folder / "ei-1.safetensors").touch()
    assert wanted("mri", tmp_path, 2) == [
        *((name, 0) for name in controls()),
        ("ei", 1),
        *((name, 1) for name in controls()),
    ]
    assert wanted("mri", tmp_path, 1, ["random"]) == [("random", 0)]
    assert wanted("mri", tmp_path, 2, ["ei"]) == [("ei", 1)]
    with pytest.raises(InputError, match=r"ei-0\.safetensors does not exist: `eiwork reproduce"):
        wanted("mri", tmp_path, 1, ["ei"])
    with pytest.raises(InputError, match="no subject 'eii'"):
        wanted("mri", tmp_path, 2, ["eii"])


def test_a_model_of_another_seed_is_refused(checkpoint, tmp_path):
    from eiwork.errors import CheckpointError
    from eiwork.training.checkpoints import save_checkpoint

    (tmp_path / "mri").mkdir()
    card = {key: value for key, value in checkpoint.card.items() if key not in ("format", "sha256")}
    save_checkpoint(tmp_path / "mri" / "ei-3", checkpoint.weights, card)
    with pytest.raises(CheckpointError, match="another seed or problem"):
        subject_of("mri", "ei", 3, tmp_path)

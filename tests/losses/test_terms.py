"""What is called a loss: terms by name, supervision, deepinv's losses, a function, and what is refused."""

import copy

import pytest
import torch
from deepinv.loss import EILoss, MCLoss, R2RLoss, SplittingLoss, SupLoss
from deepinv.physics.generator import BernoulliSplittingMaskGenerator
from torch import nn

from eiwork.errors import InputError
from eiwork.fixed_point import Anderson
from eiwork.losses import EI, Loss, Recorrupted, Supervised, Terms, as_loss
from eiwork.models import DEQ, ProximalGradient, ResidualCNN
from eiwork.models.baselines import UnrolledNetwork
from eiwork.physics import inpainting
from eiwork.symmetry import Rotation
from eiwork.training import fit


class Scaled(nn.Module):
    """s A^T y and its neighbour, so that a part of a scan tells of the other part."""

    def __init__(self):
        super().__init__()
        self.s = nn.Parameter(torch.tensor(0.5))

    def forward(self, y, physics):
        x = self.s * physics.A_adjoint(y)
        return x + x.roll(1, -1)


@pytest.fixture
def scene():
    physics = inpainting(8, keep=0.5, noise_sigma=0.1)
    x = torch.rand(3, 1, 8, 8)
    return Scaled(), physics(x), physics, x


def small_deq(tol=1e-6):
    return DEQ(ProximalGradient(ResidualCNN(width=4, depth=2)), Anderson(tol=tol))


def test_terms_are_reached_by_name_and_add_up():
    terms = Terms({"fit": torch.tensor(1.0), "ei": torch.tensor(2.5)})
    assert terms.total == 3.5
    assert terms["ei"] is terms.ei is terms.values["ei"]
    assert copy.deepcopy(terms).values == terms.values
    with pytest.raises(AttributeError, match="no term 'cycle'; it has fit, ei"):
        _ = terms.cycle


def test_supervised_is_the_squared_error_and_needs_the_truth(scene):
    model, y, physics, x = scene
    terms = Supervised()(model, y, physics, x)
    assert terms.values.keys() == {"supervised"}
    torch.testing.assert_close(terms.total, (model(y, physics) - x).square().mean())
    with pytest.raises(InputError, match="x is None: pass x"):
        Supervised()(model, y, physics)
    assert [loss.needs_x for loss in (Supervised(), Recorrupted(Supervised()), EI(Rotation()))] == [True, True, False]


def test_losses_of_deepinv_are_added_and_equal_ours_with_the_same_random_state(scene):
    (_, y, physics, x), model, found = scene, small_deq(), []
    for loss in (EI(Rotation(), noisy=True, weight=2.0), [MCLoss(), EILoss(Rotation(), weight=2.0)]):
        torch.manual_seed(5)
        terms = as_loss(loss)(model, y, physics, x)
        gradient = torch.autograd.grad(terms.total, list(model.parameters()))
        found.append((terms, torch.cat([part.flatten() for part in gradient])))
    (own, gradient), (theirs, reference) = found
    assert theirs.values.keys() == {"MCLoss", "EILoss"}
    torch.testing.assert_close(own.fit, theirs.MCLoss)
    # The second solves begin at T_g x and at A^T y, and differ by their tolerance.
    torch.testing.assert_close(own.ei, theirs.EILoss, rtol=1e-3, atol=0)
    assert float((gradient - reference).norm() / reference.norm()) < 1e-3


def test_deepinvs_supervision_needs_the_truth_and_two_of_a_kind_have_numbers(scene):
    model, y, physics, x = scene
    assert [as_loss(loss).needs_x for loss in (SupLoss(), MCLoss())] == [True, False]
    torch.testing.assert_close(as_loss(SupLoss())(model, y, physics, x).total, Supervised()(model, y, physics, x).total)
    assert as_loss((MCLoss(), MCLoss()))(model, y, physics).values.keys() == {"MCLoss0", "MCLoss1"}


def test_a_function_is_a_loss_with_the_terms_it_returns(scene):
    model, y, physics, x = scene
    named = as_loss(lambda model, y, physics, x: Terms({"own": model(y, physics).sum()}))
    plain = as_loss(lambda model, y, physics, x: (model(y, physics) - x).square().mean())
    assert named(model, y, physics, x).values.keys() == {"own"}
    torch.testing.assert_close(plain(model, y, physics, x)["loss"], Supervised()(model, y, physics, x).total)
    for loss in (named, plain, EI(Rotation())):
        assert isinstance(loss, Loss)
        assert as_loss(loss) is loss


MASKS = BernoulliSplittingMaskGenerator((1, 8, 8), 0.6, rng=torch.default_generator)


@pytest.mark.parametrize("loss", [R2RLoss(alpha=0.4), SplittingLoss(mask_generator=MASKS)], ids=["r2r", "splitting"])
@pytest.mark.parametrize("make", [Scaled, small_deq, lambda: UnrolledNetwork(small_deq().iterate, 2)])
def test_losses_that_change_how_the_model_is_called_train_it(loss, make, scene):
    """Their random part is drawn anew in each call, and nothing of a call stays in the loss."""
    _, y, physics, _ = scene
    model, adapted = make(), as_loss(loss)
    values = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        values.append(adapted(model, y, physics).total)
    assert torch.equal(values[0], values[2])
    assert not torch.equal(values[0], values[1])
    before = [p.detach().clone() for p in model.parameters()]
    gradients = torch.autograd.grad(values[0], list(model.parameters()))
    assert 0 < float(sum(g.abs().sum() for g in gradients)) < float("inf")
    run = fit(model, physics, y, loss, steps=1, device="cpu", progress=False, batch_size=2, ema=0.0)
    assert not all(torch.equal(p, old) for p, old in zip(run.model.parameters(), before, strict=True))


@pytest.mark.parametrize("wrong", [None, "ei", [], [MCLoss(), "ei"], [EI(Rotation())], EI, nn.MSELoss()], ids=repr)
def test_what_is_no_loss_is_told_what_is(wrong):
    with pytest.raises(InputError, match="cannot be trained with: take one of eiwork"):
        as_loss(wrong)

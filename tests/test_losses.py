"""Losses: which terms, with which weights."""

import pytest
import torch
from torch import nn

from eiwork.errors import InputError
from eiwork.losses import build_loss
from eiwork.physics import inpainting
from eiwork.symmetry import Rotation


class Halve(nn.Module):
    """A model whose reconstruction is known."""

    def forward(self, y, physics):
        return 0.5 * physics.A_adjoint(y)


@pytest.fixture
def scene():
    physics = inpainting(8, keep=0.5)
    x = torch.rand(2, 1, 8, 8)
    y = physics.A(x)
    return {"x": x, "y": y, "physics": physics, "model": Halve(), "x_net": Halve()(y, physics)}


def test_supervised_is_the_squared_error(scene):
    total, terms = build_loss("supervised")(**scene)
    torch.testing.assert_close(total, (scene["x_net"] - scene["x"]).square().mean())
    assert terms.keys() == {"supervised"}


def test_measurement_consistency_never_looks_at_x(scene):
    total, _ = build_loss("mc", mc_weight=3.0)(**(scene | {"x": None}))
    torch.testing.assert_close(total, 3 * (scene["physics"].A(scene["x_net"]) - scene["y"]).square().mean())


def test_ei_is_the_two_call_loss(scene):
    rotation = Rotation(rng=torch.Generator().manual_seed(3))
    total, terms = build_loss("ei", rotation, mc_weight=2.0, ei_weight=5.0)(**(scene | {"x": None}))
    twin = Rotation(rng=torch.Generator().manual_seed(3))
    x2 = twin(scene["x_net"])
    x3 = scene["model"](scene["physics"].A(x2), scene["physics"])
    torch.testing.assert_close(terms["ei"], 5 * (x3 - x2).square().mean())
    torch.testing.assert_close(total, terms["mc"] + terms["ei"])


def test_noise_on_the_virtual_measurement_changes_the_loss():
    physics = inpainting(8, keep=0.5, noise_sigma=0.1)
    x_net = torch.rand(2, 1, 8, 8)
    values = []
    for noisy in (False, True):
        loss = build_loss("ei", Rotation(rng=torch.Generator().manual_seed(3)), noisy=noisy)
        values.append(float(loss(x_net=x_net, y=x_net, physics=physics, model=Halve())[1]["ei"]))
    assert values[0] != values[1]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: build_loss("ei"), "needs a transform"),
        (lambda: build_loss("mc", Rotation()), "uses no group"),
        (lambda: build_loss("supervised", noisy=True), "uses no group"),
        (
            lambda: build_loss("supervised")(x_net=None, y=None, physics=None, model=None),
            "needs the ground truth",
        ),
    ],
)
def test_what_does_not_apply_is_an_error(make, match):
    if match == "needs the ground truth":
        physics, x = inpainting(8, keep=0.5), torch.rand(1, 1, 8, 8)
        with pytest.raises(InputError, match=match):
            build_loss("supervised")(x_net=x, y=x, physics=physics, model=Halve())
        return
    with pytest.raises(InputError, match=match):
        make()

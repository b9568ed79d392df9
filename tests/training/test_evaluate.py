"""`evaluate`: several models on the same measurements, in numbers, a table and pictures; what it refuses."""

import deepinv
import jaxtyping
import pytest
import torch
from torch import nn

import eiwork
from eiwork.errors import InputError
from eiwork.models.baselines import MinimumNormInverse, TotalVariation
from eiwork.training import evaluate, load_shipped
from eiwork.training.measurements import test_set as measured_test_set

SIZE = 16


class Noisy(nn.Module):
    """Draws numbers: its result depends on the random state."""

    def forward(self, y, physics):
        x = physics.A_dagger(y)
        return x + 0.1 * torch.randn_like(x)


class Wrong(nn.Module):
    def forward(self, y, physics):
        return y @ y.mT @ torch.ones(3, 3)


@pytest.fixture
def physics():
    rng = torch.Generator().manual_seed(0)
    return deepinv.physics.SinglePixelCamera(m=96, img_size=(1, SIZE, SIZE), rng=rng)


@pytest.fixture
def x():
    return eiwork.data.bodies(5, SIZE, 0)


def test_numbers_of_each_sample_are_what_their_names_say(physics, x):
    y = physics(x)
    found = evaluate({"A+": MinimumNormInverse(), "truth": Truth(x)}, physics, y, x, batch_size=2)
    by_hand = -10 * (physics.A_dagger(y) - x).square().flatten(1).mean(dim=1).log10()
    assert found.values["A+"]["psnr"] == pytest.approx(by_hand.tolist(), rel=1e-4)
    assert max(found.values["A+"]["misfit"]) < 1e-5
    assert found.values["truth"]["ssim"] == pytest.approx([1.0] * 5)
    assert found.summary["A+"]["psnr"] == pytest.approx(float(by_hand.mean()), rel=1e-4)
    assert "converged_share" not in found.summary["A+"]


class Truth(nn.Module):
    """Knows the images, in order."""

    def __init__(self, x):
        super().__init__()
        self.x, self.n = x, 0

    def forward(self, y, physics):
        self.n += len(y)
        return self.x[self.n - len(y) : self.n]


def test_a_shipped_model_has_the_figures_of_its_card_beside_the_inverse():
    checkpoint = load_shipped("mri-ei-deq")
    physics = checkpoint.recipe.build_physics()
    images = measured_test_set(checkpoint.recipe, physics)
    found = evaluate({"EI": checkpoint.model(), "A+": MinimumNormInverse()}, physics, images.y, images.x)
    card = checkpoint.card["metrics"]
    assert found.summary["EI"]["psnr"] == pytest.approx(card["model"]["psnr"], abs=0.1)
    assert found.summary["A+"]["psnr"] == pytest.approx(card["minimum-norm inverse"]["psnr"], abs=0.1)
    assert found.summary["EI"]["converged_share"] == 1
    table = found.table()
    assert [row["method"] for row in table.rows] == ["EI", "A+"]
    assert "PSNR (dB)" in str(table)
    assert "<td>EI</td>" in table._repr_html_()
    assert "EI" in found.plot().alt_text
    assert "truth" in found.images(1).alt_text
    with pytest.raises(InputError, match="the first 2 samples"):
        found.images(2)


def test_measurements_alone_give_the_misfit(physics, x):
    found = evaluate({"TV": TotalVariation(), "A+": MinimumNormInverse()}, physics, physics(x))
    assert found.summary["A+"].keys() == {"misfit"}
    assert found.summary["A+"]["misfit"] < found.summary["TV"]["misfit"] + 1e-6
    assert "misfit" in found.plot().alt_text
    assert "truth" not in found.images().alt_text


def test_the_seed_decides_of_models_that_draw_and_the_callers_state_stays(physics, x):
    y = physics(x)
    before = torch.random.get_rng_state()
    first, again, other = (evaluate(Noisy(), physics, y, x, seed=seed).values["Noisy"] for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first == again != other


def test_what_cannot_be_evaluated_is_one_clear_error(physics, x):
    jaxtyping.config.update("jaxtyping_disable", True)  # as a user meets it
    y = physics(x)
    spoilt = x.clone()
    spoilt[2, 0, 0, 0] = float("inf")
    model = MinimumNormInverse()
    for arguments, told in (
        (({}, physics, y, x), "pass a module, or a dictionary"),
        (({"a": "model"}, physics, y, x), "pass a module, or a dictionary"),
        ((model, physics, y[..., :10], x), "cannot take these samples|has samples of shape"),
        ((model, physics, y, x[:3]), "5 measurements and 3 images"),
        ((model, physics, y, spoilt), "x holds NaN or infinite values, the first in sample 2"),
        ((model, physics, y[:0], x[:0]), "holds no sample"),
        ((Wrong(), physics, y, x), "Wrong fails on these measurements"),
        ((nn.Linear(2, 2).to("meta"), physics, y, x), "Linear is on meta, and y on cpu"),
    ):
        with pytest.raises(InputError, match=told):
            evaluate(*arguments)

"""`fit`: anyone's scanner, data, network and loss; what it refuses, and when."""

import os
import signal

import deepinv
import jaxtyping
import pytest
import torch
from torch import nn

import eiwork
from eiwork import losses, models, symmetry
from eiwork.errors import CheckpointError, InputError
from eiwork.models.baselines import MinimumNormInverse
from eiwork.training import Contraction, fit, load_checkpoint

SIZE = 16


class Smoother(nn.Module):
    """A network of the user's own."""

    def __init__(self, channels=1, width=4):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, channels, 3, padding=1)
        )
        nn.init.zeros_(self.layers[-1].weight)

    def forward(self, x):
        return 0.9 * x - self.layers(x)


class Unlearnt(nn.Module):
    """A reconstruction that is no DEQ: a network on A^+ y."""

    def __init__(self):
        super().__init__()
        self.net = Smoother()

    def forward(self, y, physics):
        return self.net(physics.A_dagger(y))


def blur():
    kernel = deepinv.physics.functional.gaussian_blur(sigma=(1.0, 1.0))
    return deepinv.physics.BlurFFT((1, SIZE, SIZE), kernel, noise_model=deepinv.physics.GaussianNoise(0.02))


def sensing():
    rng = torch.Generator().manual_seed(0)
    return deepinv.physics.CompressedSensing(m=64, img_size=(1, SIZE, SIZE), rng=rng)


def single_pixel():
    rng = torch.Generator().manual_seed(0)
    return deepinv.physics.SinglePixelCamera(m=64, img_size=(1, SIZE, SIZE), rng=rng)


def images(n, seed=0):
    return eiwork.data.bodies(n, SIZE, seed)


def deq(width=4, exact=False):
    torch.manual_seed(1)
    solver, gradient = eiwork.Anderson(tol=1e-3, max_iter=40), eiwork.Implicit(eiwork.GMRES(tol=0.1, max_iter=20))
    denoiser = Smoother(width=width)
    steps = models.ProximalGradient(denoiser, models.GradientStep(0.1))
    return models.DEQ(models.HalfQuadraticSplitting(denoiser, 0.3) if exact else steps, solver, gradient)


def measured(physics, n=12, seed=0):
    torch.manual_seed(seed)
    x = images(n, seed)
    return physics(x), x


def quick(model, physics, y, loss=None, **options):
    options = {"steps": 3, "batch_size": 2, "progress": False, "monitor_every": 1, "device": "cpu"} | options
    return fit(model, physics, y, losses.EI(symmetry.Rotation("fourier")) if loss is None else loss, **options)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("make", [blur, single_pixel])
@pytest.mark.filterwarnings("ignore::eiwork.errors.ConvergenceWarning")
def test_own_physics_and_denoiser_learn_from_measurements_alone(make):
    physics = make()
    (y, _), (y_test, x_test) = measured(physics, 32), measured(physics, 4, seed=5)
    fit_term = losses.Sure(0.02) if make is blur else losses.Fit()
    run = fit(
        deq(8, exact=True),
        physics,
        y,
        losses.EI(symmetry.Rotation("fourier"), fit_term),
        steps=25,
        learning_rate=4e-3,
        warmup=10,
        progress=False,
        device="cpu",
        held_out=(y_test, x_test),
        monitor_every=25,
    )
    found = eiwork.evaluate({"EI": run.model, "inverse": MinimumNormInverse()}, physics, y_test, x_test).summary
    assert found["EI"]["psnr"] > found["inverse"]["psnr"] + 0.2
    assert found["EI"]["converged_share"] == 1
    assert run.history[-1]["held_out_psnr"] == pytest.approx(found["EI"]["psnr"], abs=1e-3)
    assert not run.interrupted
    assert run.checkpoint is None


def test_the_model_is_trained_in_place_and_ends_as_the_average():
    physics = sensing()
    model, before = deq(), weights(deq())
    run = quick(model, physics, measured(physics)[0], ema=0.0)
    assert run.model is model
    assert not model.training
    assert not torch.equal(weights(model), before)
    other = quick(deq(), physics, measured(physics)[0], ema=0.9)
    assert not torch.equal(weights(model), weights(other.model))


def test_an_interrupted_and_resumed_training_has_the_same_bits(tmp_path):
    def press_ctrl_c(step, **values):
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    physics = blur()
    y, x = measured(physics)
    loss = losses.EI(symmetry.Rotation("fourier"), losses.Sure(0.02), noisy=True, cycle=1.0)
    common = {"steps": 5, "held_out": (y[:2], x[:2])}
    whole = quick(deq(), physics, y, loss, **common)
    handler = signal.getsignal(signal.SIGINT)
    stopped = quick(deq(), physics, y, loss, output=tmp_path, on_step=press_ctrl_c, **common)
    assert signal.getsignal(signal.SIGINT) is handler
    assert (stopped.interrupted, load_checkpoint(stopped.checkpoint).card["step"]) == (True, 2)
    assert len(stopped.history) == 2
    resumed = quick(deq(), physics, y, loss, output=tmp_path, resume=True, **common)
    assert not resumed.interrupted
    assert torch.equal(weights(resumed.model), weights(whole.model))
    untimed = [[{k: v for k, v in e.items() if "seconds" not in k} for e in r.history] for r in (resumed, whole)]
    assert untimed[0] == untimed[1]
    with pytest.raises(CheckpointError, match="loss differ"):
        quick(deq(), physics, y, output=tmp_path, resume=True, **common)
    with pytest.raises(CheckpointError, match="data differ"):
        quick(deq(), physics, y + 0.1, loss, output=tmp_path, resume=True, **common)


def test_on_step_stops_a_training_and_the_callers_random_state_stays():
    physics = sensing()
    y, _ = measured(physics)
    model = deq()
    before = torch.random.get_rng_state()
    run = quick(model, physics, y, on_step=lambda step, **values: step == 2)
    assert run.interrupted
    assert [entry["step"] for entry in run.history] == [1, 2]
    assert torch.equal(before, torch.random.get_rng_state())


def test_weights_of_a_network_of_the_users_go_back_into_an_instance_that_the_user_makes(tmp_path):
    physics = sensing()
    y, _ = measured(physics)
    run = quick(Unlearnt(), physics, y, output=tmp_path / "run")
    checkpoint = load_checkpoint(run.checkpoint)
    assert torch.equal(weights(checkpoint.load_into(Unlearnt())), weights(run.model))
    assert checkpoint.card["model"] == "Unlearnt"
    group = checkpoint.card["settings"]["loss"]["group"]
    assert (group["kind"], group["interpolation"], group["max_degrees"]) == ("Rotation", "fourier", 180.0)
    assert sorted(path.suffix for path in (tmp_path / "run").iterdir()) == [".json"] * 2 + [".safetensors"] * 2
    with pytest.raises(CheckpointError, match="holds the weights of a Unlearnt of yours"):
        checkpoint.model()
    with pytest.raises(CheckpointError, match="do not fit the model"):
        checkpoint.load_into(Smoother())


class Folder(torch.utils.data.Dataset):
    """Measurements that are made when they are asked for: nothing is kept, whatever the length."""

    def __init__(self, make, n=10_000):
        self.make, self.n, self.seen = make, n, []

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        self.seen.append(index)
        return self.make(index)


def test_a_data_set_equals_its_tensors_and_is_read_by_the_batch_alone():
    physics = sensing()
    y, x = measured(physics)
    from_tensor = quick(deq(), physics, y)
    for make in (
        lambda i: {"y": y[i]},
        lambda i: {"x": x[i], "y": y[i]},
        lambda i: (x[i], y[i]),
        lambda i: (float("nan"), y[i]),
    ):
        assert torch.equal(weights(quick(deq(), physics, Folder(make, 12)).model), weights(from_tensor.model))
    large = Folder(lambda i: {"y": y[i % 12]})
    quick(deq(), physics, large)
    assert len(large.seen) < 20
    supervised = quick(deq(), physics, Folder(lambda i: {"y": y[i], "x": x[i]}, 12), losses.Supervised())
    assert torch.equal(weights(supervised.model), weights(quick(deq(), physics, y, losses.Supervised(), x=x).model))


def test_parameters_of_the_physics_for_each_sample_reach_the_operator():
    generator = torch.Generator().manual_seed(0)
    masks = (torch.rand(12, 1, SIZE, SIZE, generator=generator) < 0.6).float()
    x = images(12)
    physics = deepinv.physics.Inpainting(img_size=(1, SIZE, SIZE), mask=masks[0])
    kept = physics.mask.clone()
    own = Folder(lambda i: {"y": masks[i] * x[i], "params": {"mask": masks[i]}}, 12)
    run = quick(deq(exact=True), physics, own, held_out=own)
    assert torch.equal(physics.mask, kept)
    # The data step with the right mask explains y; with a mask that is not its own it cannot.
    assert run.history[-1]["held_out_misfit"] < 0.35
    one_for_all = quick(deq(exact=True), physics, masks * x)
    assert not torch.equal(weights(run.model), weights(one_for_all.model))


def test_losses_of_deepinv_and_functions_train_in_the_place_of_ours():
    physics = sensing()
    y, x = measured(physics)
    ours = quick(deq(), physics, y, losses.Supervised(), x=x)
    theirs = quick(deq(), physics, y, deepinv.loss.SupLoss(), x=x)
    own = quick(deq(), physics, y, lambda model, y, physics, x: (model(y, physics) - x).square().mean(), x=x)
    torch.testing.assert_close(weights(theirs.model), weights(ours.model))
    torch.testing.assert_close(weights(own.model), weights(ours.model))
    both = quick(deq(), physics, y, [deepinv.loss.MCLoss(), deepinv.loss.TVLoss(1e-3)])
    assert {"MCLoss", "TVLoss"} <= both.history[0].keys()


def test_contraction_control_acts_on_a_deq_and_is_refused_elsewhere():
    physics = sensing()
    y, _ = measured(physics)
    controls = (None, Contraction(target=0.1, samples=1), Contraction(target=0.1, samples=None))
    runs = [quick(deq(), physics, y, contraction=c) for c in controls]
    assert "contraction" not in runs[0].history[0]
    assert len({float(weights(run.model).sum()) for run in runs}) == 3
    assert "contraction" not in quick(Unlearnt(), physics, y).history[0]
    with pytest.raises(InputError, match="controls the fixed points of a DEQ, and Unlearnt has none"):
        quick(Unlearnt(), physics, y, contraction=Contraction(target=0.5))


def bad_inputs():
    """Argument changes, with what the one clear error says."""
    physics = sensing()
    y, x = measured(physics)
    spoilt = y.clone()
    spoilt[3, 0] = float("nan")
    wrong = losses.EI(symmetry.Rotation("fourier"))
    return {
        "wrong shape": ({"y": y[:, :50]}, "cannot take these samples|has samples of shape"),
        "images in place of measurements": ({"y": x}, "cannot take these samples|has samples of shape"),
        "no samples": ({"y": y[:0]}, "holds no sample"),
        "integers": ({"y": y.long()}, "floating-point"),
        "another type": ({"y": y.double()}, "convert one|cannot take these samples"),
        "NaN": ({"y": spoilt}, "NaN or infinite values, the first in sample 3 of 12"),
        "lengths": ({"x": x[:5], "loss": losses.Supervised()}, "12 measurements and 5 images"),
        "x of another shape": ({"x": x[..., :8], "loss": losses.Supervised()}, "cannot take these samples"),
        "no x": ({"loss": losses.Supervised()}, "needs the ground truth x"),
        "no x, deepinv": ({"loss": deepinv.loss.SupLoss()}, "needs the ground truth x"),
        "no loss": ({"loss": "ei"}, "cannot be trained with"),
        "loss of many numbers": ({"loss": lambda m, y, p, x: m(y, p)}, "a tensor of one number"),
        "zero steps": ({"steps": 0}, "at least one step"),
        "batch size": ({"batch_size": 0}, "batch_size"),
        "learning rate": ({"learning_rate": -1.0}, "learning_rate=-1.0: must be positive"),
        "no device": ({"device": "tpu"}, "not known"),
        "a number": ({"y": 3}, "int: pass a tensor"),
        "a data set of strings": ({"y": Folder(lambda i: "text", 5)}, "data set yields dictionaries"),
        "a data set without y": ({"y": Folder(lambda i: {"x": x[0]}, 5)}, "is a dictionary of x"),
        "a data set with NaN": ({"y": Folder(lambda i: {"y": spoilt[3]}, 5)}, "NaN or infinite"),
        "two sources of x": ({"y": Folder(lambda i: {"y": y[i]}, 5), "x": x}, "holds its own x"),
        "held-out of another physics": ({"held_out": (x, x)}, "cannot take these samples|held_out has samples"),
        "held-out lengths": ({"held_out": (y, x[:3])}, "12 measurements and 3 images"),
        "no module": ({"model": lambda y, physics: y}, "takes a torch module"),
        "nothing to train": ({"model": MinimumNormInverse()}, "no parameter that requires a gradient"),
        "not linear": ({"physics": deepinv.physics.Physics(A=lambda x: x.abs())}, "linear physics"),
        "physics elsewhere": ({"physics": sensing().to("meta")}, "The physics is on the device meta"),
        "model that fails": ({"model": nn.Linear(3, 3), "loss": wrong}, "cannot be computed for the first samples"),
        "resume without output": ({"resume": True, "output": None}, "pass the output"),
    }


BAD = bad_inputs()


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_clear_error_before_any_file_is_written(name, tmp_path):
    change, told = BAD[name]
    # As a user meets it, whose arguments no type checker has seen.
    jaxtyping.config.update("jaxtyping_disable", True)
    physics = sensing()
    arguments = {"model": deq(), "physics": physics, "y": measured(physics)[0], "output": tmp_path / "out"} | change
    with pytest.raises(InputError, match=told):
        quick(**arguments)
    assert not (tmp_path / "out").exists()


def test_a_run_is_plotted_and_says_when_there_is_nothing_to_plot():
    physics = sensing()
    y, x = measured(physics)
    run = quick(deq(), physics, y, held_out=(y[:3], x[:3]))
    assert "held-out PSNR" in run.plot().alt_text
    early = quick(deq(), physics, y, monitor_every=100, on_step=lambda step, **values: True)
    with pytest.raises(InputError, match="nothing to plot yet"):
        early.plot()

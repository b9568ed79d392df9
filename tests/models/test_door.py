"""What users bring to a model: other types and devices, autocast, compile, no samples, denoisers with a noise level."""

import copy

import deepinv
import pytest
import torch
from deepinv.physics import Inpainting

from eiwork.errors import InputError
from eiwork.fixed_point import Anderson
from eiwork.losses import EI, Fit, Recorrupted, Sure, as_loss
from eiwork.models import (
    ADMM,
    DEQ,
    GradientDescent,
    GradientStepDenoiser,
    GuardedDEQ,
    HalfQuadraticSplitting,
    InputConvexPotential,
    NoiseLevel,
    ProximalGradient,
    ResidualBlockCNN,
    ResidualCNN,
)
from eiwork.models.baselines import ConjugateGradientSENSE, MinimumNormInverse, TotalVariation, UnrolledNetwork
from eiwork.physics import mri, tomography
from eiwork.symmetry import Rotation

PLAIN = Inpainting((1, 8, 8), mask=0.5, device="cpu")


def blocks():
    return ResidualBlockCNN(1, width=4, blocks=1)


def deq(make=blocks):
    torch.manual_seed(0)
    return DEQ(ProximalGradient(make()), Anderson(tol=1e-5))


def images(n=2, size=8):
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(0))


MODELS = {
    "deq": deq,
    "admm": lambda: DEQ(ADMM(ResidualCNN(1, width=4, depth=2))),
    "potential": lambda: DEQ(HalfQuadraticSplitting(InputConvexPotential(1, width=4, depth=2))),
    "guarded": lambda: GuardedDEQ(deq()),
    "unrolled": lambda: UnrolledNetwork(deq().iterate, 2),
    "tv": TotalVariation,
    "sense": ConjugateGradientSENSE,
    "inverse": MinimumNormInverse,
}
EVERY = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


@EVERY
def test_what_is_no_finite_tensor_of_the_models_device_is_refused_and_no_sample_is_none(make):
    model, y = make(), PLAIN.A(images())
    for bad, match in ((y / 0, "y holds NaN or infinite"), (y.to("meta"), r"y: torch.float32 on meta; .*on cpu")):
        with pytest.raises(InputError, match=match):
            model(bad, PLAIN)
    assert model(y[:0], PLAIN).shape == (0, 1, 8, 8)
    if any(parameter.ndim for parameter in model.parameters()):
        with pytest.raises(InputError, match=r'y: torch.float64 .*model: torch.float32.* y.to\("cpu", torch.float32\)'):
            model(y.double(), PLAIN)
        with pytest.raises(InputError, match=r'y: torch.float32 .*model: torch.float64.* y.to\("cpu", torch.float64\)'):
            make().double()(y, PLAIN)


def test_the_one_that_differs_is_named_with_the_cast_and_what_torch_promotes_passes():
    y, x, mixed = PLAIN.A(images()), images(), deq()
    mixed.iterate.denoiser.last.double()
    blind = mri(8, acceleration=2)
    wide = deq(lambda: ResidualCNN(2, width=4, depth=2))
    for run, match in (
        (lambda: deq().half()(y, PLAIN), "torch.autocast around the call"),
        (lambda: mixed(y, PLAIN), r'model: torch.float32 on cpu, torch.float64 on cpu.*Try model.to\("cpu", torch.f'),
        (lambda: deq().to("meta")(y, PLAIN), r'Try y.to\("meta", torch.float32\)'),
        (lambda: deq()(y, PLAIN, z0=x.double()), r"z0 has shapes, types .*float64.*starts from .*float32"),
        (lambda: deq().solve(y, PLAIN, z0=x.to("meta")), "z0 has .*'meta'.* starts from .*'cpu'"),
    ):
        with pytest.raises(InputError, match=match):
            run()
    assert deq().double()(y.double(), PLAIN).dtype == torch.float64  # a mask of the other type
    scan = blind.A(torch.rand(1, 2, 8, 8))
    assert wide(scan, copy.deepcopy(blind).double()).dtype == torch.float32, "masks follow the measurement"


def test_empty_batches_keep_the_graph_and_have_no_loss():
    model, y = deq(), PLAIN.A(images())[:0]
    model(y, PLAIN).sum().backward()
    assert all(not p.grad.any() for p in model.iterate.denoiser.parameters())
    for loss in (EI(Rotation()), Fit(), Sure(0.1), Recorrupted(EI(Rotation())), as_loss(deepinv.loss.MCLoss())):
        with pytest.raises(InputError, match="y holds no samples"):
            loss(model, y, PLAIN)


DENOISERS = [blocks, lambda: GradientStepDenoiser.convolutional(1, width=4)]


@pytest.mark.parametrize("make", DENOISERS, ids=["blocks", "gradient step"])
@pytest.mark.parametrize("physics", [tomography(8, 5, noise_sigma=0.01), PLAIN], ids=["ct", "inpainting"])
def test_losses_under_autocast_have_the_gradient_of_float32_within_its_accuracy(make, physics):
    y, losses = physics.A(images()), [EI(Rotation(), cycle=1.0), EI(Rotation(), Sure(0.01))]
    for loss in losses:
        found = []
        for enabled in (False, True):
            model = deq(make)
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                torch.manual_seed(1)
                terms = loss(model, y, physics)
                terms.total.backward()
                assert model(y, physics).dtype == GuardedDEQ(model)(y, physics).dtype == torch.float32
            found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        assert 0 < float((found[1] - found[0]).norm() / found[0].norm()) < 0.1


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch's own look, while it compiles
def test_compiled_models_solves_and_losses_do_the_same_and_a_whole_graph_is_told_why_not():
    model, y, weight = deq(), PLAIN.A(images()), lambda model: model.iterate.denoiser.last.weight
    torch._dynamo.reset()
    with pytest.raises(Exception, match="Leave fullgraph=True out"):
        torch.compile(model, backend="eager", fullgraph=True)(y, PLAIN)
    torch._dynamo.reset()
    loss = torch.compile(lambda y: Fit()(model, y, PLAIN).total, backend="aot_eager")
    found = [torch.autograd.grad(total, weight(model))[0] for total in (Fit()(model, y, PLAIN).total, loss(y))]
    assert torch.equal(*found)
    assert torch.equal(torch.compile(model, backend="eager")(y, PLAIN), model(y, PLAIN))
    solution = torch.compile(model.solve, backend="eager")(y, PLAIN)
    assert torch.equal(solution.value, model.solve(y, PLAIN).value)
    inner = deq(lambda: torch.compile(model.iterate.denoiser, backend="eager"))
    assert torch.equal(inner(y, PLAIN), model(y, PLAIN))


def drunet():
    torch.manual_seed(0)
    return deepinv.models.DRUNet(in_channels=1, out_channels=1, nc=[4, 4, 4, 4], nb=1, pretrained=None)


def test_a_noise_level_is_fixed_or_learnt_and_its_lack_is_told():
    for iteration in (ProximalGradient, GradientDescent, HalfQuadraticSplitting, ADMM, GradientStepDenoiser):
        with pytest.raises(InputError, match=r"DRUNet takes a noise level .* NoiseLevel\(denoiser, sigma=0.05\)"):
            iteration(drunet())
    with pytest.raises(InputError, match="sigma=0"):
        NoiseLevel(drunet(), 0)
    for network in (drunet(), deepinv.models.DnCNN(1, 1, depth=3, nf=4, pretrained=None)):
        x = images(2, 9)[..., :7]  # odd sides, which the network pads
        torch.testing.assert_close(NoiseLevel(network, 0.1)(x), network(x, 0.1))
    physics, learnt = Inpainting((1, 8, 8), mask=0.5), NoiseLevel(drunet(), 0.05, learn=True)
    model = DEQ(ProximalGradient(learnt), Anderson(tol=1e-2))
    y, optimiser = physics.A(images()), torch.optim.SGD([learnt.log_sigma], lr=1e4)
    model(y, physics).square().sum().backward()
    optimiser.step()
    assert 0 < learnt.sigma.item() != pytest.approx(0.05)
    fixed = NoiseLevel(drunet(), 0.05)
    assert not fixed.log_sigma.requires_grad
    assert "log_sigma" in fixed.state_dict()

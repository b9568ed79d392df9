"""torch.compile changes the speed of the solve and, beyond rounding, nothing."""

import copy
import shutil

import pytest
import torch
import torch._inductor.config
from torch import nn

from eiwork.errors import InputError
from eiwork.fixed_point import Anderson
from eiwork.models import DEQ, Inertial, ProximalGradient
from eiwork.models.compiled import Compiled
from eiwork.physics import inpainting


class Squash(nn.Module):
    """A denoiser of a few elementwise operations: one small kernel to compile."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.7))

    def forward(self, x):
        return torch.tanh(self.gain * x) + 0.01 * x


@pytest.fixture
def scene():
    physics = inpainting(8, keep=0.5)
    return physics, physics.A(torch.rand(2, 1, 8, 8)), ProximalGradient(Squash())


def test_the_equilibrium_and_the_gradient_are_those_of_the_iteration(scene, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    physics, y, iteration = scene
    plain, compiled = DEQ(iteration, Anderson(tol=1e-6)), DEQ(Compiled(iteration), Anderson(tol=1e-6))
    results = []
    # Without trial compilations of instruction sets and headers, which take longer than the kernel.
    with torch._inductor.config.patch({"cpp.vec_isa_ok": True, "cpp_cache_precompile_headers": False}):
        for model in (plain, compiled):
            x = model(y, physics)
            (first,) = torch.autograd.grad(x.square().sum(), iteration.denoiser.gain, create_graph=True)
            # A compiled graph could not be differentiated twice.
            (second,) = torch.autograd.grad(first, iteration.denoiser.gain)
            results.append([x.detach(), first.detach(), second])
        with torch.no_grad():
            z = torch.rand(2, 1, 8, 8)
            step, expected = compiled.iteration(z, y, physics), iteration(z, y, physics)
    for expected_value, found in zip(*results, strict=True):
        assert float((found - expected_value).norm()) <= 1e-4 * float(expected_value.norm())
    assert float((step - expected).norm() / expected.norm()) < 1e-6
    # Something was compiled, into the folder of this test; a copy would compile for itself.
    assert any(tmp_path.rglob("*.cpp"))
    assert not copy.deepcopy(compiled.iterate)._compiled
    assert compiled.state_dict().keys() == {f"iterate.iteration.{k}" for k in iteration.state_dict()}


def test_without_a_compiler_there_is_one_clear_error_and_gradients_still_work(scene, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    physics, y, iteration = scene
    model = DEQ(Compiled(iteration))
    with pytest.raises(InputError, match=r"needs the C\+\+ compiler"):
        model(y, physics)
    assert model.iteration(torch.rand(2, 1, 8, 8), y, physics).requires_grad


def test_what_cannot_be_compiled_is_an_error(scene):
    with pytest.raises(InputError, match="Compiled takes an iteration with its own `denoiser`"):
        Compiled(Inertial(scene[2]))
    with pytest.raises(InputError, match=r"backend='warp'.*inductor"):
        Compiled(scene[2], backend="warp")

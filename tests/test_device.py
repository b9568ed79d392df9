"""Names of devices; and annotated shapes, which are checked in every test anew."""

import jaxtyping
import pytest
import shape_checks
import torch

from eiwork import device
from eiwork.errors import InputError
from eiwork.symmetry.rotation import rotate_by_shears


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_auto_is_cuda_where_it_exists_and_devices_are_accepted_as_they_are(two_gpus):
    assert device.resolve("auto") == torch.device("cuda")
    for name in ("cuda", "cuda:0", "cuda:1", torch.device("cpu")):
        assert device.resolve(name) == torch.device(name)


@pytest.mark.parametrize(("built_for", "reason"), [(None, "build without CUDA"), ("12.4", "finds no usable GPU")])
def test_without_cuda_auto_is_the_cpu_and_cuda_an_error_with_the_reason(no_gpu, monkeypatch, built_for, reason):
    assert device.resolve() == device.resolve(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setattr(torch.version, "cuda", built_for)
    with pytest.raises(InputError, match=rf"--device cuda needs CUDA.*{reason}.*--device cpu or --device auto"):
        device.resolve("cuda")


@pytest.mark.parametrize("name", ["", "gpu", "mps", "cuda:", "cuda:-1", "cpu:0", "cuda:2"])
def test_an_unknown_or_absent_device_lists_the_known_ones(two_gpus, name):
    told = r"cuda:2 does not exist.*numbered from 0 to 1" if name == "cuda:2" else r"Use auto, cpu, cuda, or cuda:N"
    with pytest.raises(InputError, match=told):
        device.resolve(name)


def test_devices_are_described_in_words(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Imagined GPU")
    assert device.describe(torch.device("cpu")) == "cpu"
    assert device.describe(torch.device("cuda:0")) == "cuda:0 (Imagined GPU)"


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_wrong_shape_is_refused_until_enough_calls_were_checked(attempt):
    x, angle = torch.zeros(2, 1, 4, 4), torch.zeros(2)
    with pytest.raises(jaxtyping.TypeCheckError, match="degrees"):
        rotate_by_shears(x, angle[:1])
    assert not jaxtyping.config.jaxtyping_disable
    for _ in range(shape_checks.CALLS):
        rotate_by_shears(x, angle)
    assert jaxtyping.config.jaxtyping_disable

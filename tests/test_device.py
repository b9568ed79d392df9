import pytest
import torch

from eiwork import device
from eiwork.errors import InputError


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_auto_is_the_cpu_without_cuda(no_gpu):
    assert device.resolve("auto") == torch.device("cpu")


def test_auto_is_cuda_where_it_exists(two_gpus):
    assert device.resolve("auto") == torch.device("cuda")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:1"])
def test_existing_gpus_are_accepted_by_name(two_gpus, name):
    assert device.resolve(name) == torch.device(name)


def test_a_torch_device_is_accepted_as_it_is(no_gpu):
    assert device.resolve(torch.device("cpu")) == torch.device("cpu")


def test_cuda_without_cuda_names_the_option_and_the_way_out(no_gpu):
    with pytest.raises(InputError, match=r"--device cuda needs CUDA.*--device cpu or --device auto"):
        device.resolve("cuda")


@pytest.mark.parametrize(("built_for", "reason"), [(None, "build without CUDA"), ("12.4", "finds no usable GPU")])
def test_the_reason_tells_a_cpu_build_from_a_missing_gpu(no_gpu, monkeypatch, built_for, reason):
    monkeypatch.setattr(torch.version, "cuda", built_for)
    with pytest.raises(InputError, match=reason):
        device.resolve("cuda")


def test_a_gpu_beyond_the_last_is_an_error_with_the_range(two_gpus):
    with pytest.raises(InputError, match=r"cuda:2 does not exist.*numbered from 0 to 1"):
        device.resolve("cuda:2")


@pytest.mark.parametrize("name", ["", "gpu", "mps", "cuda:", "cuda:-1", "cpu:0"])
def test_an_unknown_name_lists_the_known_ones(two_gpus, name):
    with pytest.raises(InputError, match=r"Use auto, cpu, cuda, or cuda:N"):
        device.resolve(name)


def test_devices_are_described_in_words(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Imagined GPU")
    assert device.describe(torch.device("cpu")) == "cpu"
    assert device.describe(torch.device("cuda:0")) == "cuda:0 (Imagined GPU)"

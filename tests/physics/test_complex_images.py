import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import magnitude, real_to_complex


def test_a_real_image_gets_a_zero_imaginary_part_and_comes_back():
    x = torch.rand(2, 1, 5, 4, generator=torch.Generator().manual_seed(0))
    z = real_to_complex(x)
    assert torch.equal(z[:, :1], x)
    assert torch.equal(z[:, 1:], torch.zeros_like(x))
    assert torch.equal(magnitude(z), x)


def test_magnitude_is_the_absolute_value():
    z = torch.tensor([3.0, -4.0]).view(1, 2, 1, 1)
    assert magnitude(z).item() == 5.0


def test_the_derivative_of_the_magnitude_is_finite_at_zero():
    z = torch.zeros(1, 2, 2, 2, requires_grad=True)
    magnitude(z).sum().backward()
    assert torch.equal(z.grad, torch.zeros(1, 2, 2, 2))


def test_wrong_channels_and_complex_tensors_are_refused():
    with pytest.raises(InputError, match=r"x has shape \(1, 2, 4, 4\), .* \(batch, 1"):
        real_to_complex(torch.zeros(1, 2, 4, 4))
    with pytest.raises(InputError, match=r"x has shape \(1, 1, 4, 4\), .* real and imaginary part"):
        magnitude(torch.zeros(1, 1, 4, 4))
    with pytest.raises(InputError, match="x is complex"):
        magnitude(torch.zeros(1, 2, 4, 4, dtype=torch.complex64))

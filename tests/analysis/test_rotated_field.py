"""The negative control is what it says."""

import pytest
import torch
from fields import SIZE, generator, images, network

from eiwork.analysis import RotatedField, dense_jacobian
from eiwork.errors import InputError

X = images(2)


def test_its_rotation_is_antisymmetric_orthogonal_and_of_known_size():
    field = RotatedField(network(), 0.3, (1, SIZE, SIZE), generator())
    r = dense_jacobian(field.rotation, X)[0]
    torch.testing.assert_close(r, -r.T)
    torch.testing.assert_close(r @ r.T, torch.eye(SIZE**2, dtype=torch.float64))
    torch.testing.assert_close(field(X), network()(X) + 0.3 * field.rotation(X))


def test_strength_and_generator_change_it():
    outputs = [
        RotatedField(network(), strength, (1, SIZE, SIZE), generator(seed))(X)
        for strength, seed in ((0.3, 0), (0.6, 0), (0.3, 1))
    ]
    assert not torch.allclose(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2])


def test_an_odd_number_of_values_is_refused():
    with pytest.raises(InputError, match="odd"):
        RotatedField(network(), 0.3, (1, 3, 3), generator())

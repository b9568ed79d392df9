"""Range and null-space parts and singular values, against dense algebra."""

import math

import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import inpainting, mri, tomography
from eiwork.physics.null_space import null_part, operator_matrix, range_part, singular_values

SIDE = 8
PHYSICS = {
    "CT": (tomography(SIDE, 3, rtol=1e-6), (1, SIDE, SIDE)),
    "MRI": (mri(SIDE, acceleration=2, center_fraction=0.2), (2, SIDE, SIDE)),
    "inpainting": (inpainting(SIDE, keep=0.4), (1, SIDE, SIDE)),
}


@pytest.mark.parametrize("name", PHYSICS)
def test_matrix_parts_and_singular_values_are_those_of_dense_algebra(name):
    physics, shape = PHYSICS[name]
    x = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = operator_matrix(physics, shape)
    torch.testing.assert_close(x.flatten(1) @ matrix.T, physics.A(x).flatten(1))
    projection = torch.linalg.pinv(matrix, rtol=1e-6) @ matrix
    torch.testing.assert_close(range_part(x, physics).flatten(1), x.flatten(1) @ projection.T)
    torch.testing.assert_close(range_part(x, physics) + null_part(x, physics), x)
    assert float((range_part(x, physics) * null_part(x, physics)).sum().abs()) < 1e-9
    assert float(physics.A(null_part(x, physics)).abs().max()) < 1e-9
    assert float(null_part(x, physics).norm()) > 0.1 * float(x.norm()), "something is lost"
    values = singular_values(physics, shape)
    assert values.shape == (math.prod(shape),)
    assert (values[:-1] >= values[1:]).all()
    assert values[0] == pytest.approx(1, abs=1e-6)
    assert not values[len(matrix) :].any(), "exact zeros beyond the measurements"
    assert int((values > 1e-6).sum()) == int(torch.linalg.matrix_rank(matrix, rtol=1e-6)) < len(values)
    assert float(values.square().sum()) == pytest.approx(float(matrix.square().sum()))


def test_wrong_arguments_are_one_clear_error():
    for shape, told in (((SIDE, SIDE), r"not \(channel, height, width\)"), ((1, 128, 128), "too many to write out")):
        with pytest.raises(InputError, match=told):
            operator_matrix(inpainting(shape[-1]), shape)
    with pytest.raises(InputError, match="shape"):
        range_part(torch.zeros(1, 1, 4, 4), PHYSICS["CT"][0])

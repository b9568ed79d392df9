"""What a linear operator keeps and what it loses: range and null-space parts, singular values.

A^+ A is the orthogonal projection on the directions that A sees (Ben-Israel and Greville 2003, chapter 1).
"""

import math

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError

MAX_ENTRIES = 2**25
"""Numbers in the largest matrix that `operator_matrix` writes out (256 MiB in float64)."""


def range_part(x: Float[Tensor, "batch c h w"], physics: LinearPhysics) -> Float[Tensor, "batch c h w"]:
    """A^+ A x, what the scanner sees of an image; tomography counts directions below its cut-off `rtol` as unseen."""
    return physics.A_dagger(physics.A(x))


def null_part(x: Float[Tensor, "batch c h w"], physics: LinearPhysics) -> Float[Tensor, "batch c h w"]:
    """x - A^+ A x, what the scanner does not see of an image; adding it to any image changes no measurement."""
    return x - range_part(x, physics)


def operator_matrix(physics: LinearPhysics, image_shape: tuple[int, ...]) -> Float[Tensor, "measurement pixel"]:
    """A as a dense float64 matrix, one column per number of an image of shape (channel, height, width), flattened.

    `InputError` for a shape that is not three sizes, or a matrix with more than `MAX_ENTRIES` numbers.
    """
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise InputError(f"image_shape = {image_shape} is not (channel, height, width).")
    pixels = math.prod(image_shape)
    device = next((tensor.device for tensor in physics.buffers()), None)
    rows = physics.A(torch.zeros(1, *image_shape, dtype=torch.float64, device=device)).numel()
    if rows * pixels > MAX_ENTRIES:
        raise InputError(
            f"A of {image_shape} has {rows} x {pixels} numbers, too many to write out. Take a smaller image, such as "
            "24 x 24 pixels, or a matrix-free method."
        )
    unit = torch.eye(pixels, dtype=torch.float64, device=device).view(pixels, *image_shape)
    return physics.A(unit).reshape(pixels, rows).T.contiguous()


def singular_values(physics: LinearPhysics, image_shape: tuple[int, ...]) -> Float[Tensor, " pixel"]:
    """Singular values of A in descending order, one per number of the image, by a dense decomposition.

    Directions beyond the number of measurements get an exact zero. For small images: see `operator_matrix`.
    """
    matrix = operator_matrix(physics, image_shape)
    values = torch.linalg.svdvals(matrix)
    return torch.cat([values, values.new_zeros(matrix.shape[1] - len(values))])

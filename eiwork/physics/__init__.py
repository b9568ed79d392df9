"""What the scanner does: linear operators A with noise, all of them deepinv `LinearPhysics`."""

from eiwork.physics.complex_images import magnitude, real_to_complex
from eiwork.physics.inpainting import Inpainting, inpainting
from eiwork.physics.mri import CartesianMRI, MultiCoilCartesianMRI, mri
from eiwork.physics.tomography import Tomography, tomography

__all__ = [
    "CartesianMRI",
    "Inpainting",
    "MultiCoilCartesianMRI",
    "Tomography",
    "inpainting",
    "magnitude",
    "mri",
    "real_to_complex",
    "tomography",
]

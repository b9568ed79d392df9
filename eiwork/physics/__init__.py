"""What the scanner does: linear operators A with noise, all of them deepinv `LinearPhysics`."""

from eiwork.physics.inpainting import Inpainting, inpainting
from eiwork.physics.mri import CartesianMRI, MultiCoilCartesianMRI, magnitude, mri, real_to_complex
from eiwork.physics.radial_mri import RadialMRI, radial_coil_maps, radial_mri
from eiwork.physics.tomography import Tomography, tomography

__all__ = [
    "CartesianMRI",
    "Inpainting",
    "MultiCoilCartesianMRI",
    "RadialMRI",
    "Tomography",
    "inpainting",
    "magnitude",
    "mri",
    "radial_coil_maps",
    "radial_mri",
    "real_to_complex",
    "tomography",
]

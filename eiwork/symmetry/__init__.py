"""Groups of transforms T_g under which the set of images is taken to be invariant, and what they can teach."""

from eiwork.symmetry.composition import Composition
from eiwork.symmetry.elements import group_elements
from eiwork.symmetry.identifiability import Identifiability, identifiability
from eiwork.symmetry.identity import Identity
from eiwork.symmetry.interpolation_error import InterpolationError, interpolation_error
from eiwork.symmetry.reflection import Reflection
from eiwork.symmetry.rotation import Rotation
from eiwork.symmetry.shift import Shift
from eiwork.symmetry.spectrum import Spectrum, dense_spectrum, krylov_spectrum
from eiwork.symmetry.stacked import StackedOperator
from eiwork.symmetry.visible import visible_part

__all__ = [
    "Composition",
    "Identifiability",
    "Identity",
    "InterpolationError",
    "Reflection",
    "Rotation",
    "Shift",
    "Spectrum",
    "StackedOperator",
    "dense_spectrum",
    "group_elements",
    "identifiability",
    "interpolation_error",
    "krylov_spectrum",
    "visible_part",
]

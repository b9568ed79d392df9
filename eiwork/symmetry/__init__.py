"""Groups of transforms T_g under which the set of images is taken to be invariant, and what they can teach."""

from deepinv.transform import Identity

from eiwork.symmetry.identifiability import Identifiability, identifiability
from eiwork.symmetry.per_sample import Composition, PerSampleTransform
from eiwork.symmetry.pixel_moves import Reflection, Shift
from eiwork.symmetry.rotation import Rotation
from eiwork.symmetry.stacked import StackedOperator, group_elements, visible_part

__all__ = [
    "Composition",
    "Identifiability",
    "Identity",
    "PerSampleTransform",
    "Reflection",
    "Rotation",
    "Shift",
    "StackedOperator",
    "group_elements",
    "identifiability",
    "visible_part",
]

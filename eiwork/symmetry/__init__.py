"""Groups of transforms T_g under which the set of images is taken to be invariant."""

from eiwork.symmetry.reflection import Reflection
from eiwork.symmetry.rotation import Rotation
from eiwork.symmetry.shift import Shift

__all__ = ["Reflection", "Rotation", "Shift"]

"""Embedded images and k-space, with their provenance, and seeded augmentation."""

from eiwork.data.augmentation import augment
from eiwork.data.bodies import bodies
from eiwork.data.dead_leaves import dead_leaves
from eiwork.data.embedded import HU_WINDOW, load, native_size, subjects
from eiwork.data.radial import RadialKSpace, radial_kspace
from eiwork.data.store import data_hash, manifest, verify

__all__ = [
    "HU_WINDOW",
    "RadialKSpace",
    "augment",
    "bodies",
    "data_hash",
    "dead_leaves",
    "load",
    "manifest",
    "native_size",
    "radial_kspace",
    "subjects",
    "verify",
]

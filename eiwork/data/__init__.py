"""Embedded images and k-space, with their provenance, and seeded augmentation."""

from eiwork.data.augmentation import augment
from eiwork.data.embedded import load, native_size, subjects
from eiwork.data.radial import RadialKSpace, radial_kspace
from eiwork.data.random_images import bodies, dead_leaves
from eiwork.data.store import data_hash, manifest, verify

__all__ = [
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

"""What a recipe measures; the images behind the measurements only where the method may see them."""

import hashlib
from dataclasses import dataclass, replace

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork import data
from eiwork.physics import real_to_complex
from eiwork.training.randomness import seeded
from eiwork.training.recipe import Recipe

Image = Float[Tensor, "n channel height width"]


@dataclass(frozen=True)
class MeasurementSet:
    """Measurements y (n, ...); ground truth x (n, channel, height, width) only where a method may see it.

    data_hash: SHA-256 of the embedded images behind them, or of the images themselves where these are random.
    """

    y: Tensor
    x: Image | None
    data_hash: str

    def __len__(self) -> int:
        return self.y.shape[0]

    def __getitem__(self, indices: Tensor | slice | list[int]) -> "MeasurementSet":
        """The samples of the given indices, as a set."""
        return replace(self, y=self.y[indices], x=None if self.x is None else self.x[indices])


def measure(images: Image, physics: LinearPhysics, seed: int, stream: str = "measurements") -> Tensor:
    """physics(images) in chunks, with noise drawn from a stream of the seed."""
    with seeded(seed, stream), torch.no_grad():
        return torch.cat([physics(part) for part in images.split(64)])


def as_model_images(images: Float[Tensor, "n 1 height width"], recipe: Recipe) -> Image:
    """Real images as the physics of the recipe takes them (MRI: complex with zero phase, as two channels)."""
    return real_to_complex(images) if recipe.channels == 2 else images


def clean_images(recipe: Recipe) -> Image:
    """What the training set measures: `n` seeded warps of the training images, or as many random images."""
    settings = recipe.data
    # Slices lie in air, photographs go on beyond their edge.
    fills_the_frame = settings.name == "natural"
    if settings.kind == "bodies":
        draw = data.dead_leaves if fills_the_frame else data.bodies
        return as_model_images(draw(settings.n, settings.image_size, settings.seed), recipe)
    originals = data.load(settings.name, "train", settings.image_size)
    padding = "reflection" if fills_the_frame else "zeros"
    return as_model_images(data.augment(originals, settings.n, seed=settings.seed, padding=padding), recipe)


def training_set(recipe: Recipe, physics: LinearPhysics) -> MeasurementSet:
    """What the recipe's training may see; images with their measurements for a supervised recipe alone."""
    images = clean_images(recipe)
    if recipe.data.kind == "bodies":
        of_what = hashlib.sha256(images.numpy().tobytes()).hexdigest()
    else:
        of_what = data.data_hash(recipe.data.name, "train")
    y = measure(images, physics, recipe.seed)
    return MeasurementSet(y, images if recipe.build_loss().needs_x else None, of_what)


def test_set(recipe: Recipe, physics: LinearPhysics) -> MeasurementSet:
    """Every test image (other subjects, no augmentation), measured once with the recipe's noise."""
    images = data.load(recipe.data.name, "test", recipe.data.image_size)
    return measured_set(images, recipe, physics, data.data_hash(recipe.data.name, "test"))


def measured_set(
    images: Float[Tensor, "n 1 height width"], recipe: Recipe, physics: LinearPhysics, data_hash: str
) -> MeasurementSet:
    """Real images in [0, 1] for evaluation, measured once with the noise of the recipe's seed."""
    x = as_model_images(images, recipe)
    return MeasurementSet(measure(x, physics, recipe.seed, stream="evaluation"), x, data_hash)

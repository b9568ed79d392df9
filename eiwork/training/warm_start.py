"""Warm starts: each training sample's solve begins at the equilibrium that it had when it was last seen."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from eiwork.errors import InputError
from eiwork.fixed_point.state import State, as_tuple
from eiwork.models import DEQ

Image = Float[Tensor, "batch channel height width"]
Indices = Int[Tensor, " batch"]
_MIB = 2**20


class EquilibriumCache:
    """The last equilibrium image of each training sample, within a memory budget; least recently used leaves first.

    A contraction has one fixed point whatever the start, so a warm start changes the evaluations and, within the
    solver's tolerance, nothing else. Its whole content is in `tensors()`, which makes a resumed training see the same
    starts.

    budget_mib: memory for the images, in MiB, > 0 (at least one image must fit). dtype: of the stored images; float16
    (relative rounding 5e-4) halves the memory and lies far below the distance between two visits of a sample.
    Raises InputError for a budget that is not positive, or too small for one image.
    """

    def __init__(self, *, budget_mib: float | int, dtype: torch.dtype = torch.float16) -> None:
        if not budget_mib > 0:
            raise InputError(f"EquilibriumCache(budget_mib={budget_mib}): must be positive; try 64.")
        if not dtype.is_floating_point:
            raise InputError(f"EquilibriumCache(dtype={dtype}): images are stored as floats; try torch.float16.")
        self.budget_mib, self.dtype = budget_mib, dtype
        # Insertion order is the order of use, the least recent first.
        self._images: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._images)

    @property
    def n_bytes(self) -> int:
        """Memory of the stored images, in bytes; never above the budget."""
        return sum(image.nbytes for image in self._images.values())

    def lookup(self, indices: Indices, fallback: Image) -> tuple[Image, Bool[Tensor, " batch"]]:
        """The stored images of the samples, rows of `fallback` where there is none, and which rows were stored."""
        images, known = fallback.clone(), torch.zeros(len(indices), dtype=torch.bool, device=fallback.device)
        for row, index in enumerate(indices.tolist()):
            if index in self._images:
                # Moved to the end: used just now.
                image = self._images[index] = self._images.pop(index)
                images[row], known[row] = image.to(images), True
        return images, known

    def store(self, indices: Indices, images: Image) -> None:
        """Remember the images of the samples; those that are not finite in the stored type are dropped."""
        stored = images.detach().to(self.dtype)
        finite = stored.flatten(1).isfinite().all(dim=1).tolist()
        capacity = int(self.budget_mib * _MIB // stored[0].nbytes)
        if capacity < 1:
            raise InputError(
                f"EquilibriumCache(budget_mib={self.budget_mib}): one image of shape {tuple(images.shape[1:])} needs "
                f"{stored[0].nbytes / _MIB:.3g} MiB. Raise warm_start.budget_mib, or train without warm_start."
            )
        for index, image, good in zip(indices.tolist(), stored, finite, strict=True):
            self._images.pop(index, None)
            if good:
                self._images[index] = image.clone()
        while len(self._images) > capacity:
            del self._images[next(iter(self._images))]

    def tensors(self) -> dict[str, Tensor]:
        """The content, in the order of use: `indices` (n,) and `images` (n, ...); empty before the first store."""
        if not self._images:
            return {}
        return {"indices": torch.tensor(list(self._images)), "images": torch.stack([*self._images.values()])}

    def restore(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Replace the content by what `tensors()` gave."""
        self._images = {}
        if tensors:
            images = tensors["images"].to(device)
            pairs = zip(tensors["indices"].tolist(), images, strict=True)
            self._images = {index: image.clone() for index, image in pairs}


def warm_state(
    model: DEQ, cache: EquilibriumCache, indices: Indices, y: Tensor, physics: torch.nn.Module
) -> State | None:
    """Where the solves of a batch begin: at the stored equilibria, and at the iteration's own start where none is.

    None if no sample of the batch is stored.
    """
    with torch.no_grad():
        start = model.iterate.start(y, physics)
        images, known = cache.lookup(indices, model.iterate.image(start))
        if not bool(known.any()):
            return None
        warm = model.iterate.state_from(images, y, physics)
        parts = tuple(
            torch.where(known.view(-1, *[1] * (cold.ndim - 1)), hot, cold)
            for hot, cold in zip(as_tuple(warm), as_tuple(start), strict=True)
        )
    return parts[0] if isinstance(start, Tensor) else parts

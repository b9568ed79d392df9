"""States of a fixed-point solve: a tensor or a tuple of tensors, seen as one real matrix of shape (batch, n)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError

State = Tensor | tuple[Tensor, ...]
Flat = Float[Tensor, "batch n"]
FlatMap = Callable[[Tensor], Tensor]
StateMap = Callable[[State], State]


def as_tuple(z: State) -> tuple[Tensor, ...]:
    """The components of a state, as a tuple."""
    return (z,) if isinstance(z, Tensor) else tuple(z)


def rows_of(z: State, indices: Tensor) -> State:
    """The given samples of a state."""
    parts = tuple(part[indices] for part in as_tuple(z))
    return parts[0] if isinstance(z, Tensor) else parts


def detach(z: State) -> State:
    """The same state, cut from the autograd graph."""
    return z.detach() if isinstance(z, Tensor) else tuple(part.detach() for part in z)


@dataclass(frozen=True)
class Packing:
    """The shapes and types that turn a state, batch first, into one real matrix (batch, n) and back."""

    shapes: tuple[torch.Size, ...]
    dtypes: tuple[torch.dtype, ...]
    device: torch.device
    is_tuple: bool

    @staticmethod
    def of(z: State) -> "Packing":
        """The packing of `z`; InputError for an empty tuple, integers, scalars, two devices, unequal batches."""
        parts = as_tuple(z)
        if not parts or not all(isinstance(part, Tensor) for part in parts):
            raise InputError("The state z0 must be a tensor or a non-empty tuple of tensors.")
        for part in parts:
            if part.ndim < 1 or not (part.is_floating_point() or part.is_complex()):
                raise InputError(
                    f"The state z0 has a component of shape {tuple(part.shape)} and type {part.dtype}; "
                    "each component needs a batch axis first and a floating or complex type. Try z0.float()."
                )
        batches, devices = {part.shape[0] for part in parts}, {part.device for part in parts}
        if len(batches) != 1:
            raise InputError(f"The components of z0 have different batch sizes: {sorted(batches)}.")
        if len(devices) != 1:
            raise InputError(f"The components of z0 are on different devices: {sorted(map(str, devices))}.")
        shapes, dtypes = tuple(part.shape for part in parts), tuple(part.dtype for part in parts)
        return Packing(shapes, dtypes, devices.pop(), not isinstance(z, Tensor))

    def of_batch(self, n: int) -> "Packing":
        """That of states of n samples."""
        return replace(self, shapes=tuple(torch.Size((n, *shape[1:])) for shape in self.shapes))

    def pack(self, z: State) -> Flat:
        """The state as one real matrix; complex components are seen as pairs of reals."""
        parts = as_tuple(z)
        reals = (torch.view_as_real(part.resolve_conj()) if part.is_complex() else part for part in parts)
        columns = [real.flatten(1) if real.ndim > 1 else real[:, None] for real in reals]
        return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)

    def unpack(self, flat: Flat) -> State:
        """The state whose matrix is `flat`."""
        parts, start = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            real_shape = (*shape, 2) if dtype.is_complex else tuple(shape)
            width = torch.Size(real_shape[1:]).numel()
            part = flat[:, start : start + width].reshape(real_shape)
            if dtype.is_complex:  # which begins at an even place: hence a copy
                part = torch.view_as_complex(part.clone(memory_format=torch.contiguous_format))
            parts.append(part.to(dtype))
            start += width
        return tuple(parts) if self.is_tuple else parts[0]

    def check(self, z: Any) -> State:
        """f's answer in the state's types, a copy outside of autograd; InputError for another shape or a wider type."""
        parts = tuple(z) if self.is_tuple and isinstance(z, tuple | list) else (z,)
        wanted = [
            (tuple(shape), str(self.device), dtype) for shape, dtype in zip(self.shapes, self.dtypes, strict=True)
        ]
        found = [(tuple(p.shape), str(p.device), p.dtype) if isinstance(p, Tensor) else type(p).__name__ for p in parts]
        pairs = zip(found, wanted, strict=False)
        fits = (a[:2] == b[:2] and torch.promote_types(a[2], b[2]) == b[2] for a, b in pairs)  # type: ignore[arg-type]
        if len(found) != len(wanted) or not all(fits):
            raise InputError(
                f"f returned {found}, but z0 is {wanted}: a fixed point needs f to map the space of z0 to itself. "
                "Return what is like z, or start from a z0 of that shape, device and type."
            )
        own = [part.to(dtype, copy=not torch.is_grad_enabled()) for part, dtype in zip(parts, self.dtypes, strict=True)]
        return tuple(own) if self.is_tuple else own[0]

    def on_parts(self, product: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]) -> FlatMap:
        """A map of the components, seen on the packed matrix."""
        return lambda flat: self.pack(product(as_tuple(self.unpack(flat))))


@dataclass(frozen=True)
class PackedMap:
    """A map of states, seen on the packed matrix; f may offer `select`, as for `fixed_point` (None for no map)."""

    f: StateMap
    packing: Packing

    def __call__(self, flat: Flat) -> Flat:
        """f of all samples."""
        return self.packing.pack(self.packing.check(self.f(self.packing.unpack(flat))))

    def of_samples(self, flat: Flat, others: Flat, samples: list[int]) -> Flat:
        """f of some samples, `others` for the rest; f of all where f has no `select`."""
        select: Callable[[Tensor], StateMap | None] | None = getattr(self.f, "select", None)
        indices = torch.tensor(samples, device="cpu").to(flat.device, non_blocking=True)
        chosen = None if select is None else select(indices)
        if chosen is None:
            return self(flat)
        part = PackedMap(chosen, self.packing.of_batch(len(samples)))
        return others.index_copy(0, indices, part(flat[indices]).to(others.dtype))


def norms(flat: Flat) -> Float[Tensor, " batch"]:
    """Euclidean norm of each sample, in float32 or better, safe against under- and overflow."""
    if flat.dtype != torch.float64:
        # The squares of every number of a shorter type fit into float64.
        size = torch.linalg.vector_norm(flat, dim=1, dtype=torch.float64)
        return size.to(torch.promote_types(flat.dtype, torch.float32))
    scale = flat.detach().abs().amax(dim=1) if flat.shape[1] else flat.new_zeros(flat.shape[0])
    scale = torch.where((scale > 0) & scale.isfinite(), scale, torch.ones_like(scale))
    return scale * torch.linalg.vector_norm(flat / scale[:, None], dim=1)


def relative(size: Float[Tensor, " batch"], reference: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    """size / reference of each sample; 0 where both vanish."""
    ratio = size / reference.clamp(min=torch.finfo(reference.dtype).tiny)
    return torch.where(size == 0, torch.zeros_like(ratio), ratio)

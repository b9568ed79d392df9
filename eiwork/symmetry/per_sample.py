"""Random linear transforms with one group element for every image of a batch, and their products."""

import torch
from deepinv.transform import Transform
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_count, check_tensor


class PerSampleTransform(Transform):
    """deepinv `Transform`, linear in the image, whose random parameters differ from image to image.

    Parameters are tensors of shape (n_trans, batch): the output stacks `n_trans` transformed batches. A
    parameter of shape (n_trans,) is one group element for the whole batch, deepinv's own convention. `t * u` applies t
    and then u (`Composition`). rng: CPU generator of the random parameters; None draws from PyTorch's default
    generator, so that `torch.manual_seed` fixes them. When called, anything but a finite (batch, channel, height,
    width) tensor in float32 or float64 is an `InputError`.
    """

    def __init__(self, *, n_trans: int = 1, rng: torch.Generator | None = None) -> None:
        check_count(n_trans, "n_trans", "")
        super().__init__(n_trans=n_trans, rng=rng)
        self.rng = rng  # deepinv would put an unseeded generator of its own here

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters that this transform draws and reads."""
        raise NotImplementedError

    def all_params(self, height: int, width: int) -> dict[str, Tensor] | None:
        """Parameters (n,) of all n elements for images of a size; None where there is no end of them (any angle)."""
        return None

    def get_params(self, x: Tensor) -> dict[str, Tensor]:
        """Draw parameters for the batch x."""
        _check_image(x)
        return self._get_params(x)

    def transform(self, x: Tensor, **params: Tensor) -> Tensor:
        """Transform x by given parameters."""
        _check_image(x)
        return self._transform(x, **params)

    def inverse(self, x: Tensor, batchwise: bool = True, **params: Tensor) -> Tensor:
        """Transform x by the inverse of the given (or of random) parameters.

        With `batchwise=False` x holds `n_trans` stacked batches, and each is inverted by its own parameters.
        """
        inverted = self._own(self.invert_params(params or self.get_params(x)))
        if not batchwise:
            inverted = {k: _along(p, len(x) // len(p)).reshape(1, -1) for k, p in inverted.items()}
        return self.transform(x, **inverted)

    def _own(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: params[name] for name in self.parameter_names if name in params}

    def per_sample(self, x: Tensor, *params: Tensor) -> tuple[Tensor, ...]:
        """x (batch, ...) repeated to (n * batch, ...), and each parameter, (n, batch) or (n,), as n * batch values."""
        batch = len(x)
        flat = [_along(torch.as_tensor(p), batch).reshape(-1) for p in params]
        return x.repeat(len(flat[0]) // batch, 1, 1, 1), *flat

    def __mul__(self, other: Transform) -> Transform:
        """This transform, then the other; a `Composition`, or deepinv's own product for a transform of deepinv."""
        if isinstance(other, PerSampleTransform):
            return Composition(self, other)
        return super().__mul__(other)


class Composition(PerSampleTransform):
    """T_g = `second` applied to `first`, `first * second`: the direct product of two sets of transforms.

    Each part draws its parameters from its own generator, the first part first; with n_1 and n_2 versions it gives n_1
    n_2, all of the first within each of the second. `InputError` where both parts have a parameter of the same name.
    """

    def __init__(self, first: PerSampleTransform, second: PerSampleTransform) -> None:
        shared = set(first.parameter_names) & set(second.parameter_names)
        if shared:
            raise InputError(
                f"Both parts of the product have the parameter {', '.join(sorted(shared))}: a product of two "
                f"{type(second).__name__}s is one {type(second).__name__}; multiply transforms of different kinds."
            )
        super().__init__(n_trans=first.n_trans * second.n_trans)
        self.first, self.second = first, second

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Those of both parts."""
        return (*self.first.parameter_names, *self.second.parameter_names)

    def all_params(self, height: int, width: int) -> dict[str, Tensor] | None:
        """Every element of the first with every element of the second."""
        first, second = self.first.all_params(height, width), self.second.all_params(height, width)
        if first is None or second is None:
            return None
        n, m = (len(next(iter(p.values()))) for p in (first, second))
        i, j = (index.reshape(-1) for index in torch.meshgrid(torch.arange(n), torch.arange(m), indexing="ij"))
        return {name: p[i] for name, p in first.items()} | {name: p[j] for name, p in second.items()}

    def _get_params(self, x: Tensor) -> dict[str, Tensor]:
        return self.first._get_params(x) | self.second._get_params(x)  # noqa: SLF001  # parts of one object

    def _transform(self, x: Tensor, **params: Tensor) -> Tensor:
        return self.second._transform(self.first._transform(x, **params), **params)  # noqa: SLF001

    def inverse(self, x: Tensor, batchwise: bool = True, **params: Tensor) -> Tensor:
        """Undo the second part, then the first, see `PerSampleTransform.inverse`."""
        params = params or self.get_params(x)
        once = self.second.inverse(x, batchwise, **params)
        if batchwise:
            return self.first.inverse(once, batchwise, **params)
        # Each version of the second part holds all versions of the first.
        own = [params[name] for name in self.second.parameter_names if name in params]
        blocks = once.chunk(len(torch.as_tensor(own[0])) if own else 1)
        return torch.cat([self.first.inverse(block, batchwise=False, **params) for block in blocks])


def _along(p: Tensor, batch: int) -> Tensor:
    """Parameters as (n, batch): shared ones are expanded, those of a smaller batch are tiled over its stacks."""
    p = p.reshape(-1, 1) if p.ndim < 2 else p
    if batch % p.shape[1]:
        raise InputError(
            f"the transform has parameters for a batch of {p.shape[1]}, but the batch holds {batch} images; draw "
            "them with get_params for this batch."
        )
    return p.repeat(1, batch // p.shape[1])


def _check_image(x: Tensor) -> None:
    check_tensor(x, "x", (None, None, None, None), "(batch, channel, height, width)")

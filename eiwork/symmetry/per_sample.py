"""Random linear transforms with one group element for every image of a batch."""

from collections.abc import Sequence

import torch
from deepinv.transform import Transform
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_number, check_tensor
from eiwork.symmetry.adjoint import transposed


class PerSampleTransform(Transform):
    """deepinv `Transform`, linear in the image, whose random parameters differ from image to image.

    Parameters are tensors of shape (n_trans, batch): the output stacks `n_trans` transformed batches. A
    parameter of shape (n_trans,) is one group element for the whole batch, deepinv's own convention. `t * u` applies t
    and then u (`Composition`).

    Args:
        n_trans: transformed versions per image.
        rng: CPU generator of the random parameters; None draws from PyTorch's default generator, so that
            `torch.manual_seed` fixes them.

    Raises:
        InputError: n_trans below 1, or (when called) an image that is not a finite (batch, channel, height,
            width) tensor in float32 or float64.
    """

    def __init__(self, *, n_trans: int = 1, rng: torch.Generator | None = None) -> None:
        check_number(n_trans, "n_trans", lambda v: v >= 1, "a whole number from 1 up", integer=True)
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
        check_image(x)
        return self._get_params(x)

    def transform(self, x: Tensor, **params: Tensor) -> Tensor:
        """Transform x by given parameters."""
        check_image(x)
        return self._transform(x, **params)

    def inverse(self, x: Tensor, batchwise: bool = True, **params: Tensor) -> Tensor:
        """Transform x by the inverse of the given (or of random) parameters.

        With `batchwise=False` x holds `n_trans` stacked batches, and each is inverted by its own parameters.
        """
        inverted = self._own(self.invert_params(params or self.get_params(x)))
        if not batchwise:
            inverted = {k: _along(p, len(x) // len(p)).reshape(1, -1) for k, p in inverted.items()}
        return self.transform(x, **inverted)

    def adjoint(self, x: Tensor, **params: Tensor) -> Tensor:
        """T_g^T x for given parameters, exact to rounding whatever the interpolation, and differentiable.

        It is the transpose of the map from a batch to its n versions: x holds the n stacked batches, and the
        versions are summed. For orthogonal transforms and n = 1 it equals `inverse`.

        Raises:
            InputError: no parameters, or x is not n batches.
        """
        check_image(x)
        shape = self._argument_shape(x, params)
        return transposed(lambda u: self._transform(u, **params), x, shape)

    def _argument_shape(self, x: Tensor, params: dict[str, Tensor]) -> tuple[int, ...]:
        own = self._own(params)
        if self.parameter_names and not own:
            raise InputError(
                f"The adjoint needs the parameters of the transform ({', '.join(self.parameter_names)}): draw them "
                "with get_params, transform, and pass the same ones here."
            )
        n = len(torch.as_tensor(next(iter(own.values())))) if own else 1
        if len(x) % n:
            raise InputError(f"The adjoint takes {n} stacked batches, but x holds {len(x)} images.")
        return (len(x) // n, *x.shape[1:])

    def _own(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: params[name] for name in self.parameter_names if name in params}

    def per_sample(self, x: Tensor, *params: Tensor) -> tuple[Tensor, ...]:
        """Stack x once per group element and give every image its own parameter.

        Args:
            x: (batch, channel, height, width).
            params: each (n, batch) or (n,).

        Returns:
            x repeated to (n * batch, ...), and each parameter as a vector of n * batch values.
        """
        batch = len(x)
        flat = [_along(torch.as_tensor(p), batch).reshape(-1) for p in params]
        return x.repeat(len(flat[0]) // batch, 1, 1, 1), *flat

    def __mul__(self, other: Transform) -> Transform:
        """This transform, then the other; a `Composition`, or deepinv's own product for a transform of deepinv."""
        from eiwork.symmetry.composition import Composition  # it is one of these itself

        if isinstance(other, PerSampleTransform):
            return Composition(self, other)
        return super().__mul__(other)


def _along(p: Tensor, batch: int) -> Tensor:
    """Parameters as (n, batch): shared ones are expanded, those of a smaller batch are tiled over its stacks."""
    p = p.reshape(-1, 1) if p.ndim < 2 else p
    if batch % p.shape[1]:
        raise InputError(
            f"the transform has parameters for a batch of {p.shape[1]}, but the batch holds {batch} images; draw "
            "them with get_params for this batch."
        )
    return p.repeat(1, batch // p.shape[1])


def check_image(x: Tensor) -> None:
    """Refuse anything but a finite image batch (`InputError`)."""
    check_tensor(x, "x", (None, None, None, None), "(batch, channel, height, width)")


def grid_of(parameters: Sequence[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """All combinations of the values (n_i,) of several parameters, each parameter as one (prod n_i,) tensor."""
    mesh = torch.meshgrid(*(values for _, values in parameters), indexing="ij")
    return {name: values.reshape(-1) for (name, _), values in zip(parameters, mesh, strict=True)}

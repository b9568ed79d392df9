"""The group of one element."""

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.symmetry.per_sample import PerSampleTransform


class Identity(PerSampleTransform):
    """T x = x: equivariant imaging without a group, the control that can learn nothing beyond A.

    Args:
        n_trans: copies per image.
        rng: not read; nothing is random.
    """

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """One parameter without meaning, so that the number of copies is known."""
        return ("identity",)

    def all_params(self, height: int, width: int) -> dict[str, Tensor]:
        """One element."""
        return {"identity": torch.zeros(1)}

    def _get_params(self, x: Tensor) -> dict[str, Tensor]:
        return {"identity": torch.zeros(self.n_trans, len(x))}

    def _transform(self, x: Tensor, identity: Tensor | None = None, **kwargs: object) -> Tensor:
        if identity is None:
            raise InputError("identity is missing; pass one number per image, or nothing at all.")
        return self.per_sample(x, identity)[0]

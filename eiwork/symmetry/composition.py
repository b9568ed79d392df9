"""Transforms one after the other."""

import torch
from torch import Tensor

from eiwork.errors import InputError
from eiwork.symmetry.per_sample import PerSampleTransform


class Composition(PerSampleTransform):
    """T_g = second T_g applied to the first: the direct product of two sets of transforms, with the exact adjoint.

    `first * second` makes it. Each part draws its parameters from its own generator, the first part first; with n_1 and
    n_2 versions it gives n_1 n_2, all versions of the first within each of the second.

    Args:
        first: applied first.
        second: applied to the result.

    Raises:
        InputError: both parts have a parameter of the same name, which one of them would take from the other.
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
        blocks = once.chunk(self._versions_of_second(params))
        return torch.cat([self.first.inverse(block, batchwise=False, **params) for block in blocks])

    def adjoint(self, x: Tensor, **params: Tensor) -> Tensor:
        """T_1^T T_2^T x, see `PerSampleTransform.adjoint`."""
        return self.first.adjoint(self.second.adjoint(x, **params), **params)

    def _versions_of_second(self, params: dict[str, Tensor]) -> int:
        own = [params[name] for name in self.second.parameter_names if name in params]
        return len(torch.as_tensor(own[0])) if own else 1

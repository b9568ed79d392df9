"""Denoisers made equivariant by averaging over a finite group."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import InputError

Image = Float[Tensor, "batch channel height width"]
Element = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]


class GroupAveraged(nn.Module):
    """The mean over the group of T_g^-1 D(T_g x): equivariant to every T_g of a finite group, whatever D is.

    If D is a gradient and the T_g are orthogonal, so is the average, of the mean of psi(T_g x). Source: arXiv
    2312.01831. All elements are evaluated in one batch.

    denoiser: D, image -> image. elements: (T_g, T_g^-1) for every element of the group, the identity included, each
    linear and keeping the shape, such as `quarter_turns_and_flips()`. Raises InputError for none.
    """

    def __init__(self, denoiser: nn.Module, elements: Sequence[Element]) -> None:
        super().__init__()
        if not elements:
            raise InputError("GroupAveraged needs at least one element: pass quarter_turns_and_flips().")
        self.denoiser, self.elements = denoiser, tuple(elements)

    def forward(self, x: Image) -> Image:
        """Apply the averaged operator to images (batch, channels, height, width)."""
        moved = self.denoiser(torch.cat([there(x) for there, _ in self.elements]))
        parts = moved.chunk(len(self.elements))
        back = [inverse(part) for (_, inverse), part in zip(self.elements, parts, strict=True)]
        return torch.stack(back).mean(dim=0)


def quarter_turns_and_flips() -> tuple[Element, ...]:
    """The eight exact symmetries of a square image: turns by 90 degrees, each with and without a left-right flip."""

    def there(x: Tensor, turns: int, flipped: bool) -> Tensor:
        return torch.rot90(x.flip(-1) if flipped else x, turns, (-2, -1))

    def back(x: Tensor, turns: int, flipped: bool) -> Tensor:
        x = torch.rot90(x, -turns, (-2, -1))
        return x.flip(-1) if flipped else x

    kinds = [(turns, flipped) for flipped in (False, True) for turns in range(4)]
    return tuple((partial(there, turns=n, flipped=m), partial(back, turns=n, flipped=m)) for n, m in kinds)

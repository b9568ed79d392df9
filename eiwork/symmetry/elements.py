"""Which elements of a group stand for it: all of them, or a seeded sample."""

import torch
from deepinv.transform import Transform
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import check_number
from eiwork.symmetry.per_sample import PerSampleTransform

Params = dict[str, Tensor]


def group_elements(transform: Transform, height: int, width: int, *, limit: int = 32, seed: int = 0) -> list[Params]:
    """Parameters of group elements, each shared by a whole batch: `transform(x, **params)` is T_g x.

    All elements of a group of at most `limit`, else `limit` independent draws. A transform with a generator of its own
    draws from that, another one from `seed`; PyTorch's default generator is left as it was.

    Args:
        transform: the group.
        height, width: of the images, in pixels.
        limit: how many elements at most.
        seed: of the draws.

    Raises:
        InputError: limit below 1.
    """
    check_number(limit, "limit", lambda v: v >= 1, "a whole number from 1 up", integer=True)
    everything = transform.all_params(height, width) if isinstance(transform, PerSampleTransform) else None
    if everything is not None:
        n = len(next(iter(everything.values())))
        if n <= limit:
            return [{name: p[[k]] for name, p in everything.items()} for k in range(n)]
    return draw_elements(transform, torch.zeros(1, 1, height, width), limit, seed)


def draw_elements(transform: Transform, x: Tensor, n: int, seed: int) -> list[Params]:
    """`n` independent draws of the parameters for the batch x, one element for each image in each draw."""
    if transform.n_trans != 1:
        raise InputError(
            f"The transform gives {transform.n_trans} versions per image; elements are drawn one at a time: "
            "build it with n_trans=1."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [transform.get_params(x) for _ in range(n)]

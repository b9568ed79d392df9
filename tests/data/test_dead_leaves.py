"""Dead leaves: seeded, in range, with edges and occlusion."""

import pytest
import torch

from eiwork.data import bodies, dead_leaves
from eiwork.errors import InputError


@pytest.mark.parametrize("draw", [dead_leaves, bodies])
def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_random_state_alone(draw) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = draw(3, 32, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, draw(3, 32, seed=5))
    assert not torch.equal(first, draw(3, 32, seed=6))
    assert first.shape == (3, 1, 32, 32)
    assert not torch.equal(first[0], first[1])


def test_images_fill_the_range_and_have_edges_between_flat_leaves() -> None:
    images = dead_leaves(40, 64, seed=0)
    assert float(images.min()) == 0
    assert float(images.max()) == 1
    assert 0.35 < float(images.mean()) < 0.65
    steps = (images[..., 1:] - images[..., :-1]).abs()
    # Within a leaf there are shading and faint texture; between leaves there are edges.
    assert float((steps < 0.1).float().mean()) > 0.6
    assert float((steps > 0.2).float().mean()) > 0.03


@pytest.mark.parametrize("draw", [dead_leaves, bodies])
@pytest.mark.parametrize(("n", "size"), [(0, 32), (1, 4)])
def test_unusable_arguments(draw, n: int, size: int) -> None:
    with pytest.raises(InputError, match=r"needs n >= 1 and size >= 8"):
        draw(n, size, seed=0)

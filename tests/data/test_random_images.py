"""Random images: seeded, in range, leaves with edges and occlusion, bodies with air around them."""

import pytest
import torch

from eiwork.data import bodies, dead_leaves
from eiwork.errors import InputError


@pytest.mark.parametrize("draw", [dead_leaves, bodies])
def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_random_state_alone(draw) -> None:
    before = torch.get_rng_state()
    first = draw(3, 32, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, draw(3, 32, seed=5))
    assert not torch.equal(first, draw(3, 32, seed=6))
    assert first.shape == (3, 1, 32, 32)
    assert not torch.equal(first[0], first[1])
    for n, size in ((0, 32), (1, 4)):
        with pytest.raises(InputError, match=r"needs n >= 1 and size >= 8"):
            draw(n, size, seed=0)


def test_images_fill_the_range_and_have_edges_between_flat_leaves() -> None:
    images = dead_leaves(40, 64, seed=0)
    assert (float(images.min()), float(images.max())) == (0, 1)
    assert 0.35 < float(images.mean()) < 0.65
    steps = (images[..., 1:] - images[..., :-1]).abs()
    # Within a leaf there are shading and faint texture; between leaves there are edges.
    assert float((steps < 0.1).float().mean()) > 0.6
    assert float((steps > 0.2).float().mean()) > 0.03


def test_inside_are_the_leaves_of_the_seed_and_outside_is_air():
    images, leaves = bodies(200, 64, seed=0), dead_leaves(200, 64, seed=0)
    assert ((images == 0) | (images == leaves)).all()
    changed = (images != leaves).float().mean(dim=(1, 2, 3))
    # Half axes of 0.33 x 0.2 to 0.5 x 0.5 of the side cover 0.2 to 0.79 of an image, where they stay in it.
    assert 0.15 < float(changed.min()) < float(changed.max()) < 0.82
    corners = images[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert float(corners.abs().max()) == 0


def test_an_ellipse_is_a_section_without_holes_in_its_rows():
    # Where the leaves are bright throughout, what is left of them is the ellipse itself.
    images, leaves = bodies(300, 64, seed=2), dead_leaves(300, 64, seed=2)
    bright = (leaves > 0).flatten(1).all(dim=1)
    assert int(bright.sum()) > 20
    for mask in (images[bright, 0] > 0, (images[bright, 0] > 0).transpose(1, 2)):
        edges = (mask[..., 1:] != mask[..., :-1]).sum(dim=-1)
        assert int(edges.max()) <= 2

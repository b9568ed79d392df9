"""Random bodies: leaves inside one ellipse, air outside."""

from eiwork.data import bodies, dead_leaves


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

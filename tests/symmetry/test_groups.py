"""Subgroups, products, and the elements that stand for a group."""

import deepinv
import pytest
import torch

from eiwork.errors import InputError
from eiwork.physics import inpainting
from eiwork.symmetry import Composition, Identity, Reflection, Rotation, Shift, StackedOperator, group_elements


def images(batch=4, height=6, width=6):
    return torch.rand(batch, 1, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("multiple", "limit", "angles"),
    [
        (90, 180, [-90, 0, 90, 180]),
        (60.0, 180, [-120, -60, 0, 60, 120, 180]),
        (100, 180, [-100, 0, 100]),
        (15, 30, [-30, -15, 0, 15, 30]),
        (0.1, 0.3, [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]),
    ],
)
def test_multiples_of_an_angle_are_drawn_and_nothing_else(multiple, limit, angles):
    rotation = Rotation(max_degrees=limit, multiples_of=multiple, rng=torch.Generator().manual_seed(0))
    expected = torch.tensor(angles, dtype=torch.float64)
    torch.testing.assert_close(rotation.all_params(6, 6)["theta"], expected)
    drawn = rotation.get_params(torch.zeros(600, 1, 2, 2))["theta"]
    torch.testing.assert_close(drawn.unique(), expected)
    shares = (drawn[0, :, None] - expected).abs().argmin(dim=1).bincount() / 600
    assert (shares - 1 / len(angles)).abs().max() < 0.06


def test_all_elements_of_the_finite_groups():
    assert len(Reflection().all_params(6, 6)["flip_vertical"]) == 4
    shifts = Shift().all_params(4, 3)
    pairs = set(zip((shifts["y_shift"] % 4).tolist(), (shifts["x_shift"] % 3).tolist(), strict=True))
    assert len(pairs) == len(shifts["y_shift"]) == 12
    square = Rotation(multiples_of=90) * Reflection(("horizontal",))
    assert len(square.all_params(6, 6)["theta"]) == 8
    versions = square(images(1), **square.all_params(6, 6))
    assert len({tuple(version.flatten().tolist()) for version in versions}) == 8, "the symmetries of the square"
    assert Rotation().all_params(6, 6) is None
    assert (Shift() * Rotation()).all_params(6, 6) is None


def test_a_small_group_is_taken_whole_and_a_large_one_is_drawn():
    elements = group_elements(Rotation(multiples_of=90), 6, 6)
    assert [float(g["theta"]) for g in elements] == [-90, 0, 90, 180]
    drawn = group_elements(Shift(), 6, 6, limit=5, seed=3)
    assert len(drawn) == 5
    assert all(g["x_shift"].shape == (1, 1) for g in drawn)
    assert drawn == group_elements(Shift(), 6, 6, limit=5, seed=3)
    assert drawn != group_elements(Shift(), 6, 6, limit=5, seed=4)
    state = torch.get_rng_state()
    group_elements(Rotation(), 6, 6, limit=4)
    assert torch.equal(torch.get_rng_state(), state), "PyTorch's own generator is left alone"
    assert group_elements(Identity(), 6, 6) == [{}]
    assert torch.equal(Identity()(images()), images())


def test_products_draw_the_first_part_first_and_are_fixed_by_the_seed():
    x = images()
    chain = Rotation() * Shift()
    assert isinstance(chain, Composition)
    torch.manual_seed(5)
    params = chain.get_params(x)
    torch.manual_seed(5)
    first = Rotation().get_params(x)
    second = Shift().get_params(x)
    for name, value in (first | second).items():
        assert torch.equal(params[name], value)
    torch.manual_seed(5)
    assert torch.equal(chain(x), Shift()(Rotation()(x, **first), **second))


@pytest.mark.parametrize("n", [(1, 1), (2, 1), (1, 3), (2, 3)])
def test_a_product_of_exact_transforms_is_undone_exactly(n):
    x = images()
    chain = Rotation(multiples_of=90, n_trans=n[0]) * Shift(n_trans=n[1])
    params = chain.get_params(x)
    out = chain(x, **params)
    back = chain.inverse(out, batchwise=False, **params)
    assert torch.equal(back, x.repeat(n[0] * n[1], 1, 1, 1))
    one = {name: value[:1] for name, value in params.items()}
    assert torch.equal(chain.inverse(chain(x, **one), **one), x)


@pytest.mark.parametrize("kind", [Rotation("fourier"), Rotation(multiples_of=90), Shift(), Reflection()])
@pytest.mark.parametrize("side", [5, 6])
def test_exact_transforms_are_orthogonal_and_undone_by_their_transpose(kind, side):
    eye = torch.eye(side * side, dtype=torch.float64).view(-1, 1, side, side)
    for _ in range(3):
        params = {name: value[:, :1] for name, value in kind.get_params(eye).items()}
        matrix, inverse = (t(eye, **params).view(side * side, -1).T for t in (kind, kind.inverse))
        torch.testing.assert_close(matrix.T @ matrix, torch.eye(side * side, dtype=torch.float64))
        torch.testing.assert_close(inverse, matrix.T)


def test_products_with_transforms_of_deepinv_are_deepinvs():
    x, chain = images().float(), Reflection() * deepinv.transform.Shift()
    assert chain(x).shape == x.shape
    assert not isinstance(chain, Composition)


def test_several_versions_are_stacked_batch_after_batch():
    x = images()
    shift = Shift(n_trans=3, rng=torch.Generator().manual_seed(0))
    params = shift.get_params(x)
    out = shift(x, **params)
    assert out.shape == (12, 1, 6, 6)
    for k in range(3):
        one = {name: value[[k]] for name, value in params.items()}
        assert torch.equal(out[4 * k : 4 * k + 4], shift(x, **one))


def test_one_element_for_the_whole_batch_is_deepinvs_convention():
    x = images()
    out = Rotation()(x, theta=torch.tensor([90.0, 180.0]))
    assert torch.equal(out, torch.cat([x.rot90(1, (-2, -1)), x.rot90(2, (-2, -1))]))


@pytest.mark.parametrize("collate_batch", [True, False])
def test_symmetrising_the_identity_by_an_exact_group_is_the_identity(collate_batch):
    x = images()
    averaged = Shift(n_trans=2).symmetrize(lambda u: u, average=True, collate_batch=collate_batch)
    torch.testing.assert_close(averaged(x), x)


NUMBER = torch.zeros(1)
UNUSABLE = ((images()[0, 0], "x has shape"), (images() * 1j, "x is complex"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        *((lambda m=m: Rotation(multiples_of=m), "multiples_of") for m in (0, -90, 200, float("nan"))),
        *((lambda d=d: Rotation(max_degrees=d), f"max_degrees = {d}") for d in (0, 200.0)),
        (lambda: Rotation("lanczos"), "interpolation = 'lanczos' is unknown; use one of: fourier, bilinear"),
        (lambda: Rotation(n_trans=0), "n_trans = 0"),
        (lambda: Shift(0), "max_fraction = 0"),
        *((lambda a=a: Reflection(a), "axes = ") for a in ((), ("diagonal",), ("vertical", "vertical"))),
        (lambda: Rotation() * Rotation(multiples_of=90), "Both parts of the product have the parameter theta"),
        (lambda: group_elements(Rotation(n_trans=2), 6, 6), "n_trans=1"),
        (lambda: group_elements(Shift(), 6, 6, limit=0), "limit = 0"),
        (lambda: StackedOperator(physics=inpainting(4), transform=Shift(), elements=[]), "at least one group element"),
        (lambda: Rotation()(images(), theta=NUMBER.expand(1, 3)), "for a batch of 3, but the batch holds 4"),
        (lambda: Rotation()(images(), x_shift=NUMBER), "theta is missing"),
        (lambda: Shift()(images(), x_shift=NUMBER.int()), "both y_shift and x_shift"),
        (lambda: Reflection()(images(), theta=NUMBER), "flip_horizontal or flip_vertical"),
        *((lambda t=t, x=x: t()(x), told) for t in (Rotation, Reflection, Shift) for x, told in UNUSABLE),
    ],
)
def test_impossible_groups_and_unusable_images_and_parameters_are_one_error_each(call, message):
    with pytest.raises(InputError, match=message):
        call()

"""What every operator promises, against dense algebra: A, its adjoint and inverse, data steps, derivatives, errors."""

import copy

import deepinv
import pytest
import torch
from dense_algebra import dense, forward_mode, randn, solved
from torch.utils._python_dispatch import TorchDispatchMode

from eiwork.errors import InputError
from eiwork.physics import inpainting, mri, radial_mri, tomography
from eiwork.symmetry import Rotation

SIZE = 8
OPERATORS = {
    "ct": lambda size=SIZE, **noise: tomography(size, 4, **noise),
    "mri": lambda size=SIZE, **noise: mri(size, acceleration=2, center_fraction=0.25, **noise),
    "coils": lambda size=SIZE, **noise: mri(size, acceleration=2, center_fraction=0.25, n_coils=2, **noise),
    "inpainting": lambda size=SIZE, **noise: inpainting(size, keep=0.5, **noise),
    "radial": lambda size=SIZE, **noise: radial_mri(size, 4, n_coils=2, **noise),
}
operators = pytest.mark.parametrize("kind", OPERATORS)
whitening = pytest.mark.parametrize("kind", ["ct", "coils", "radial"])
EXACT = 1e-10


def problem(kind, size=SIZE, batch=2):
    physics = OPERATORS[kind](size).double()
    z, x = randn(2, batch, *physics.img_size)
    return physics, z, physics.A(x)


@operators
def test_the_adjoint_is_the_transposed_matrix_and_the_norm_one(kind):
    physics, x, y = problem(kind)
    a, v = dense(physics), randn(*y.shape, seed=1)
    torch.testing.assert_close(physics.A(x).flatten(1), x.flatten(1) @ a.T)
    torch.testing.assert_close(physics.A_adjoint(v).flatten(1), v.flatten(1) @ a, rtol=1e-6, atol=1e-7)
    assert 0.98 < torch.linalg.matrix_norm(a, 2).item() < 1 + 1e-6
    single = physics.float().A(x.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), x.flatten(1).matmul(a.T).view_as(y), rtol=1e-4, atol=1e-5)


@operators
def test_a_dagger_is_the_pseudo_inverse(kind):
    physics, _, y = problem(kind)
    physics.tol = 1e-10
    for cut in (1e-3, 0.2) if kind in ("ct", "coils") else (1e-3,):
        found = physics.A_dagger(y, **({"rtol": cut} if kind in ("ct", "coils") else {}))
        expected = y.flatten(1) @ torch.linalg.pinv(dense(physics), rtol=1e-6 if kind == "radial" else cut).T
        tol = 1e-4 if kind == "radial" else 1e-6
        torch.testing.assert_close(found.flatten(1), expected, rtol=tol, atol=tol)
    assert physics.float().A_dagger(y.float()).dtype == torch.float32


@operators
def test_noise_has_its_level_and_seed_and_falls_on_what_is_measured(kind):
    seed = "seed" if kind == "ct" else "noise_seed"
    first, same, other = (OPERATORS[kind](64, noise_sigma=0.2, **{seed: s}) for s in (3, 3, 4))
    x = torch.zeros(4, *first.img_size)
    noise = first(x)
    mask = first.mask[:, :, None] if kind == "coils" else getattr(first, "mask", torch.ones(1))
    measured = mask.expand_as(noise).bool() if mask.ndim > 1 else torch.ones_like(noise).bool()
    assert noise[measured].std().item() == pytest.approx(0.2, rel=0.05)
    assert not noise[~measured].any()
    assert torch.equal(same(x), noise)
    assert not torch.equal(other(x), noise)
    assert not torch.equal(first(x), noise), "the next draw"
    clean, x = OPERATORS[kind](64), randn(1, *first.img_size, dtype=torch.float32)
    assert torch.equal(clean(x), clean.A(x))


@pytest.mark.parametrize("gamma", [0.3, 20.0])
@operators
def test_the_proximal_map_is_the_minimiser(kind, gamma):
    physics, z, y = problem(kind)
    a, tol = dense(physics), EXACT
    right = gamma * (y.flatten(1) @ a).view_as(z)
    expected = solved(gamma * a.T @ a, 1.0, right + z)
    for value in (gamma, torch.tensor(gamma, dtype=torch.float64)):
        torch.testing.assert_close(physics.prox_l2(z, y, value), expected, rtol=tol, atol=tol)
    torch.testing.assert_close(physics.prox_l2(None, y, gamma), physics.prox_l2(0 * z, y, gamma))
    torch.testing.assert_close(physics.prox_l2(2, y, gamma), physics.prox_l2(0 * z + 2, y, gamma))
    single = physics.float().prox_l2(z.float(), y.float(), gamma)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=1e-4)


@whitening
def test_whitening_is_the_dense_inverse(kind):
    physics, _, y = problem(kind)
    a, r = dense(physics), randn(*y.shape, seed=2)
    white, tol = physics.whiten(r, 0.05), 10 * EXACT
    torch.testing.assert_close(white, solved(a @ a.T, 0.05, r), rtol=tol, atol=tol)
    torch.testing.assert_close(physics.whiten(r, torch.tensor([0.05], dtype=torch.float64)), white, rtol=tol, atol=tol)
    assert not torch.allclose(physics.whiten(r, 0.5), white)
    single = physics.float().whiten(r.float(), 0.05)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), white, rtol=1e-3, atol=1e-3)
    for useless in (0, -1.0, float("nan"), torch.ones(2)):
        with pytest.raises(InputError, match="regularisation"):
            physics.whiten(r.float(), useless)
    with pytest.raises(InputError, match="has shape"):
        physics.whiten(r[..., :-1].float(), 0.05)


@forward_mode
@operators
def test_first_and_second_derivatives_of_everything(kind):
    radial = kind == "radial"
    physics, z, y = problem(kind, size=2 if radial else 4, batch=1)
    physics.tol = 1e-10
    gamma = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    z.requires_grad_(), y.requires_grad_()
    steps = [(physics.A, (z,)), (physics.A_adjoint, (y,)), (physics.prox_l2, (z, y, gamma)), (physics.A_dagger, (y,))]
    steps += [(getattr(physics, name), (y,)) for name in ("fbp", "gridding") if hasattr(physics, name)]
    if hasattr(physics, "whiten"):
        steps.append((physics.whiten, (y, torch.tensor(0.3, dtype=torch.float64, requires_grad=True))))
    for step, inputs in steps:
        assert torch.autograd.gradcheck(step, inputs, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(lambda *v, f=step: f(*v) ** 3, inputs, fast_mode=True)


@forward_mode
@operators
def test_transforms_of_torch_func_give_the_dense_matrices(kind):
    physics, z, y = problem(kind, size=4, batch=1)
    a, tol = dense(physics), 10 * EXACT
    inverse = torch.linalg.inv(3.0 * a.T @ a + torch.eye(a.shape[1], dtype=torch.float64))
    for f, expected in ((physics.A, a), (lambda z: physics.prox_l2(z, y, 3.0), inverse)):
        for transform in (torch.func.jacrev, torch.func.jacfwd):
            torch.testing.assert_close(transform(f)(z).reshape(expected.shape), expected, rtol=tol, atol=tol)
    second = torch.func.hessian(lambda v: physics.A(v).square().sum())(z).reshape(inverse.shape)
    torch.testing.assert_close(second, 2 * a.T @ a, rtol=tol, atol=tol)
    many = randn(3, 2, *z.shape)
    torch.testing.assert_close(torch.func.vmap(physics.A, in_dims=1)(many[:, :, 0])[1], physics.A(many[:, 1, 0]))
    measured = torch.stack([physics.A(v) for v in many[0]])
    torch.testing.assert_close(torch.func.vmap(physics.A_adjoint)(measured)[1], physics.A_adjoint(measured[1]))
    steps = torch.func.vmap(lambda a, b: physics.prox_l2(a, b, 2.0))(many[0], measured)
    torch.testing.assert_close(steps[1], physics.prox_l2(many[0, 1], measured[1], 2.0))


@operators
def test_one_gamma_per_sample_is_left_to_deepinv(kind):
    physics, z, y = problem(kind)
    several = physics.prox_l2(z, y, torch.tensor([0.5, 5.0], dtype=torch.float64).view(2, 1, 1, 1), tol=1e-10)
    for i, gamma in enumerate((0.5, 5.0)):
        one = physics.prox_l2(z[i : i + 1], y[i : i + 1], gamma)
        torch.testing.assert_close(several[i : i + 1], one, rtol=1e-4, atol=1e-4)


class Waits(TorchDispatchMode):
    """Counts the looks at a value, each of which would wait for the device."""

    found = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.found += function.overloadpacket.__name__ in ("_local_scalar_dense", "equal", "is_nonzero", "nonzero")
        return function(*args, **(kwargs or {}))


@operators
def test_products_and_exact_steps_wait_for_no_value_and_keep_their_precision_under_autocast(kind):
    physics = OPERATORS[kind]()
    x = randn(2, *physics.img_size, dtype=torch.float32)
    y, numbers = physics.A(x), (0.1, torch.tensor(0.3))
    steps = [lambda: physics.A(x), lambda: physics.A_adjoint(y), lambda: physics(x)]
    if kind != "radial":  # whose inverses iterate, and look at their residual
        steps += [lambda: physics.A_dagger(y), *(lambda g=g: physics.prox_l2(x, y, g) for g in numbers)]
        steps += [lambda g=g: physics.whiten(y, g) for g in numbers if hasattr(physics, "whiten")]
    for step in steps:
        expected = step()  # what is kept is made here
        with Waits() as waits, torch.autocast("cpu", torch.bfloat16):
            found = step()
        assert waits.found == 0
        assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", ["mri", "coils", "inpainting"])
def test_an_empty_batch_gives_an_empty_result_and_products_follow_the_dtype_of_their_input(kind):
    physics, z, y = problem(kind)
    gamma = torch.tensor(2.0, requires_grad=True)
    prox = lambda z: physics.prox_l2(z, physics.A(z), gamma)  # noqa: E731
    for step, v in ((physics.A, z), (physics.A_adjoint, y), (physics.A_dagger, y), (physics, z), (prox, z)):
        full, empty = step(v.float()), v[:0].clone().requires_grad_()
        assert (step(empty).shape, full.dtype) == ((0, *full.shape[1:]), torch.float32)
        assert torch.autograd.grad(step(empty).sum(), empty)[0].shape == empty.shape
    assert torch.autograd.grad(prox(z[:0]).sum(), gamma)[0] == 0
    single = copy.deepcopy(physics).to(torch.float32)
    torch.testing.assert_close(single.to(torch.float64).A(z), physics.A(z), rtol=1e-6, atol=1e-6)
    with pytest.raises(InputError, match=r"y holds 2 samples on meta, .* for 1 on cpu"):
        physics.A_adjoint(y.to("meta"))


@operators
def test_deepinvs_losses_take_the_operator(kind):
    physics = OPERATORS[kind](16)
    x = randn(2, *physics.img_size, dtype=torch.float32).requires_grad_()

    def model(y, physics, **kwargs):
        return physics.A_adjoint(y)

    mc = deepinv.loss.MCLoss()(y=physics(x).detach() + 0.1, x_net=x, physics=physics)
    ei = deepinv.loss.EILoss(Rotation(), apply_noise=False)(x_net=x, physics=physics, model=model)
    for loss in (mc, ei):
        (gradient,) = torch.autograd.grad(loss, x, retain_graph=True)
        assert torch.isfinite(gradient).all()
        assert gradient.norm() > 0


@operators
def test_unusable_tensors_and_numbers_are_one_error_each(kind):
    physics, x, y = problem(kind)
    image = [(x[..., :-1], "x has shape"), (x[0], "x has shape"), (x.to(torch.complex64), "x is complex")]
    for wrong, message in (*image, (x.int(), "x is torch.int32"), (x.movedim(1, -1), r"x\.reshape.*\.permute\(0, 3,")):
        for method in (physics.A, physics, *([physics.A_adjoint_A] if kind == "radial" else [])):
            with pytest.raises(InputError, match=message):
                method(wrong)
    if kind not in ("ct", "inpainting"):
        with pytest.raises(InputError, match=r"real_to_complex\(x\) makes it"):
            physics.A(x[:, :1])
    names = [name for name in ("A_adjoint", "A_dagger", "fbp", "gridding") if hasattr(physics, name)]
    for method in (*(getattr(physics, name) for name in names), lambda y: physics.prox_l2(None, y, 1.0)):
        for wrong, message in ((y[..., :-1], "y has shape"), (y[:, :, :-1], "y has shape"), (y.half(), "y is")):
            with pytest.raises(InputError, match=message):
                method(wrong)
    for gamma in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="gamma"):
            physics.prox_l2(x, y, gamma)
    assert kind == "radial" or physics.prox_l2(x, y, torch.tensor(-2.0)).isnan().all(), "no wrong answer, and no wait"


MAPS = torch.ones(2, 16, 16, dtype=torch.complex64)
MASK = torch.ones(16, 16)


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        *((build, {"noise_sigma": -1}, "noise_sigma = -1") for build in (tomography, mri, inpainting, radial_mri)),
        *((build, {"n_coils": 0}, "n_coils = 0") for build in (mri, radial_mri)),
        (tomography, {"image_size": 1}, "image_size = 1"),
        (tomography, {"n_views": 0}, "n_views = 0"),
        (tomography, {"noise_sigma": float("nan")}, "noise_sigma"),
        (tomography, {"n_detectors": 0}, "n_detectors = 0"),
        *((tomography, {"rtol": cut}, "rtol") for cut in (0.0, 1.0)),
        (tomography, {"angles": [0.0, 90.0]}, "one in degrees for each view"),
        (tomography, {"angles": [0.0, float("nan"), 1.0]}, "angles holds NaN"),
        (mri, {"image_size": 0}, "image_size"),
        *((mri, {"acceleration": factor}, f"acceleration = {factor}") for factor in (0.9, 17)),
        *((mri, {"center_fraction": share}, f"center_fraction = {share}") for share in (0, 1.5)),
        (mri, {"center_fraction": 0.5}, "asks for 8 central columns, but acceleration = 4 leaves 4"),
        *((inpainting, {"keep": share}, f"keep = {share}") for share in (0, 1.1)),
        (inpainting, {"keep": 0.0001}, "keeps no pixel of 16 x 16"),
        (inpainting, {"image_size": (16,)}, "image_size"),
        *((mri, {"mask": MASK} | more, "mask is given, so") for more in ({"acceleration": 4}, {"seed": 0})),
        (inpainting, {"mask": MASK, "keep": 0.5}, "mask is given, so keep"),
        *((build, {"mask": MASK * w}, "1 where measured") for build in (mri, inpainting) for w in (0, 255, torch.nan)),
        (mri, {"mask": MASK.expand(2, 16, 16)}, r"mask has shape \(2, 16, 16\), .* one for each sample"),
        (inpainting, {"mask": [["a"]]}, "mask is a list without numbers"),
        *((build, {"coil_maps": 0 * MAPS}, "zeros only") for build in (mri, radial_mri)),
        *((build, {"coil_maps": MAPS[:, :-1]}, "pass complex maps") for build in (mri, radial_mri)),
        *((build, {"coil_maps": MAPS.real}, "coil_maps is") for build in (mri, radial_mri)),
        *((build, {"coil_maps": MAPS, "n_coils": 2}, "leave one out") for build in (mri, radial_mri)),
        (radial_mri, {"n_spokes": 0}, "n_spokes = 0"),
        (radial_mri, {"angles": [0.0]}, r"angles has shape \(1,\), but n_spokes = 3"),
        *((radial_mri, {"positions": wrong}, "at least two ascending") for wrong in ([0.0], [1.0, 0.0])),
        (radial_mri, {"positions": [0.0, 1.0, 1.5]}, "equal steps"),
        (radial_mri, {"positions": [-2.0, 0.0, 2.0]}, "at most 1"),
        (radial_mri, {"positions": [7.0, 8.0, 9.0]}, "positions reach 9 cycles"),
    ],
)
def test_impossible_scans_are_one_error(build, arguments, message):
    required = {tomography: {"n_views": 3}, radial_mri: {"n_spokes": 3}}.get(build, {})
    with pytest.raises(InputError, match=message):
        build(**{"image_size": 16} | required | arguments)

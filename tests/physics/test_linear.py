"""The minimum-norm solution and the shifted inverse against dense algebra, with all their derivatives."""

import pytest
import torch
from dense_algebra import forward_mode, randn

from eiwork.errors import ConvergenceWarning
from eiwork.physics.linear import by_conjugate_gradients, minimum_norm_solution, shifted_inverse

MATRIX = randn(5, 4) @ randn(4, 8, seed=1)  # of rank 4: neither injective nor surjective
H = randn(6, 6) @ randn(6, 6).T / 6


def least(y, tol=1e-10, max_iter=100):
    return minimum_norm_solution(lambda x: x @ MATRIX.t(), lambda v: v @ MATRIX, y, tol=tol, max_iter=max_iter)


def test_it_is_the_pseudo_inverse_even_for_inconsistent_data():
    y = randn(3, 5, seed=2)
    torch.testing.assert_close(least(y), y @ torch.linalg.pinv(MATRIX, rtol=1e-10).t())
    single = least(y.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), least(y), rtol=1e-5, atol=1e-5)


def test_the_tolerance_matters_and_a_missed_one_warns():
    y = randn(2, 5, seed=2)
    assert not torch.allclose(least(y, tol=0.3), least(y), rtol=1e-4)
    with pytest.warns(ConvergenceWarning, match="normal residual"):
        least(y, max_iter=1)


def exactly(b, shift):
    return torch.linalg.solve(H + shift * torch.eye(6, dtype=b.dtype), b.T).T


iteratively = by_conjugate_gradients(lambda v: v @ H, name="The test solve")
methods = pytest.mark.parametrize("method", [exactly, iteratively])


@forward_mode
@methods
def test_derivatives_of_both_modes_and_orders(method):
    b = randn(2, 6).requires_grad_()
    shift = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)

    def solve(b, shift):
        return shifted_inverse(b, shift, method)

    assert torch.autograd.gradcheck(solve, (b, shift), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(solve, (b, shift), check_fwd_over_rev=True)
    assert torch.autograd.gradgradcheck(lambda b: shifted_inverse(b, 0.4, method).square(), (b,))


@forward_mode
@methods
def test_transforms_of_torch_func(method):
    b, shift = randn(2, 6), torch.tensor(0.4, dtype=torch.float64)
    inverse = torch.linalg.inv(H + 0.4 * torch.eye(6, dtype=torch.float64))
    for transform in (torch.func.jacrev, torch.func.jacfwd):
        torch.testing.assert_close(transform(lambda v: shifted_inverse(v[None], 0.4, method)[0])(b[0]), inverse)
        of_shift = transform(lambda s: shifted_inverse(b, s, method))(shift)
        torch.testing.assert_close(of_shift, -b @ inverse @ inverse)
    batch, shifts = randn(3, 2, 6), torch.tensor([0.2, 0.4, 0.6], dtype=torch.float64)
    each = torch.stack([shifted_inverse(x, s, method) for x, s in zip(batch, shifts, strict=True)])
    torch.testing.assert_close(torch.func.vmap(lambda x, s: shifted_inverse(x, s, method))(batch, shifts), each)
    shared = torch.func.vmap(lambda s: shifted_inverse(batch[0], s, method))(shifts)
    torch.testing.assert_close(shared[0], each[0])


def test_samples_of_any_scale_are_solved_to_the_same_relative_accuracy():
    b = randn(3, 6) * torch.tensor([[1e-12], [1.0], [1e12]], dtype=torch.float64)
    x, exact = iteratively(b, 0.1), exactly(b, 0.1)
    assert float(((x - exact).norm(dim=1) / exact.norm(dim=1)).max()) < 1e-11
    assert torch.equal(iteratively(torch.zeros_like(b), 0.1), torch.zeros_like(b))


def test_a_looser_tolerance_is_less_exact_and_a_missed_one_warns():
    b, values = randn(1, 60), torch.logspace(-3, 0, 60, dtype=torch.float64)
    loose, tight = (by_conjugate_gradients(lambda v: v * values, name="", tol=tol)(b, 0.01) for tol in (1e-2, 1e-12))
    torch.testing.assert_close(tight, b / (values + 0.01))
    assert 1e-9 < float((loose - tight).norm() / tight.norm()) < 0.1
    method = by_conjugate_gradients(lambda v: v * values, name="The test solve", max_iter=1)
    with pytest.warns(ConvergenceWarning, match=r"The test solve stopped after 1 .* Raise it"):
        method(b, 0.1)

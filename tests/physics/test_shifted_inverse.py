import pytest
import torch

from eiwork.errors import ConvergenceWarning
from eiwork.physics.shifted_inverse import by_conjugate_gradients, shifted_inverse

forward_mode = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")


def symmetric(n=6):
    factor = torch.randn(n, n, dtype=torch.float64)
    return factor @ factor.T / n


def exactly(h):
    return lambda b, shift: torch.linalg.solve(h + shift * torch.eye(len(h), dtype=b.dtype), b.T).T


def iteratively(h):
    return by_conjugate_gradients(lambda v: v @ h, name="The test solve")


@forward_mode
@pytest.mark.parametrize("make", [exactly, iteratively])
def test_derivatives_of_both_modes_and_orders(make):
    method = make(symmetric())
    b = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    shift = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)

    def solve(b, shift):
        return shifted_inverse(b, shift, method)

    assert torch.autograd.gradcheck(solve, (b, shift), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(solve, (b, shift), check_fwd_over_rev=True)
    assert torch.autograd.gradgradcheck(lambda b: shifted_inverse(b, 0.4, method).square(), (b,))


@forward_mode
@pytest.mark.parametrize("make", [exactly, iteratively])
def test_transforms_of_torch_func(make):
    h = symmetric()
    method = make(h)
    b, shift = torch.randn(2, 6, dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64)
    inverse = torch.linalg.inv(h + 0.4 * torch.eye(6, dtype=torch.float64))

    def one(v):
        return shifted_inverse(v[None], 0.4, method)[0]

    for jacobian in (torch.func.jacrev(one)(b[0]), torch.func.jacfwd(one)(b[0])):
        torch.testing.assert_close(jacobian, inverse)

    def of_shift(s):
        return shifted_inverse(b, s, method)

    for derivative in (torch.func.jacrev(of_shift)(shift), torch.func.jacfwd(of_shift)(shift)):
        torch.testing.assert_close(derivative, -b @ inverse @ inverse)
    batch, shifts = (
        torch.randn(3, 2, 6, dtype=torch.float64),
        torch.tensor([0.2, 0.4, 0.6], dtype=torch.float64),
    )
    each = torch.stack([shifted_inverse(x, s, method) for x, s in zip(batch, shifts, strict=True)])
    mapped = torch.func.vmap(lambda x, s: shifted_inverse(x, s, method))
    torch.testing.assert_close(mapped(batch, shifts), each)
    shared = torch.func.vmap(lambda s: shifted_inverse(batch[0], s, method))(shifts)
    torch.testing.assert_close(shared[0], each[0])


def test_samples_of_any_scale_are_solved_to_the_same_relative_accuracy():
    h = symmetric()
    b = torch.randn(3, 6, dtype=torch.float64) * torch.tensor([[1e-12], [1.0], [1e12]], dtype=torch.float64)
    x, exact = iteratively(h)(b, 0.1), exactly(h)(b, 0.1)
    assert float(((x - exact).norm(dim=1) / exact.norm(dim=1)).max()) < 1e-11
    assert torch.equal(iteratively(h)(torch.zeros_like(b), 0.1), torch.zeros_like(b))


def test_a_missed_tolerance_warns():
    method = by_conjugate_gradients(lambda v: v @ symmetric(), name="The test solve", max_iter=1)
    with pytest.warns(ConvergenceWarning, match=r"The test solve stopped after 1 .* Raise it"):
        method(torch.randn(1, 6, dtype=torch.float64), 0.1)

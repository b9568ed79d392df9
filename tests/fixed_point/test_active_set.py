"""Samples that have converged leave the batch, where f can be evaluated for the others alone."""

import pytest
import torch

from eiwork.fixed_point import Anderson, Broyden, Implicit, Picard, Unrolled, fixed_point, solve_fixed_point
from eiwork.fixed_point.state import PackedMap, Packing


class Rates:
    """z -> rate * sin(z) + shift with a rate of its own for each sample; notes the batch sizes it is called with."""

    def __init__(self, rates, shift, sizes, separable=True):
        self.rates, self.shift, self.sizes, self.separable = rates, shift, sizes, separable

    def __call__(self, z):
        self.sizes.append(z.shape[0])
        return self.rates[:, None] * torch.sin(z) + self.shift

    def select(self, indices):
        if not self.separable:
            return None
        return Rates(self.rates[indices], self.shift[indices], self.sizes)


def make(separable=True):
    rates = torch.tensor([0.1, 0.95, 0.5], dtype=torch.float64)
    shift = torch.linspace(-1, 1, 12, dtype=torch.float64).view(3, 4).requires_grad_()
    return Rates(rates, shift, [], separable), torch.zeros(3, 4, dtype=torch.float64)


@pytest.mark.parametrize("solver", [Picard(tol=1e-10, max_iter=900), Anderson(tol=1e-10), Broyden(tol=1e-10)], ids=repr)
def test_the_rest_is_solved_without_them_and_to_the_same_answer(solver):
    f, z0 = make()
    whole, _ = make(separable=False)
    found, reference = solve_fixed_point(f, z0, solver), solve_fixed_point(whole, z0, solver)
    assert f.sizes[0] == 3
    assert f.sizes[-1] < 3
    assert f.sizes == sorted(f.sizes, reverse=True)
    assert set(whole.sizes) == {3}
    assert found.n_evaluations == reference.n_evaluations == len(f.sizes)
    torch.testing.assert_close(found.value, reference.value, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found.residual, reference.residual, rtol=1e-6, atol=1e-15)


def test_gradients_are_those_of_the_whole_batch():
    gradients = []
    for separable in (True, False):
        f, z0 = make(separable)
        z = fixed_point(f, z0, Anderson(tol=1e-12), Implicit())
        gradients.append(torch.autograd.grad(z.square().sum(), f.shift)[0])
        assert f.sizes[-1] == 3
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


def test_an_unrolled_iteration_evaluates_every_sample_every_time():
    f, z0 = make()
    fixed_point(f, z0, Picard(tol=1e-2), Unrolled(20))
    assert set(f.sizes) == {3}


def test_tuple_states_and_step_by_step_use():
    class Pair(Rates):
        def __call__(self, z):
            self.sizes.append(z[0].shape[0])
            return self.rates[:, None] * z[1] + 1, self.rates[:, None] * z[0].conj() + 1j

        def select(self, indices):
            return Pair(self.rates[indices], None, self.sizes)

    pair = Pair(torch.tensor([0.1, 0.9], dtype=torch.float64), None, sizes := [])
    z0 = (torch.zeros(2, 3, dtype=torch.complex128), torch.zeros(2, 3, dtype=torch.complex128))
    packing = Packing.of(z0)
    f, solver = PackedMap(pair, packing), Picard(tol=1e-9, max_iter=500)
    progress = solver.init(f, packing.pack(z0))
    while not solver.terminate(progress):
        progress = solver.step(f, progress)
    assert bool(progress.converged.all())
    assert (sizes[0], sizes[-1]) == (2, 1)
    z = packing.unpack(progress.best_z)
    torch.testing.assert_close(pair(z), z, rtol=1e-7, atol=1e-8)

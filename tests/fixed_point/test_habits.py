"""What users do: autocast, compile, overwrite the argument, empty batches, freeze, ask for too much, use a device."""

import pytest
import torch
from problems import MODES, linear_problem, relative_error
from torch import Tensor, nn

from eiwork.errors import ConvergenceWarning
from eiwork.fixed_point import GMRES, Anderson, Broyden, Implicit, Picard, fixed_point, record, solve_fixed_point

SOLVERS = [Picard(max_iter=200), Anderson(), Broyden()]
EVERY = pytest.mark.parametrize("mode", MODES, ids=repr)
BFLOAT = torch.autocast("cpu", torch.bfloat16)


class Layer(nn.Module):
    """z -> tanh(W z) + y, for a batch of any size."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.y = nn.Linear(8, 8), nn.Parameter(0.3 * torch.randn(1, 8))
        self.linear.weight.data.mul_(0.9 / torch.linalg.matrix_norm(self.linear.weight.data, 2))

    def forward(self, z):
        return torch.tanh(self.linear(z)) + self.y


def gradient(f, layer, mode, solver=None):
    """Value and gradient of the weight."""
    z = fixed_point(f, torch.zeros(3, 8), solver, mode)
    return z.detach(), torch.autograd.grad(z.sin().sum(), layer.linear.weight)[0]


@EVERY
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_casts_f_alone_and_gives_the_gradient_of_float32_to_the_accuracy_of_its_type(mode, dtype):
    layer = Layer()
    for solver in SOLVERS:
        exact = gradient(layer, layer, mode, solver)
        with torch.autocast("cpu", dtype):
            inside = gradient(layer, layer, mode, solver)
            z = fixed_point(layer, torch.zeros(3, 8), solver, mode)
        assert z.dtype == torch.float32
        outside = z.detach(), torch.autograd.grad(z.sin().sum(), layer.linear.weight)[0]
        for value, reference in zip((*inside, *outside), (*exact, *exact), strict=True):
            assert 0 < relative_error(value, reference) < 3 * torch.finfo(dtype).eps


@pytest.mark.parametrize("adjoint", [GMRES(restart=3), *SOLVERS], ids=repr)
def test_second_derivatives_under_autocast_and_gradients_of_every_scale(adjoint):
    layer, found, mode = Layer(), [], Implicit(adjoint)
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            z = fixed_point(layer, torch.zeros(3, 8), None, mode)
            (first,) = torch.autograd.grad(z.sin().sum(), layer.linear.weight, create_graph=True)
            found.append(torch.autograd.grad(first.sin().sum(), layer.y)[0])
    assert relative_error(found[1], found[0]) < 0.03
    with BFLOAT, record() as reports:
        for scale in (1.0, 2.0**16, 2.0**-40):
            z = fixed_point(layer, torch.zeros(3, 8), None, mode)
            found.append(torch.autograd.grad(scale * z.sum(), layer.linear.weight)[0] / scale)
    assert torch.equal(found[2], found[3])
    assert torch.equal(found[2], found[4])
    assert len({report.n_evaluations for report in reports if report.kind == "adjoint"}) == 1


@pytest.mark.parametrize("mode", [MODES[0], MODES[4]], ids=repr)
def test_a_compiled_map_is_compiled_once_and_a_solve_runs_between_graphs(mode):
    layer, graphs = Layer(), []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(layer, backend=backend)
    expected = gradient(layer, layer, mode)
    assert all(map(torch.equal, gradient(compiled, layer, mode), expected))
    assert len(graphs) == 1
    around = torch.compile(lambda z: fixed_point(layer, z / 2, None, mode), backend="eager")
    assert torch.equal(around(torch.zeros(3, 8)), expected[0])
    whole = torch.compile(lambda z: solve_fixed_point(layer, z).value, backend="eager", fullgraph=True)
    with pytest.raises(Exception, match=r"Leave fullgraph=True out"):
        whole(torch.zeros(3, 8))


@EVERY
def test_f_may_overwrite_its_argument_and_what_it_returned(mode):
    weight, y = torch.linspace(0.1, 0.6, 8).requires_grad_(), torch.ones(1, 8, requires_grad=True)
    buffer, z0 = torch.empty(2, 8), torch.zeros(2, 8)
    for solver in SOLVERS:
        found = []
        for f in (lambda z: z * weight + y, lambda z: z.mul_(weight).add_(y)):
            z = fixed_point(f, z0, solver, mode)
            found.append((z, *torch.autograd.grad(z.sin().sum(), (weight, y))))
        assert all(map(torch.equal, *found))
        own = solve_fixed_point(lambda z: torch.add(z * weight.detach(), 1, out=buffer), z0, solver)
        torch.testing.assert_close(own.value, (1 / (1 - weight)).detach().expand(2, 8), rtol=1e-3, atol=0)
    assert not z0.any()


@EVERY
def test_an_empty_batch_has_an_empty_solution_and_no_gradient_but_zeros(mode):
    for solver in SOLVERS:
        layer = Layer()
        fixed_point(layer, torch.zeros(0, 8), solver, mode).sum().backward()
        assert all(not parameter.grad.any() for parameter in layer.parameters())
    pair = torch.zeros(0, 3), torch.zeros(0, 2, 2, dtype=torch.complex64)
    solution = solve_fixed_point(lambda z: (z[0] / 2, z[1] / 2), pair)
    assert (len(solution.converged), solution.value[1].shape) == (0, (0, 2, 2))


@EVERY
def test_a_result_needs_a_gradient_exactly_if_something_behind_f_does(mode):
    layer, start = Layer().requires_grad_(False), torch.zeros(3, 8, requires_grad=True)
    finite = "steps" in vars(mode) and not hasattr(mode, "_attach")
    assert fixed_point(layer, start, None, mode).requires_grad == finite
    assert not fixed_point(layer, start.detach(), None, mode).requires_grad
    with torch.inference_mode():
        assert not fixed_point(Layer(), torch.zeros(3, 8), None, mode).requires_grad
    layer.y.requires_grad_()
    constant = torch.ones(3, 8, requires_grad=True)
    for f in (layer, lambda z: layer.y.expand(3, 8), lambda z: constant):
        assert fixed_point(f, start.detach(), None, mode).requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", [Anderson, Broyden, Picard])
def test_a_tolerance_that_a_type_cannot_reach_ends_early_and_names_the_type_and_what_it_can(kind, dtype):
    w, y = (0.9 * torch.linalg.qr(torch.randn(40, 40)).Q).to(dtype), torch.randn(3, 40).to(dtype)
    z0 = torch.zeros_like(y)
    with pytest.warns(ConvergenceWarning, match=rf"rounding of {dtype}.* ask for tol=\d.* longer type") as caught:
        stopped = solve_fixed_point(lambda z: torch.tanh(z @ w) + y, z0, kind(tol=1e-9, max_iter=500))
    assert stopped.n_evaluations < 100
    tol = float(str(caught[0].message).split("ask for tol=")[1].split(",")[0])
    assert solve_fixed_point(lambda z: torch.tanh(z @ w) + y, z0, kind(tol=tol, max_iter=500)).converged.all()


WAITS = {getattr(Tensor, n) for n in ("tolist", "item", "__bool__", "__float__", "__int__", "cpu", "nonzero")}
WAITS |= {getattr(torch.linalg, n) for n in ("solve", "eigh", "eigvalsh", "svdvals", "lstsq", "inv")}


class OnDevice(Tensor):
    """A tensor of a device that counts how often the host waits for it."""

    waits = 0

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        OnDevice.waits += func in WAITS
        out = super().__torch_function__(func, types, args, kwargs or {})
        return out.as_subclass(Tensor) if func is Tensor.cpu else out


@pytest.mark.parametrize("solver", [*SOLVERS, Broyden(memory=4), GMRES(restart=4)], ids=repr)
def test_a_solve_waits_for_the_device_once_a_step_and_makes_nothing_elsewhere(solver):
    f, z0, _ = linear_problem(0.9, dtype=torch.float32)
    z0, rates = z0.as_subclass(OnDevice), torch.tensor([[1.0], [0.1]]).as_subclass(OnDevice)
    layer, start, OnDevice.waits = Layer(), torch.zeros(3, 8), 0
    with torch.no_grad(), torch.device("meta"):
        if isinstance(solver, GMRES):
            steps = solver.solve_linear(lambda v: rates * (f(v) - f(z0)), f(z0)).n_evaluations + 1
        else:
            steps = solver.run(lambda z: rates * f(z), z0).n_evaluations  # the second sample stops early
            fixed_point(layer, start, solver, Implicit(Broyden()))
    assert OnDevice.waits == steps > 5

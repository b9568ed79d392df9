"""Our operators side by side with deepinv's: tomography's A and A^T, and the proximal map of multi-coil MRI.

Both see the same images in the same process, turn and turn about; the median of the repetitions counts.
"""

import functools
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import deepinv
import torch
from torch import Tensor

from eiwork.physics import mri, tomography
from eiwork.progress import track

N_VIEWS, COILS, ACCELERATION, BATCH = 50, 4, 6, 8
GAMMAS = (1 / 0.3, 50.0)
TOLERANCE, MAX_ITERATIONS = 1e-6, 500


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock time of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def interleaved_medians(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each call, over rounds in which each runs once, after three rounds of warm-up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in track(range(repeats + 3), "rounds"):
        for name, call in calls.items():
            elapsed = seconds(call)
            if number >= 3:
                times[name].append(elapsed)
    return {name: statistics.median(values) for name, values in times.items()}


def tomography_benchmark(sizes: Sequence[int] = (64, 128), repeats: int = 31) -> dict[str, Any]:
    """A and A^T of 50 views, adjoint error, time to build. deepinv's adjoint is exact, by automatic differentiation.

    Required: ten times as fast at the largest size with batches of eight, and an adjoint error of ours below 1e-6.
    """
    rows = [row for size in sizes for row in _tomography_rows(size, repeats)]
    fastest = min(row["speedup"] for row in rows if row["size"] == max(sizes) and row["batch"] == BATCH)
    error = max(row["adjoint_error"]["eiwork"] for row in rows)
    requirement = {"speedup": fastest, "largest_adjoint_error": error, "passed": fastest >= 10 and error < 1e-6}
    return {"title": "Tomography beside deepinv's", "repeats": repeats, "rows": rows, "requirement": requirement}


def _tomography_rows(size: int, repeats: int) -> list[dict[str, Any]]:
    built: dict[str, Any] = {}

    def build_ours() -> None:
        built["eiwork"] = tomography(size, N_VIEWS)
        built["eiwork"].A(torch.zeros(1, 1, size, size))

    def build_theirs() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built["deepinv"] = deepinv.physics.Tomography(angles=N_VIEWS, img_width=size, normalize=True)

    build = {"eiwork": seconds(build_ours), "deepinv": seconds(build_theirs)}
    rows = []
    for batch in (1, BATCH):
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(batch, 1, size, size, generator=generator)
        v = torch.rand(built["eiwork"].A(x).shape, generator=generator)
        errors = {name: _adjoint_error(physics, x, v) for name, physics in built.items()}
        for operation, argument in (("A", x), ("A_adjoint", v)):
            calls = {name: functools.partial(getattr(physics, operation), argument) for name, physics in built.items()}
            row = {"size": size, "views": N_VIEWS, "batch": batch, "operation": operation, "adjoint_error": errors}
            rows.append(row | _times(calls, repeats) | {"build_s": {k: round(v, 4) for k, v in build.items()}})
    return rows


def multicoil_benchmark(sizes: Sequence[int] = (64, 128), repeats: int = 11) -> dict[str, Any]:
    """Ours inverts A^T A + I / gamma exactly, decomposed once; deepinv runs conjugate gradients at every call.

    Required: faster, and with a smaller residual of the normal equations in float64, everywhere.
    """
    rows = [row for size in sizes for row in _multicoil_rows(size, repeats)]
    slowest = min(row["speedup"] for row in rows)
    passed = slowest > 1 and all(row["residual"]["eiwork"] <= row["residual"]["deepinv"] for row in rows)
    solver = {"solver": "CG", "tol": TOLERANCE, "max_iter": MAX_ITERATIONS}
    requirement = {"smallest_speedup": slowest, "passed": passed}
    title = "The proximal map of multi-coil MRI beside deepinv's"
    return {"title": title, "repeats": repeats, "deepinv": solver, "rows": rows, "requirement": requirement}


def _multicoil_rows(size: int, repeats: int) -> list[dict[str, Any]]:
    ours: Any = mri(size, acceleration=ACCELERATION, n_coils=COILS)
    theirs = deepinv.physics.MultiCoilMRI(mask=ours.mask, coil_maps=ours.coil_maps, img_size=(size, size))
    x, z = torch.randn(2, BATCH, 2, size, size, generator=torch.Generator().manual_seed(0))
    y = ours.A(x)
    first = seconds(lambda: ours.prox_l2(z, y, 1.0))
    rows = []
    for gamma in GAMMAS:
        options = {"solver": "CG", "tol": TOLERANCE, "max_iter": MAX_ITERATIONS}
        calls = {
            "eiwork": functools.partial(ours.prox_l2, z, y, gamma),
            "deepinv": functools.partial(theirs.prox_l2, z, y, gamma, **options),
        }
        with torch.no_grad():
            residuals = {name: _residual(ours, call(), z, y, gamma) for name, call in calls.items()}
        row = {"size": size, "coils": COILS, "batch": BATCH, "gamma": round(gamma, 4), "residual": residuals}
        rows.append(row | _times(calls, repeats) | {"first_call_s": round(first, 4)})
    return rows


def _times(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    with torch.no_grad():
        medians = interleaved_medians(calls, repeats)
    milliseconds = {f"{name}_ms": round(1e3 * value, 4) for name, value in medians.items()}
    return milliseconds | {"speedup": round(medians["deepinv"] / medians["eiwork"], 2)}


def _adjoint_error(physics: Any, x: Tensor, v: Tensor) -> float:
    """|<A x, v> - <x, A^T v>| / (||A x|| ||v||), the products summed in float64."""
    y, back = physics.A(x), physics.A_adjoint(v)
    difference = (y.double() * v).sum() - (x.double() * back).sum()
    return float(difference.abs() / (y.double().norm() * v.double().norm()))


def _residual(physics: Any, x: Tensor, z: Tensor, y: Tensor, gamma: float) -> float:
    """|| gamma A^T (A x - y) + x - z || / || gamma A^T y + z ||, in float64."""
    exact = physics.double()
    x, z, y = x.double(), z.double(), y.to(torch.complex128 if y.is_complex() else torch.float64)
    left = gamma * exact.A_adjoint(exact.A(x) - y) + x - z
    error = float(left.norm() / (gamma * exact.A_adjoint(y) + z).norm())
    physics.float()
    return error

"""Memory of one EI training step of a DEQ against the number of iterations, beside unrolling."""

import itertools
import multiprocessing
import resource
import warnings
from typing import Any

import torch

from eiwork import data
from eiwork.analysis import saved_bytes
from eiwork.errors import ConvergenceWarning
from eiwork.fixed_point import GMRES, Implicit, Picard, Unrolled
from eiwork.losses import EI
from eiwork.models import DEQ, ProximalGradient, ResidualCNN
from eiwork.physics import mri, real_to_complex
from eiwork.progress import track
from eiwork.symmetry import Rotation

ITERATIONS, SIZE, BATCH = (20, 200), 64, 8


def measure(mode: str, iterations: int, size: int = SIZE, batch: int = BATCH) -> dict[str, float]:
    """One training step with exactly `iterations` iterations in each of its two reconstructions.

    peak_growth_mib: of the process's resident memory, meaningful in a fresh process alone; kept_mib: what autograd
    keeps for the backward pass.
    """
    torch.manual_seed(0)
    physics = mri(size, acceleration=4)
    y = physics.A(real_to_complex(data.load("mri", "train", size)[:batch]))
    gradient = Implicit(GMRES(tol=1e-2)) if mode == "implicit" else Unrolled(iterations)
    # A tolerance that float32 never reaches makes the solver use all its iterations.
    model = DEQ(ProximalGradient(ResidualCNN(2)), Picard(tol=1e-30, max_iter=iterations), gradient)
    loss = EI(Rotation())

    def forward() -> torch.Tensor:
        return loss(model, y, physics).total

    before = _peak()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        forward().backward()
        kept = saved_bytes(forward)
    return {"peak_growth_mib": round(_peak() - before, 1), "kept_mib": round(kept / 2**20, 2)}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run() -> dict[str, Any]:
    """Each step in a process of its own. Required: the DEQ keeps as many bytes with 200 iterations as with 20.

    Its peak may be 10 MiB higher: the peak of the same step varies by about 5 MiB from run to run.
    """
    rows: list[dict[str, Any]] = []
    for mode, iterations in track(itertools.product(("implicit", "unrolled"), ITERATIONS), "processes"):
        with multiprocessing.get_context("spawn").Pool(1, torch.set_num_threads, (1,)) as pool:
            found = pool.apply(measure, (mode, iterations))
        rows.append({"mode": mode, "iterations": iterations, **found})
    short, long = rows[:2]
    passed = long["kept_mib"] <= short["kept_mib"] and long["peak_growth_mib"] <= short["peak_growth_mib"] + 10
    title = f"Memory of one EI training step: single-coil MRI, 4x, {SIZE}x{SIZE}, batch {BATCH}, float32"
    return {"title": title, "rows": rows, "requirement": {"passed": passed}}

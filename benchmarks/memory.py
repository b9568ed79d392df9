"""Memory of one EI training step of a DEQ against the number of iterations, beside unrolling.

    python benchmarks/memory.py

Each step runs in a process of its own: what is reported is the growth of the process's peak resident memory over the
step, and the bytes that autograd keeps for the backward pass. The exit status is 1 if the DEQ's step with 200
iterations keeps more bytes than with 20, or if its peak is more than 10 MiB higher (the peak of the same step varies by
about 5 MiB from run to run).
"""

import argparse
import json
import multiprocessing
import resource
import warnings
from pathlib import Path

import torch
from _machine import describe_machine

from eiwork import data
from eiwork.analysis import saved_bytes
from eiwork.errors import ConvergenceWarning
from eiwork.files import write_text_atomically
from eiwork.fixed_point import GMRES, Implicit, Picard, Unrolled
from eiwork.losses import build_loss
from eiwork.models import DEQ, ProximalGradient, ResidualCNN
from eiwork.physics import mri, real_to_complex
from eiwork.symmetry import Rotation

RESULT = Path(__file__).parent / "results" / "memory.json"
ITERATIONS = (20, 200)
SIZE, BATCH = 64, 8


def peak_mebibytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(mode: str, iterations: int) -> dict[str, float]:
    """One training step with exactly `iterations` iterations in each of its two reconstructions."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    physics = mri(SIZE, acceleration=4)
    y = physics.A(real_to_complex(data.load("mri", "train", SIZE)[:BATCH]))
    gradient = Implicit(GMRES(tol=1e-2)) if mode == "implicit" else Unrolled(iterations)
    # A tolerance that float32 never reaches makes the solver use all its iterations.
    model = DEQ(ProximalGradient(ResidualCNN(2)), Picard(tol=1e-30, max_iter=iterations), gradient)
    loss = build_loss("ei", Rotation())
    warnings.simplefilter("ignore", ConvergenceWarning)

    def forward() -> torch.Tensor:
        x_net = model(y, physics)
        return loss(x_net=x_net, y=y, physics=physics, model=model)[0]

    before = peak_mebibytes()
    forward().backward()
    return {
        "peak_growth_mib": round(peak_mebibytes() - before, 1),
        "kept_mib": round(saved_bytes(forward) / 2**20, 2),
    }


def in_fresh_process(mode: str, iterations: int) -> dict[str, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (mode, iterations))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULT, help="where the figures are written")
    arguments = parser.parse_args()
    rows = []
    for mode in ("implicit", "unrolled"):
        for iterations in ITERATIONS:
            row = {"mode": mode, "iterations": iterations, **in_fresh_process(mode, iterations)}
            rows.append(row)
            print(
                f"{mode:9s} {iterations:4d} iterations a call: peak grows by {row['peak_growth_mib']:8.1f} MiB, "
                f"autograd keeps {row['kept_mib']:8.2f} MiB"
            )
    short, long = rows[0], rows[1]
    passed = long["kept_mib"] <= short["kept_mib"] and long["peak_growth_mib"] <= short["peak_growth_mib"] + 10
    result = {
        "benchmark": "memory of one EI training step",
        "problem": f"single-coil MRI, 4x, {SIZE}x{SIZE}, batch {BATCH}, ResidualCNN(2), float32",
        "machine": describe_machine(),
        "rows": rows,
        "requirement": {"passed": passed},
    }
    write_text_atomically(arguments.json, json.dumps(result, indent=2) + "\n")
    print("passed: memory does not grow with the iterations" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())

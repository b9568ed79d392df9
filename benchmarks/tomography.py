"""Tomography side by side with deepinv's: time of A and A^T, adjoint error, time to build.

    python benchmarks/tomography.py --threads 2

Both operators see the same images in the same process, turn and turn about; the median of the repetitions
counts. deepinv's operator runs with its default, the exact adjoint through automatic differentiation. The exit
status is 1 if A or A^T at 128x128, 50 views, batch 8 is not at least ten times as fast, or an adjoint error of
ours reaches 1e-6.
"""

import functools
import json
import warnings
from pathlib import Path

import deepinv
import torch
from _machine import describe_machine
from _timing import interleaved_medians, parsed, seconds
from torch import Tensor

from eiwork.files import write_text_atomically
from eiwork.physics import tomography
from eiwork.physics.tomography import system_matrix

RESULT = Path(__file__).parent / "results" / "tomography.json"
N_VIEWS = 50
SIZES = (64, 128)
BATCHES = (1, 8)


def adjoint_error(physics: deepinv.physics.LinearPhysics, x: Tensor, v: Tensor) -> float:
    """|<A x, v> - <x, A^T v>| / (||A x|| ||v||), the products summed in float64."""
    y, back = physics.A(x), physics.A_adjoint(v)
    difference = (y.double() * v).sum() - (x.double() * back).sum()
    return float(difference.abs() / (y.double().norm() * v.double().norm()))


def measure(size: int, repeats: int) -> list[dict[str, object]]:
    built: dict[str, object] = {}
    system_matrix.cache_clear()

    def build_ours() -> None:
        built["eiwork"] = tomography(size, N_VIEWS)
        built["eiwork"].A(torch.zeros(1, 1, size, size))

    def build_theirs() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            built["deepinv"] = deepinv.physics.Tomography(angles=N_VIEWS, img_width=size, normalize=True)

    build = {"eiwork": seconds(build_ours), "deepinv": seconds(build_theirs)}
    rows = []
    for batch in BATCHES:
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(batch, 1, size, size, generator=generator)
        v = torch.rand(built["eiwork"].A(x).shape, generator=generator)
        for operation, argument in (("A", x), ("A_adjoint", v)):
            calls = {name: functools.partial(getattr(physics, operation), argument) for name, physics in built.items()}
            with torch.no_grad():
                medians = interleaved_medians(calls, repeats)
            rows.append(
                {
                    "size": size,
                    "views": N_VIEWS,
                    "batch": batch,
                    "operation": operation,
                    "eiwork_ms": round(1e3 * medians["eiwork"], 4),
                    "deepinv_ms": round(1e3 * medians["deepinv"], 4),
                    "speedup": round(medians["deepinv"] / medians["eiwork"], 2),
                    "adjoint_error": {name: adjoint_error(p, x, v) for name, p in built.items()},
                    "build_s": {name: round(value, 4) for name, value in build.items()},
                }
            )
    return rows


def main() -> int:
    arguments = parsed(__doc__, RESULT, repeats=31)
    torch.set_num_threads(arguments.threads)
    rows = [row for size in SIZES for row in measure(size, arguments.repeats)]
    for row in rows:
        print(
            f"{row['size']:4d}x{row['size']:<4d} batch {row['batch']}  {row['operation']:10s}"
            f"  eiwork {row['eiwork_ms']:8.3f} ms  deepinv {row['deepinv_ms']:8.3f} ms  x{row['speedup']:.1f}"
            f"  adjoint error {row['adjoint_error']['eiwork']:.1e} / {row['adjoint_error']['deepinv']:.1e}"
        )
    wanted = [row["speedup"] for row in rows if row["size"] == 128 and row["batch"] == 8]
    error = max(row["adjoint_error"]["eiwork"] for row in rows)
    passed = min(wanted) >= 10 and error < 1e-6
    result = {
        "benchmark": "tomography",
        "dtype": "float32",
        "repeats": arguments.repeats,
        "statistic": "median of interleaved repetitions",
        "machine": describe_machine("scipy"),
        "rows": rows,
        "requirement": {
            "speedup_at_128_batch_8": min(wanted),
            "largest_adjoint_error": error,
            "passed": passed,
        },
    }
    write_text_atomically(arguments.json, json.dumps(result, indent=2) + "\n")
    print(f"{'passed' if passed else 'FAILED'}: {min(wanted):.1f} times as fast at 128x128, batch 8")
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())

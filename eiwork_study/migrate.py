"""Once: recipes and results of format 1 become those of format 2. Delete this file when nothing is left to convert.

    python -m eiwork_study.migrate results

`converted_recipe` serves the cards of the shipped models, too. It needs nothing of the package.
"""

import json
import sys
from pathlib import Path
from typing import Any

Values = dict[str, Any]

RENAMED: dict[str, tuple[str, str | None, str | None]] = {
    "total-variation": ("tv", None, None),
    "synthetic": ("supervised", "bodies-alone", None),
    "ei-stopped": ("ei", "stopped-gradient", None),
    "ei-stopped-jfb": ("ei-jfb", "stopped-gradient", None),
    "ei-cycle-stopped": ("ei-cycle", "stopped-gradient", None),
    "robust-ei-stopped": ("robust-ei", "stopped-gradient", None),
    "ei-noiseless": ("ei", "noise-free", None),
    "recorrupted-ei": ("robust-ei", "recorrupted", None),
    "recorrupted-ei-synthetic": ("robust-ei", "recorrupted", "bodies"),
    "ei-stopped-synthetic": ("ei", "stopped-gradient", "bodies"),
    **{
        f"{method}-synthetic": (method, None, "bodies")
        for method in ("supervised", "ei", "ei-jfb", "ei-phantom", "ei-cycle", "robust-ei")
    },
    **{
        method: (method, None, None)
        for method in ("inverse", "fbp", "cg-sense", "supervised", "ei", "ei-jfb", "ei-phantom", "ei-unrolled", "mc")
    },
    "robust-ei": ("robust-ei", None, None),
    "ei-cycle": ("ei-cycle", None, None),
    "ablation-nothing": ("ei", "short", None),
    "ablation-robust": ("robust-ei", "short", None),
    "ablation-robust-weight-0.3": ("robust-ei", "short-weight-0.3", None),
    "ablation-robust-weight-3": ("robust-ei", "short-weight-3", None),
}
"""Method of format 1 -> (method, variant, start)."""
GONE_ABLATIONS = ("measurement-cycle-null-gain", "pretraining", "three-elements")


def new_identity(method: str) -> tuple[str, str | None, str | None] | None:
    """(method, variant, start) of a method of format 1; None for one that is gone."""
    if method in RENAMED:
        return RENAMED[method]
    change = method.removeprefix("ablation-")
    return ("ei", f"short-{change}", None) if change != method and change not in GONE_ABLATIONS else None


def converted_recipe(old: Values) -> Values:
    """The recipe of format 1 in the shape of format 2, every setting written out.

    Raises ValueError naming a setting that format 2 has not, such as mixed precision; settings that were off fall away.
    """
    if "model" in old and "iteration" not in old["model"] and old["model"].get("kind") == "unet":
        raise ValueError("model.kind='unet' is gone")
    if old.get("pretraining"):
        raise ValueError("pretraining is gone")
    physics = _physics(old["physics"])
    channels = 2 if physics["kind"] == "mri" else 1
    optimiser = old.get("optimiser", {})
    return {
        "name": old["name"],
        "summary": old["summary"],
        "data": _data(old["data"]),
        "physics": physics,
        "model": _model(old.get("model", {}), channels),
        "loss": _loss(old.get("loss", {}), float(physics["noise_sigma"])),
        "contraction": _contraction(old.get("contraction")),
        "optimiser": {
            "learning_rate": optimiser.get("learning_rate", 2e-3),
            "batch_size": optimiser.get("batch_size", 8),
            "warmup": optimiser.get("warmup", 0),
            "clip": optimiser.get("clip", 0.01),
            "ema": optimiser.get("ema", 0.995),
            "scalar_rate": optimiser.get("scalar_rate", 1.0),
        },
        "start": old.get("start"),
        "steps": old.get("steps", 1000),
        "seed": old.get("seed", 0),
        "monitor_every": old.get("monitor_every", 100),
    }


def _data(old: Values) -> Values:
    kind = {"train": "scans", "synthetic": "bodies"}.get(old.get("split", "train"))
    if kind is None:
        raise ValueError("data.split='test', training on the scans of the test, is gone")
    return {
        "kind": kind,
        "name": old["name"],
        "image_size": old.get("image_size", 64),
        "n": old.get("n_train", 2000),
        "seed": old.get("seed", 0),
    }


def _physics(old: Values) -> Values:
    kind, sigma = old["kind"], old.get("noise_sigma", 0.0)
    if kind == "tomography":
        return {"kind": kind, "n_views": old["n_views"], "noise_sigma": sigma}
    if kind == "mri":
        return {
            "kind": kind,
            "acceleration": old.get("acceleration", 4.0),
            "center_fraction": old.get("center_fraction", 0.08),
            "noise_sigma": sigma,
            "seed": old.get("mask_seed", 0),
            "n_coils": old.get("n_coils"),
        }
    return {"kind": kind, "keep": old.get("keep", 0.5), "noise_sigma": sigma, "seed": old.get("mask_seed", 0)}


def _model(old: Values, channels: int) -> Values:
    for name in ("warm_start", "tolerance_schedule", "mixed_precision", "compiled"):
        if old.get(name):
            raise ValueError(f"model.{name} is gone")
    iteration = _iteration(old.get("iteration", {}), channels)
    if old.get("kind", "deq") == "unrolled":
        return {"kind": "UnrolledNetwork", "iteration": iteration, "steps": old.get("steps", 8)}
    solver = {"anderson": "Anderson", "broyden": "Broyden"}[old.get("solver", "anderson")]
    return {
        "kind": "DEQ",
        "iteration": iteration,
        "solver": {
            "kind": solver,
            "tol": old.get("tol", 1e-3),
            "max_iter": old.get("max_iter", 60),
            "memory": old.get("memory", 5),
        },
        "gradient": _gradient(old.get("gradient", {"kind": "implicit"})),
    }


def _iteration(old: Values, channels: int) -> Values:
    if old.get("momentum"):
        raise ValueError("model.iteration.momentum is gone")
    kind, denoiser = old.get("kind", "proximal_gradient"), _denoiser(old, channels)
    if kind == "proximal_gradient":
        step = old.get("data_step", {"kind": "gradient"})
        own = {"kind": "GradientStep", "step_size": step.get("step_size", 1.0)}
        if step.get("kind") == "whitened":
            own |= {"kind": "WhitenedStep", "regularisation": step.get("regularisation", 0.01)}
        return {"kind": "ProximalGradient", "denoiser": denoiser, "data_step": own}
    if kind == "gradient_descent":
        weights = {"step_size": old.get("step_size", 0.5), "weight": old.get("weight", 1.0)}
        return {"kind": "GradientDescent", "denoiser": denoiser, **weights}
    name = {"half_quadratic_splitting": "HalfQuadraticSplitting", "admm": "ADMM"}[kind]
    return {"kind": name, "denoiser": denoiser, "penalty": old.get("penalty", 0.1)}


def _denoiser(old: Values, channels: int) -> Values:
    network, depth = old.get("network", "plain"), old.get("depth", 5)
    kind, size = {
        "plain": ("ResidualCNN", {"depth": depth}),
        "blocks": ("ResidualBlockCNN", {"blocks": (depth - 2) // 2}),
        "convex": ("InputConvexPotential", {"depth": depth, "gain": 0.03}),
    }[network]
    return {
        "kind": kind,
        "channels": channels,
        "width": old.get("width", 32),
        **size,
        "shrinkage": old.get("shrinkage", 0.1),
        "unshuffle": old.get("unshuffle", 2),
    }


def _gradient(old: Values) -> Values:
    kind = old["kind"]
    if kind == "implicit":
        solver = {"kind": "GMRES", "tol": old.get("tol", 1e-2), "max_iter": old.get("max_iter", 40)}
        return {"kind": "Implicit", "solver": solver}
    if kind == "phantom":
        return {"kind": "Phantom", "steps": old.get("steps", 5), "damping": old.get("damping", 0.5)}
    if kind == "neumann":
        return {"kind": "Neumann", "terms": old.get("terms", 5)}
    if kind != "jacobian_free":
        raise ValueError(f"model.gradient.kind={kind!r} is gone")
    return {"kind": "JacobianFree"}


def _loss(old: Values, sigma: float) -> Values:
    method = old.get("method", "ei")
    if method == "supervised":
        return {"kind": "Supervised"}
    for name in ("mc_weight", "sure_weight", "n_elements", "null_gain"):
        if old.get(name, 1) != 1:
            raise ValueError(f"loss.{name}={old[name]} is gone: it is always 1")
    fit: Values = {"kind": "Fit", "whitening": old.get("whitening")}
    if method == "mc":
        return fit
    if method == "robust_ei":
        fit = {"kind": "Sure", "sigma": sigma, "whitening": old.get("whitening"), "tau": old.get("tau", 1e-2)}
    elif method not in ("ei", "recorrupted_ei"):
        raise ValueError(f"loss.method={method!r} is gone")
    equivariant = {
        "kind": "EI",
        "group": [_element(part) for part in old.get("group", ("rotation",))],
        "fit": fit,
        "weight": old.get("ei_weight", 1.0),
        "noisy": sigma > 0 and old.get("virtual_noise", True),
        "stop_gradient": old.get("stop_gradient", False),
        "cycle": old.get("cycle_weight", 0.0),
    }
    if method == "recorrupted_ei":
        return {"kind": "Recorrupted", "loss": equivariant, "alpha": old.get("alpha", 0.5)}
    return equivariant


def _element(part: str | Values) -> Values:
    old: Values = {"kind": part} if isinstance(part, str) else part
    kind = old["kind"]
    if kind == "quarter_turns":
        return {"kind": "Rotation", "multiples_of": 90}
    if kind == "reflection":
        return {"kind": "Reflection", "axes": list(old.get("axes", ("horizontal", "vertical")))}
    if kind == "shift":
        return {"kind": "Shift", "max_fraction": old.get("max_fraction", 1.0)}
    found: Values = {"kind": "Rotation", "interpolation": old.get("interpolation", "spline")}
    if old.get("max_degrees", 180.0) != 180.0:
        found["max_degrees"] = old["max_degrees"]
    if old.get("multiples_of") is not None:
        found["multiples_of"] = old["multiples_of"]
    return found


def _contraction(old: Values | None) -> Values | None:
    if old is None:
        return None
    if old.get("foreign"):
        raise ValueError("contraction.foreign is gone")
    return {
        "weight": old.get("weight", 1.0),
        "target": old.get("target", 0.95),
        "krylov_size": old.get("krylov_size", 8),
        "samples": old.get("samples"),
        "rescue": old.get("rescue", False),
    }


def converted_run(old: Values) -> Values | None:
    """A result of format 1 in format 2; None where its method is gone."""
    identity = new_identity(old["method"])
    if identity is None:
        return None
    method, variant, start = identity
    kept = {key: value for key, value in old.items() if key != "probes"}
    named = {"format": "eiwork-run-2", "method": method, "variant": variant, "start": start}
    return kept | named | {"recipe": converted_recipe(old["recipe"])}


def file_name(run: Values) -> str:
    """METHOD[+VARIANT][@START]-SEED.json."""
    variant = f"+{run['variant']}" if run["variant"] else ""
    start = f"@{run['start']}" if run["start"] else ""
    return f"{run['method']}{variant}{start}-{run['seed']}.json"


def converted_report(old: Values) -> Values | None:
    """A report of changed scans of format 1 in format 2; None where the training is gone."""
    try:
        recipe = converted_recipe(old["recipe"])
    except ValueError:
        return None
    kept = {key: value for key, value in old.items() if key not in ("problem", "method")}
    return kept | {"format": "eiwork-shifts-2", "recipe": recipe, "summary": recipe["summary"]}


def main(results: Path) -> None:
    """Convert every run and report in a folder of results in place; those of methods that are gone are deleted."""
    for path in sorted(results.glob("runs/*/*.json")):
        old = json.loads(path.read_text())
        if old["format"] == "eiwork-run-1":
            run = converted_run(old)
            _replace(path, None if run is None else path.parent / file_name(run), run)
    for path in sorted((*results.glob("generalisation/*.json"), *results.glob("guarded/*.json"))):
        old = json.loads(path.read_text())
        if old["format"] == "eiwork-shifts-1":
            report = converted_report(old)
            name = f"{old['name']}-{old['seed']}.json"
            _replace(path, None if report is None else path.parent / name, report)


def _replace(path: Path, new: Path | None, values: Values | None) -> None:
    path.unlink()
    if new is not None and values is not None:
        present = {key: value for key, value in values.items() if value is not None}
        new.write_text(json.dumps(present, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

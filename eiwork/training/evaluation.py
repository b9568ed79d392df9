"""Measuring reconstructions: PSNR and SSIM per image, how well they explain the data, and how the solver fared."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from deepinv.loss.metric import PSNR, SSIM
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Dataset

from eiwork.errors import ConvergenceWarning, InputError
from eiwork.fixed_point import Report, record
from eiwork.physics import magnitude
from eiwork.progress import track
from eiwork.table import Table
from eiwork.training.randomness import seeded
from eiwork.training.samples import Samples, check_fits
from eiwork.training.step import physics_of

if TYPE_CHECKING:
    from eiwork.figures import DescribedFigure

Image = Float[Tensor, "n channel height width"]
_SSIM_WINDOW = 11
_TITLES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "misfit": "misfit"}
_TITLES |= {"n_evaluations": "NFE", "max_residual": "residual", "converged_share": "converged"}


def image_quality(x_hat: Image, x: Image) -> dict[str, list[float]]:
    """PSNR (dB, peak 1) and, from 11 pixels on, SSIM of each image; complex images are compared by magnitude."""
    if x.shape[1] == 2:
        x_hat, x = magnitude(x_hat), magnitude(x)
    found = {"psnr": PSNR()(x_hat, x).tolist()}
    return found | ({"ssim": SSIM()(x_hat, x).tolist()} if min(x.shape[-2:]) >= _SSIM_WINDOW else {})


def evaluate_model(
    model: nn.Module,
    samples: Samples,
    physics: LinearPhysics,
    batch_size: int = 16,
    device: torch.device | None = None,
    keep: list[Tensor] | None = None,
) -> dict[str, Any]:
    """What is measured of each sample, as lists; the images of the first batch are put into `keep`.

    psnr, ssim: with x. misfit: ||A x_hat - y|| / ||y||. Where the model is a DEQ: n_evaluations, per solve of a batch;
    nfe, until the sample's own residual reached the tolerance `tol`; residual, converged, sigma_min, error_bound,
    weights (of a GuardedDEQ), the worst where a reconstruction takes several solves.
    """
    found: dict[str, Any] = {}
    with torch.no_grad(), warnings.catch_warnings():
        # Every residual is in the result, sample by sample; a warning per batch would only repeat it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for indices in track(torch.arange(len(samples)).split(batch_size), "batches"):
            batch = samples.batch(indices).to(device or torch.device("cpu"))
            own = physics_of(physics, batch.params)
            with record() as reports:
                x_hat = model(batch.y, own)
            norm = batch.y.flatten(1).norm(dim=1).clamp(min=1e-30)
            values: dict[str, Any] = {"misfit": ((own.A(x_hat) - batch.y).flatten(1).norm(dim=1) / norm).tolist()}
            if batch.x is not None:
                values |= image_quality(x_hat, batch.x)
            if reports:
                values |= {"n_evaluations": [r.n_evaluations for r in reports]} | _worst(list(reports))
                found["tol"] = reports[0].tol
            for key, per_sample in values.items():
                found.setdefault(key, []).extend(per_sample)
            if keep == []:
                keep.append(x_hat.cpu())
    return found


def _worst(reports: list[Report]) -> dict[str, list[Any]]:
    """What is known of each sample of a batch from the solves that made it."""
    values: dict[str, list[Any]] = {
        "nfe": torch.stack([_nfe(report) for report in reports]).sum(dim=0).tolist(),
        "residual": torch.stack([report.residual for report in reports]).amax(dim=0).tolist(),
        "converged": torch.stack([report.converged for report in reports]).all(dim=0).tolist(),
    }
    for key, worst in (("sigma_min", torch.amin), ("error_bound", torch.amax), ("weights", torch.amin)):
        known = [value for report in reports if (value := getattr(report, key)) is not None]
        if known:
            values[key] = worst(torch.stack(known), dim=0).tolist()
    return values


def _nfe(report: Report) -> Tensor:
    """Evaluations until each sample's residual first met the tolerance; all of them where it never did."""
    residuals = torch.stack(report.trace)
    met = residuals <= report.tol
    first = met.int().argmax(dim=0) + 1
    return torch.where(met.any(dim=0), first, torch.full_like(first, report.n_evaluations))


def summarise(result: Mapping[str, Any]) -> dict[str, float]:
    """Means over samples; for a DEQ evaluations per batch, the worst residual and the converged share, too."""
    summary = {key: sum(result[key]) / len(result[key]) for key in ("psnr", "ssim", "misfit") if key in result}
    if "converged" in result:
        summary["n_evaluations"] = sum(result["n_evaluations"]) / len(result["n_evaluations"])
        summary["max_residual"] = max(result["residual"])
        summary["converged_share"] = sum(result["converged"]) / len(result["converged"])
    return summary


@dataclass(frozen=True)
class Evaluation:
    """Several reconstructions of the same samples. values: method -> quantity -> one number a sample.

    shown: the first reconstructions of each method, and "truth" where it is known.
    """

    values: dict[str, dict[str, Any]]
    shown: dict[str, Tensor] = field(repr=False)

    @property
    def summary(self) -> dict[str, dict[str, float]]:
        """Method -> means over samples."""
        return {name: summarise(result) for name, result in self.values.items()}

    def table(self) -> Table:
        """One row a method: text in a terminal, a table in a notebook."""
        rows = [{"method": name} | {_TITLES[k]: v for k, v in row.items()} for name, row in self.summary.items()]
        return Table(rows, f"Means over {len(next(iter(self.values.values()))['misfit'])} samples")

    def plot(self) -> "DescribedFigure":
        """A dot a method at its mean PSNR (without the truth, its misfit), with the samples as faint dots."""
        from eiwork.figures import comparison  # here, as matplotlib takes a quarter of a second

        key = "psnr" if all("psnr" in result for result in self.values.values()) else "misfit"
        points = [result[key] for result in self.values.values()]
        label = "PSNR (dB)" if key == "psnr" else "misfit ||A x - y|| / ||y||"
        return comparison(list(self.values), [sum(p) / len(p) for p in points], points=points, quantity=label)

    def images(self, sample: int = 0) -> "DescribedFigure":
        """The reconstructions of one of the first samples side by side, with their errors where the truth is known."""
        from eiwork.figures import image_row

        n = len(next(iter(self.shown.values())))
        if not 0 <= sample < n:
            raise InputError(f"images(sample={sample}): the first {n} samples are kept, from 0 to {n - 1}.")
        pictures = {name: images[sample] for name, images in self.shown.items()}
        truth = pictures.get("truth")
        return image_row(
            [p.numpy() for p in pictures.values()], list(pictures), reference=None if truth is None else truth.numpy()
        )


def evaluate(
    models: Mapping[str, nn.Module] | nn.Module,
    physics: LinearPhysics,
    y: Tensor | Dataset,
    x: Tensor | None = None,
    *,
    batch_size: int = 16,
    seed: int = 0,
) -> Evaluation:
    """Reconstruct the same measurements with several models and measure each sample.

    models: name -> anything called as model(y, physics); a single model is named after its class. physics: any linear
    physics of deepinv, on the device of the models and of y. y, x: as in `fit`; without x the misfit alone is measured.
    seed: of models that draw numbers. Raises InputError for no model, for y and x of different lengths, of shapes that
    the physics does not take, or not finite, and for a model that fails on them or returns no image.
    """
    named = {type(models).__name__: models} if isinstance(models, nn.Module) else dict(models)
    if not named or not all(isinstance(model, nn.Module) for model in named.values()):
        raise InputError(
            'models: pass a module, or a dictionary of them such as {"EI": model}, each model(y, physics).'
        )
    samples = Samples(y, x)
    first = samples.batch(torch.arange(min(2, len(samples))))
    check_fits(first, physics)
    device = first.y.device
    values, shown = {}, {} if first.x is None else {"truth": first.x.cpu()}
    for name in track(named, "models"):
        model = named[name]
        model_device = next((p.device for p in model.parameters()), device)
        if model_device != device:
            raise InputError(
                f"{name} is on {model_device}, and y on {device}: move one, for example model.to('{device}')."
            )
        outputs: list[Tensor] = []
        was_training = model.training
        try:
            with seeded(seed, "evaluation"):
                values[name] = evaluate_model(model.eval(), samples, physics, batch_size, device, outputs)
        except (RuntimeError, TypeError) as error:
            raise InputError(
                f"{name} fails on these measurements: {error} It is called as model(y, physics)."
            ) from error
        finally:
            model.train(was_training)
        shown[name] = outputs[0][:2]
    return Evaluation(values, shown)

"""Every measurement of whether a denoiser is a proximal map, in one JSON-ready report."""

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor

from eiwork.analysis.asymmetry import asymmetry
from eiwork.analysis.circulation import Circulation, circulation
from eiwork.analysis.estimate import RandomSigns
from eiwork.analysis.invariance import GroupTransform, equivariance_error
from eiwork.analysis.jacobian import Jacobian, draw_normal, jacobian, null_space_projector, range_projector
from eiwork.analysis.prior import ImpliedPrior, PathPotential
from eiwork.analysis.spectrum import largest_stretch, symmetric_spectrum
from eiwork.errors import ConvergenceWarning, InputError
from eiwork_study.proximal.measures import (
    as_json,
    path_dependence,
    prior_invariance,
    random_circles,
    random_triangles,
)
from eiwork_study.proximal.minimiser import minimiser_gaps, perturbations
from eiwork_study.proximal.nonexpansive import pair_constants, worst_pairs

ImageMap = Callable[[Tensor], Tensor]
Image = Float[Tensor, "batch channel height width"]


@dataclass(frozen=True, kw_only=True)
class AnalysisSettings:
    """How much to measure; the numbers suit 50 images of 64x64 values in float32.

    n_images: images for estimates that are cheap. n_spectrum: images for Krylov spaces, of at most `krylov_size`.
    probes: Hutchinson probes an image. n_circles, n_triangles: loops. order: quadrature nodes. corners: bent paths
    of the potential, of either kind. n_rivals: perturbations that each of `n_minimised` images is compared with.
    ascent_steps: of the search for the worst pair. radius: of circles and of that search, as the root mean square of a
    pixel. Raises InputError for numbers that are not positive.
    """

    n_images: int = 50
    n_spectrum: int = 8
    krylov_size: int = 60
    probes: int = 16
    n_circles: int = 16
    n_triangles: int = 32
    order: int = 12
    corners: int = 4
    n_rivals: int = 100
    n_minimised: int = 4
    ascent_steps: int = 30
    radius: float = 0.1

    def __post_init__(self) -> None:
        wrong = {name: value for name, value in asdict(self).items() if not value > 0}
        if wrong:
            raise InputError(f"AnalysisSettings: {wrong} must be positive.")

    @staticmethod
    def light() -> "AnalysisSettings":
        """For many checkpoints of one training: fewer images, probes and loops."""
        return AnalysisSettings(
            n_images=8,
            n_spectrum=4,
            krylov_size=30,
            probes=8,
            n_circles=8,
            n_triangles=8,
            n_rivals=20,
            ascent_steps=10,
        )


def analyse(
    denoiser: ImageMap,
    images: Image,
    *,
    generator: torch.Generator,
    physics: LinearPhysics | None = None,
    points: Mapping[str, Tensor] | None = None,
    transforms: Mapping[str, GroupTransform] | None = None,
    settings: AnalysisSettings | None = None,
) -> dict[str, Any]:
    """Measure asymmetry, spectrum, pair constants, circulation, potential, minimiser property and invariance.

    denoiser: D. images: clean images, at least three. physics: adds null space and range. points: more places at which
    to take the Jacobian, such as `evaluation_points(...)`; default {"clean": images}. transforms: name -> transform,
    inside or outside the training group; their own generators draw the parameters. Residuals of solves are in the
    report instead of warnings. "seconds" says how long each part took.
    """
    chosen = AnalysisSettings() if settings is None else settings
    if len(images) < 3:
        raise InputError(f"analyse needs at least three images, got {len(images)}: its loops are triangles.")
    run = _Run(denoiser, images[: chosen.n_images], generator, physics, chosen)
    places = {"clean": images} if points is None else dict(points)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        report: dict[str, Any] = {"n_images": len(run.images), "settings": asdict(chosen), "seconds": {}}
        parts: dict[str, Callable[[], Any]] = {
            "jacobian": lambda: {name: run.jacobian(x) for name, x in places.items()},
            "pairs": run.pairs,
            "circulation": run.circulation,
            "potential": run.potential,
            "minimiser": run.minimiser,
            "invariance": lambda: {name: run.invariance(t) for name, t in (transforms or {}).items()},
        }
        for name, measure in parts.items():
            began = time.perf_counter()
            report[name] = measure()
            report["seconds"][name] = time.perf_counter() - began
    return report


def along_training(
    denoisers: Iterable[tuple[int, ImageMap]],
    images: Image,
    *,
    seed: int = 0,
    physics: LinearPhysics | None = None,
    settings: AnalysisSettings | None = None,
) -> list[dict[str, Any]]:
    """One light report for every (step, denoiser) of a training, each with the same random numbers."""
    chosen = AnalysisSettings.light() if settings is None else settings
    return [
        {
            "step": step,
            **analyse(
                denoiser,
                images,
                generator=torch.Generator().manual_seed(seed),
                physics=physics,
                settings=chosen,
            ),
        }
        for step, denoiser in denoisers
    ]


@dataclass(frozen=True)
class _Run:
    denoiser: ImageMap
    images: Image
    generator: torch.Generator
    physics: LinearPhysics | None
    settings: AnalysisSettings

    def jacobian(self, x: Image) -> dict[str, Any]:
        """Asymmetry and spectrum at some images, whole and by subspace."""
        x = x[: self.settings.n_images]
        whole, few = jacobian(self.denoiser, x), jacobian(self.denoiser, x[: self.settings.n_spectrum])
        subspaces: dict[str, Callable[[Jacobian], Jacobian]] = {"whole": lambda j: j}
        if self.physics is not None:
            seen, unseen = range_projector(self.physics), null_space_projector(self.physics)
            subspaces |= {"range": lambda j: j.restricted(seen), "null space": lambda j: j.restricted(unseen)}
        found: dict[str, Any] = {}
        for name, restrict in subspaces.items():
            part = restrict(whole)
            frobenius = asymmetry(part, RandomSigns(self.settings.probes), generator=self.generator)
            found[name] = {
                "asymmetry": as_json(frobenius.whole),
                "learnt_asymmetry": as_json(frobenius.learnt),
                "multiple": as_json(frobenius.multiple),
                **self._spectrum(restrict(few)),
            }
        stretch = largest_stretch(few, generator=self.generator, max_size=self.settings.krylov_size)
        found["whole"]["lipschitz"] = _bounded(stretch.norm, stretch.residual)
        return found

    def _spectrum(self, part: Jacobian) -> dict[str, Any]:
        size = self.settings.krylov_size
        ends = symmetric_spectrum(part, generator=self.generator, max_size=size)
        return {
            "smallest_eigenvalue": _bounded(ends.smallest, ends.residual_smallest),
            "largest_eigenvalue": _bounded(ends.largest, ends.residual_largest),
        }

    def pairs(self) -> dict[str, Any]:
        """Constants on pairs of images, near pairs (an image and its noisy version) and the worst ones found."""
        x = self.images
        near = x + self.settings.radius * draw_normal(x, self.generator)
        few = slice(0, self.settings.n_spectrum)
        with torch.no_grad():
            found: dict[str, Any] = {
                name: {k: as_json(v) for k, v in vars(pair_constants(self.denoiser, x, other)).items()}
                for name, other in (("images", x.roll(1, 0)), ("noisy", near))
            }
        found["worst"] = {}
        for constant in ("lipschitz", "monotonicity", "cocoercivity"):
            worst = worst_pairs(
                self.denoiser,
                x[few],
                near[few],
                constant,
                steps=self.settings.ascent_steps,
                radius=self.settings.radius,
            )
            extreme = worst.value.max() if constant == "lipschitz" else worst.value.min()
            found["worst"][constant] = {"worst": float(extreme), **as_json(worst.value)}
        return found

    def circulation(self) -> dict[str, Any]:
        """Circles around images, triangles of images."""
        circles = random_circles(self.images[: self.settings.n_circles], self.settings.radius, self.generator)
        triangles = random_triangles(self.images, self.settings.n_triangles, self.generator)
        order = 2 * (self.settings.order // 2)
        return {
            "circles": _loops(circulation(self.denoiser, circles, order=2 * order)),
            "triangles": _loops(circulation(self.denoiser, triangles, order=order)),
        }

    def potential(self) -> dict[str, Any]:
        """psi and phi on the range of D, with their dependence on paths through other images and through noise.

        That of phi is relative to the spread of phi between images: above 1, phi cannot tell images apart.
        """
        x = self.images
        psi = PathPotential(self.denoiser, torch.zeros_like(x[:1]), self.settings.order)
        found: dict[str, Any] = {}
        with torch.no_grad():
            values, phi = psi(x), ImpliedPrior(self.denoiser, psi).at_output(x).phi
        spread = float(phi.std())
        for name, corners in self._corners().items():
            paths = path_dependence(psi, x, corners)
            found[name] = {
                "path_dependence": as_json(paths.relative),
                "path_dependence_of_phi": as_json(paths.spread / spread),
                "quadrature_error": float(paths.quadrature_error.max()),
            }
        return {"psi": values.tolist(), "phi": as_json(phi), "phi_spread": spread, **found}

    def minimiser(self) -> dict[str, Any]:
        """Does D(z) beat its perturbations and the other images?"""
        z = self.images[: self.settings.n_minimised]
        psi = PathPotential(self.denoiser, torch.zeros_like(z[:1]), self.settings.order)
        prior = ImpliedPrior(self.denoiser, psi)
        others = [self.images.roll(k, 0)[: len(z)] for k in range(1, min(len(self.images), 20))]
        noisy = perturbations(z, self.settings.n_rivals, (0.01, 0.03, 0.1), self.generator)
        found = {}
        for name, rivals in (("perturbations", noisy), ("images", others)):
            gaps = minimiser_gaps(prior, z, rivals)
            found[name] = {
                "smallest_relative_gap": float(gaps.relative.min()),
                "relative_gap": float(gaps.relative.mean()),
                "beaten": as_json(gaps.beaten),
            }
        return found

    def invariance(self, transform: GroupTransform) -> dict[str, Any]:
        """Equivariance of D and invariance of phi under random elements of one group."""
        x = self.images
        moved = equivariance_error(self.denoiser, x, transform)
        few = x[: max(2, self.settings.n_spectrum)]
        psi = PathPotential(self.denoiser, torch.zeros_like(x[:1]), self.settings.order)
        phi = prior_invariance(ImpliedPrior(self.denoiser, psi), few, transform)
        return {
            "error": as_json(moved.error),
            "learnt_error": as_json(moved.learnt),
            "round_trip": as_json(moved.round_trip),
            "exact": bool(moved.exact.all()),
            "prior_change": as_json(phi.relative),
            "preimage_residual": float(phi.residual.max()),
        }

    def _corners(self) -> dict[str, list[Tensor]]:
        """Corners of bent paths: other images, and the image itself with noise as strong as its contrast."""
        x, number = self.images, range(self.settings.corners)
        return {
            "through images": [x.roll(1 + k, 0) for k in number],
            "through noise": [x + x.std() * draw_normal(x, self.generator) for _ in number],
        }


def _bounded(value: Tensor, residual: Tensor) -> dict[str, Any]:
    """A bound from within, with the residual that says how sharp it may be."""
    return {**as_json(value.double()), "residual": float(residual.max())}


def _loops(found: Circulation) -> dict[str, Any]:
    return {
        "normalised": as_json(found.normalised.abs()),
        "learnt": as_json(found.learnt.abs()),
        "quadrature_error": float((found.quadrature_error / found.value.abs().mean().clamp(min=1e-300)).max()),
    }

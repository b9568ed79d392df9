"""The methods of the study: each turns a problem's base recipe into its own, or reconstructs without training."""

from collections.abc import Callable

from eiwork.training.settings import (
    ConsistencySettings,
    DenoisingSettings,
    JacobianFreeSettings,
    PhantomSettings,
    SupervisedSettings,
)

from eiwork.errors import EiworkError, InputError
from eiwork.training import Recipe, recipes
from eiwork.training.catalogue import CYCLE_WEIGHT, NULL_GAIN
from eiwork_study import variants
from eiwork_study.ablation import PREFIX, ablation_recipe, ablations, in_words
from eiwork_study.problems import base_recipe, problems

INVERSE, SENSE, ORACLE, REFERENCE = "inverse", "cg-sense", "supervised", "ei"
"""The ends of the scale of gap closure (see `zero` and `oracle`), and the method that others are compared with."""
_LONG, _CONTINUED = "-long", "-continued"
CLASSICAL = ("inverse", "fbp", "cg-sense", "total-variation")
CORE_METHODS = ("supervised", "ei", "ei-jfb", "ei-cycle", "ei-unrolled", "mc")

TITLES = {
    "supervised": "supervised DEQ (oracle)",
    "ei": "EI DEQ, implicit gradients",
    "ei-jfb": "EI DEQ, Jacobian-free",
    "ei-cycle": "EI DEQ with a measurement cycle (ours)",
    "ei-cycle-multi": "EI DEQ with a measurement cycle, three group elements a step (ours)",
    "ei-cycle-gain": "EI DEQ with a measurement cycle and a null-space gain (ours)",
    "ei-cycle-strong": "EI DEQ with a measurement cycle, weight 1 in a tight contraction (ours)",
    "ei-scan": "EI DEQ, trained on the very scans of the test (ours)",
    "ei-cycle-scan": "EI DEQ with a measurement cycle, trained on the very scans of the test (ours)",
    "ei-cycle-precise": "EI DEQ with a measurement cycle, solved to 1e-4 in the training, too (ours)",
    "ei-cycle-half-scan": "EI DEQ with a measurement cycle, trained on every other scan of the test (ours)",
    "ei-cycle-adapted": "EI DEQ with a measurement cycle, adapted to the very scans of the test (ours)",
    "synthetic": "DEQ supervised on random images, without any scan (ours)",
    "supervised-synthetic": "supervised DEQ, after random images (ours)",
    "ei-cycle-synthetic": "EI DEQ with a measurement cycle, after random images (ours)",
    "ei-cycle-synthetic-steady": "EI DEQ with a cycle, after random images, contracting elsewhere (ours)",
    "ei-synthetic": "EI DEQ, implicit gradients, after random images (ours)",
    "ei-jfb-synthetic": "EI DEQ, Jacobian-free, after random images (ours)",
    "ei-phantom-synthetic": "EI DEQ, phantom gradients, after random images (ours)",
    "ei-stopped-synthetic": "EI DEQ, stopped gradient, after random images (ours)",
    "supervised-synthetic-steady": "supervised DEQ, after random images, contracting elsewhere (ours)",
    "robust-ei-synthetic": "robust EI DEQ (SURE), after random images (ours)",
    "recorrupted-ei-synthetic": "recorrupted EI DEQ with a cycle, after random images (ours)",
    "splitting-synthetic": "equivariant splitting DEQ, after random images (ours)",
    "synthetic-continued": "DEQ supervised on random images, continued (ours)",
    "supervised-continued": "supervised DEQ, continued",
    "ei-cycle-continued": "EI DEQ with a measurement cycle, continued (ours)",
    "ei-cycle-synthetic-adapted": "EI DEQ with a cycle, after random images, on the scans of the test (ours)",
    "ei-cycle-jfb": "EI DEQ with a measurement cycle, Jacobian-free",
    "ei-stopped": "EI DEQ, gradient stopped at the image compared with",
    "ei-stopped-jfb": "EI DEQ, gradient stopped at the image compared with, Jacobian-free",
    "ei-cycle-stopped": "EI DEQ with a measurement cycle and the gradient stopped (ours)",
    "ei-stopped-steady": "EI DEQ with the gradient stopped, contracting on foreign scans too (ours)",
    "ei-phantom": "EI DEQ, phantom gradients",
    "ei-noiseless": "EI DEQ, virtual measurement without noise",
    "ei-steady": "EI DEQ, contracting on foreign scans too (ours)",
    "ei-cycle-steady": "EI DEQ with a measurement cycle, contracting on foreign scans too (ours)",
    "supervised-steady": "supervised DEQ, contracting on foreign scans too (ours)",
    "supervised-long": "supervised DEQ, twice the steps",
    "ei-long": "EI DEQ, implicit gradients, twice the steps",
    "ei-cycle-long": "EI DEQ with a measurement cycle, twice the steps (ours)",
    "ei-cycle-scan-long": "EI DEQ with a cycle, on the scans of the test, twice the steps (ours)",
    "ei-convex": "EI DEQ, D a proximal map by construction (ours)",
    "ei-unrolled": "EI unrolled network",
    "ei-unet": "EI U-Net on A^+ y",
    "mc": "DEQ, measurement consistency only",
    "robust-ei": "robust EI DEQ (SURE)",
    "robust-ei-stopped": "robust EI DEQ (SURE), gradient stopped at the image compared with",
    "robust-ei-cycle": "robust EI DEQ (SURE) with a measurement cycle (ours)",
    "recorrupted-ei": "recorrupted EI DEQ with a measurement cycle (ours)",
    "splitting": "equivariant splitting DEQ",
    "denoising": "DEQ by denoising regularisation",
    "inverse": "minimum-norm inverse",
    "fbp": "filtered back-projection",
    "cg-sense": "CG-SENSE, tuned on the test set",
    "total-variation": "total variation, tuned on the test set",
}


def _relative(base: Recipe, method: str) -> Recipe:
    """The recipe of another method on the problem of a base recipe."""
    return method_recipe(origin(base.name)[0], method)


def _after(base: Recipe, method: str, first: str) -> Recipe:
    """A short training by a method that begins with the model of another one; its solves are precise.

    The first looser ones lost 0.4 dB when what they had learnt was solved to the evaluation's tolerance.
    """
    return variants.precise(variants.continued(_relative(base, method), _relative(base, first).name))


def _after_bodies(base: Recipe, method: str) -> Recipe:
    """A short training by another method that begins with the model of random images, bodies or leaves."""
    return _after(base, method, "synthetic")


# Trained methods: the end of the catalogue's name, which has the last word, and how to derive the recipe otherwise.
_TRAINED: dict[str, tuple[str, Callable[[Recipe], Recipe]]] = {
    "supervised": ("supervised-deq", lambda base: base.with_overrides(loss=SupervisedSettings())),
    "ei": ("ei-deq", lambda base: base),
    "ei-jfb": ("ei-deq-jfb", lambda base: base.with_overrides(model__gradient=JacobianFreeSettings())),
    "ei-cycle": ("ei-cycle-deq", lambda base: base.with_overrides(loss__cycle_weight=CYCLE_WEIGHT)),
    "ei-cycle-jfb": (
        "ei-cycle-deq-jfb",
        lambda base: base.with_overrides(loss__cycle_weight=CYCLE_WEIGHT, model__gradient=JacobianFreeSettings()),
    ),
    "ei-cycle-gain": (
        "ei-cycle-gain-deq",
        lambda base: _relative(base, "ei-cycle").with_overrides(loss__null_gain=NULL_GAIN),
    ),
    "ei-cycle-strong": ("ei-cycle-strong-deq", lambda base: variants.strong(_relative(base, "ei-cycle"))),
    "ei-scan": ("ei-scan-deq", variants.on_the_scan),
    "ei-cycle-scan": ("ei-cycle-scan-deq", lambda base: variants.on_the_scan(_relative(base, "ei-cycle"))),
    "ei-cycle-precise": ("ei-cycle-precise-deq", lambda base: variants.precise(_relative(base, "ei-cycle"))),
    "ei-cycle-half-scan": (
        "ei-cycle-half-scan-deq",
        lambda base: _relative(base, "ei-cycle-scan").with_overrides(data__every=2),
    ),
    "synthetic": ("synthetic-deq", lambda base: variants.synthetic(_relative(base, "supervised"))),
    "supervised-synthetic": ("supervised-synthetic-deq", lambda base: _after_bodies(base, "supervised")),
    "ei-cycle-synthetic": ("ei-cycle-synthetic-deq", lambda base: _after_bodies(base, "ei-cycle")),
    "ei-cycle-synthetic-steady": (
        "ei-cycle-synthetic-steady-deq",
        lambda base: variants.steady(_after_bodies(base, "ei-cycle")),
    ),
    "ei-synthetic": ("ei-synthetic-deq", lambda base: _after_bodies(base, "ei")),
    "ei-jfb-synthetic": ("ei-jfb-synthetic-deq", lambda base: _after_bodies(base, "ei-jfb")),
    "ei-phantom-synthetic": ("ei-phantom-synthetic-deq", lambda base: _after_bodies(base, "ei-phantom")),
    "ei-stopped-synthetic": ("ei-stopped-synthetic-deq", lambda base: _after_bodies(base, "ei-stopped")),
    "supervised-synthetic-steady": (
        "supervised-synthetic-steady-deq",
        lambda base: variants.steady(_after_bodies(base, "supervised")),
    ),
    "robust-ei-synthetic": ("robust-ei-synthetic-deq", lambda base: _after_bodies(base, "robust-ei")),
    "recorrupted-ei-synthetic": (
        "recorrupted-ei-synthetic-deq",
        lambda base: _after_bodies(base, "recorrupted-ei"),
    ),
    "splitting-synthetic": ("splitting-synthetic-deq", lambda base: _after_bodies(base, "splitting")),
    "synthetic-continued": ("synthetic-continued-deq", lambda base: _after_bodies(base, "synthetic")),
    "supervised-continued": (
        "supervised-continued-deq",
        lambda base: _after(base, "supervised", "supervised"),
    ),
    "ei-cycle-continued": (
        "ei-cycle-continued-deq",
        lambda base: _after(base, "ei-cycle", "ei-cycle"),
    ),
    "ei-cycle-synthetic-adapted": (
        "ei-cycle-synthetic-adapted-deq",
        lambda base: variants.on_the_scan(_after_bodies(base, "ei-cycle")),
    ),
    "ei-cycle-adapted": ("ei-cycle-adapted-deq", lambda base: variants.adapted(_relative(base, "ei-cycle"))),
    "ei-cycle-multi": (
        "ei-cycle-multi-deq",
        lambda base: _relative(base, "ei-cycle").with_overrides(loss__n_elements=3),
    ),
    "ei-stopped": ("ei-stopped-deq", variants.stopped),
    "ei-stopped-jfb": ("ei-stopped-deq-jfb", lambda base: variants.stopped(_relative(base, "ei-jfb"))),
    "ei-cycle-stopped": ("ei-cycle-stopped-deq", lambda base: variants.stopped(_relative(base, "ei-cycle"))),
    "ei-stopped-steady": ("ei-stopped-steady-deq", lambda base: variants.steady(variants.stopped(base))),
    "ei-phantom": ("ei-deq-phantom", lambda base: base.with_overrides(model__gradient=PhantomSettings())),
    "ei-noiseless": (
        # EI as first published (Chen, Tachella & Davies, ICCV 2021).
        "ei-noiseless-deq",
        lambda base: base.with_overrides(loss__virtual_noise=False),
    ),
    "ei-steady": ("ei-steady-deq", variants.steady),
    "ei-cycle-steady": ("ei-cycle-steady-deq", lambda base: variants.steady(_relative(base, "ei-cycle"))),
    "supervised-steady": (
        "supervised-steady-deq",
        lambda base: variants.steady(_relative(base, "supervised")),
    ),
    "supervised-long": ("supervised-long-deq", lambda base: variants.long(_relative(base, "supervised"))),
    "ei-long": ("ei-long-deq", variants.long),
    "ei-cycle-long": ("ei-cycle-long-deq", lambda base: variants.long(_relative(base, "ei-cycle"))),
    "ei-cycle-scan-long": (
        "ei-cycle-scan-long-deq",
        lambda base: variants.long(_relative(base, "ei-cycle-scan")),
    ),
    "ei-convex": ("ei-convex-deq", variants.convex),
    "ei-unrolled": ("ei-unrolled", variants.unrolled),
    "ei-unet": ("ei-unet", variants.unet),
    "mc": ("mc-deq", lambda base: base.with_overrides(loss=ConsistencySettings())),
    "robust-ei": ("robust-ei-deq", variants.robust),
    "robust-ei-stopped": ("robust-ei-stopped-deq", lambda base: variants.stopped(variants.robust(base))),
    "robust-ei-cycle": (
        "robust-ei-cycle-deq",
        lambda base: variants.robust(base).with_overrides(loss__cycle_weight=CYCLE_WEIGHT),
    ),
    "recorrupted-ei": ("recorrupted-ei-deq", variants.recorrupted),
    "splitting": ("splitting-deq", variants.splitting),
    "denoising": ("denoising-deq", lambda base: base.with_overrides(loss=DenoisingSettings())),
}


def methods() -> tuple[str, ...]:
    """Every method by name: trained, classical, and the ablations of the base recipe."""
    return (*_TRAINED, *CLASSICAL, *(f"{PREFIX}{name}" for name in ablations()))


def title(method: str) -> str:
    """The method in words."""
    return TITLES.get(method, f"EI DEQ, {in_words(method.removeprefix(PREFIX))}")


def _has_coils(recipe: Recipe) -> bool:
    return recipe.physics.kind == "mri" and recipe.physics.n_coils is not None


def zero(problem: str) -> str:
    """The linear reconstruction from which gap closure counts on a problem.

    The minimum-norm inverse; with several coils CG-SENSE, the usual linear reconstruction there.
    """
    recipe = problems().get(problem)
    return SENSE if recipe is not None and _has_coils(recipe) else INVERSE


def oracle(method: str) -> str:
    """The supervised training that gap closure of a method is measured by: as many steps from the same start."""
    if "-synthetic" in method:
        return ORACLE + "-synthetic"
    ending = next((e for e in (_LONG, _CONTINUED) if method.endswith(e)), "")
    return ORACLE + ending


def is_classical(method: str) -> bool:
    """Whether the method needs no training."""
    return method in CLASSICAL


def method_recipe(problem: str, method: str) -> Recipe:
    """The recipe of a method on a problem: the catalogue's own where it has one, else derived from the base.

    For a classical method it is the base recipe, whose physics and data are used. Raises InputError for an
    unknown method or one that does not apply to the problem.
    """
    base = base_recipe(problem)
    if method in CLASSICAL:
        if method == "fbp" and base.physics.kind != "tomography":
            raise InputError(f"Filtered back-projection is for tomography; {problem!r} is {base.physics.kind}.")
        if method == SENSE and not _has_coils(base):
            raise InputError(f"SENSE is for MRI with several coils, which {problem!r} has not.")
        return base
    if method.startswith(PREFIX):
        return ablation_recipe(problem, method.removeprefix(PREFIX))
    if method not in _TRAINED:
        raise InputError(f"There is no method {method!r}; choose from {', '.join(methods())}.")
    suffix, derive = _TRAINED[method]
    named = recipes().get(f"{problem}-{suffix}")
    if named is not None:
        return named
    try:
        return derive(base).with_overrides(
            name=f"{problem}-{suffix}", summary=f"{base.summary.split(',')[0]}, {title(method)}."
        )
    except EiworkError as error:
        raise InputError(f"Method {method!r} does not apply to {problem!r}: {error}") from None


def origin(name: str) -> tuple[str, str]:
    """(problem, method) of a recipe's name, such as ("mri", "ei") of mri-ei-deq; ("", name) for one of neither."""
    for problem in sorted(problems(), key=len, reverse=True):
        rest = name.removeprefix(f"{problem}-")
        if rest != name:
            if rest.startswith(PREFIX):
                return problem, rest
            for method, (suffix, _) in _TRAINED.items():
                if rest == suffix:
                    return problem, method
    return "", name


def applies(problem: str, method: str) -> bool:
    """Whether a known method can be used on a known problem."""
    try:
        method_recipe(problem, method)
    except InputError:
        return False
    return True

"""The methods of the study and the variants of their trainings, as tables of objects.

Each says what it changes in the base recipe of a problem, by dotted names as `Recipe.with_overrides` takes them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eiwork.errors import EiworkError, InputError, choices, listed
from eiwork.results.runs import TITLES, label_of, title_of
from eiwork.training import Recipe
from eiwork.training.catalogue import CYCLE, TIGHT
from eiwork_study.problems import base_recipe

Values = dict[str, Any]
Change = Callable[[Values], Values]
SHORT_STEPS = 200
"""Length of the variants that change one setting: differences are for trainings of this length."""
SHORT = "short"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to reconstruct. change: from the base recipe's values to overrides of them; None where nothing is trained.

    refuses: says of a problem's physics why the method does not apply there; empty where it does.
    """

    name: str
    change: Change | None = lambda base: {}
    refuses: Callable[[Values], str] = lambda physics: ""

    @property
    def title(self) -> str:
        """In words."""
        return TITLES[self.name]

    @property
    def trained(self) -> bool:
        """Whether there is anything to train."""
        return self.change is not None


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One change to the training of some methods. change: from the method's recipe to overrides of it."""

    name: str
    change: Change
    methods: tuple[str, ...] = ("ei",)


def _always(**overrides: Any) -> Change:
    return lambda values: overrides


def _tight(values: Values) -> Values:
    """Contraction control for losses that pull the iteration out of a loose one."""
    return TIGHT | {"rescue": values["contraction"]["rescue"]}


def _robust(base: Values) -> Values:
    sure = {"kind": "Sure", "sigma": base["physics"]["noise_sigma"], "tau": 1e-2}
    return {"loss": base["loss"] | {"fit": sure | {"whitening": base["loss"]["fit"]["whitening"]}}}


def _recorrupted(robust: Values) -> Values:
    fit = {"kind": "Fit", "whitening": robust["loss"]["fit"]["whitening"]}
    return {"loss": {"kind": "Recorrupted", "loss": robust["loss"] | {"fit": fit, "cycle": CYCLE}, "alpha": 0.5}}


def _unrolled(base: Values) -> Values:
    model = {"kind": "UnrolledNetwork", "iteration": base["model"]["iteration"], "steps": 8}
    return {"model": model, "contraction": None}


def _bodies(supervised: Values) -> Values:
    changed: Values = {"data__kind": "bodies"}
    if supervised["data"]["name"] == "natural":
        # Leaves that fill the frame have more edges than bodies: at the full rate the map expanded without end.
        changed["optimiser__learning_rate"] = supervised["optimiser"]["learning_rate"] / 2
    return changed


def _no_noise(physics: Values) -> str:
    return "" if physics["noise_sigma"] > 0 else "it is for noise, and this problem has none"


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(name="inverse", change=None),
        Method(
            name="fbp",
            change=None,
            refuses=lambda physics: "" if physics["kind"] == "tomography" else "it is for tomography",
        ),
        Method(
            name="cg-sense",
            change=None,
            refuses=lambda physics: "" if physics.get("n_coils") else "it is for MRI with several coils",
        ),
        Method(name="tv", change=None),
        Method(
            name="supervised",
            # With the truth as its target the operator expands more readily than EI lets it.
            change=lambda base: {"loss": {"kind": "Supervised"}, "contraction": _tight(base)},
        ),
        Method(name="ei"),
        Method(name="ei-jfb", change=_always(model__gradient={"kind": "JacobianFree"})),
        Method(name="ei-phantom", change=_always(model__gradient={"kind": "Phantom", "steps": 5, "damping": 0.5})),
        Method(name="ei-unrolled", change=_unrolled),
        Method(name="mc", change=lambda base: {"loss": base["loss"]["fit"]}),
        Method(name="robust-ei", change=_robust, refuses=_no_noise),
        Method(name="ei-cycle", change=_always(loss__cycle=CYCLE)),
    )
}
CLASSICAL = tuple(method.name for method in METHODS.values() if not method.trained)
CORE_METHODS = ("supervised", "ei", "ei-jfb", "ei-cycle", "ei-unrolled", "mc")
STARTS = ("bodies",)

_ROTATION = {"kind": "Rotation", "interpolation": "fourier"}
_SHIFT = {"kind": "Shift", "max_fraction": 1.0}
_TURNS = {"kind": "Rotation", "multiples_of": 90}
_FLIPS = {"kind": "Reflection", "axes": ["horizontal", "vertical"]}


def _short(name: str, change: Change = lambda values: {}, method: str = "ei") -> Variant:
    title = f"{SHORT}-{name}" if name else SHORT
    return Variant(name=title, change=lambda values: change(values) | {"steps": SHORT_STEPS}, methods=(method,))


VARIANTS: tuple[Variant, ...] = (
    Variant(name="bodies-alone", change=_bodies, methods=("supervised",)),
    Variant(
        name="stopped-gradient",
        change=_always(loss__stop_gradient=True),
        methods=("ei", "ei-jfb", "ei-cycle", "robust-ei"),
    ),
    Variant(name="recorrupted", change=_recorrupted, methods=("robust-ei",)),
    Variant(name="noise-free", change=_always(loss__noisy=False)),  # EI as first published
    _short(""),
    _short("last-weights", _always(optimiser__ema=0.0)),
    _short("learning-rate-8e-3", _always(optimiser__learning_rate=8e-3)),
    _short("penalty-0.05", _always(model__iteration__penalty=0.05)),
    _short("no-whitening", _always(loss__fit__whitening=None)),
    _short("weight-0.1", _always(loss__weight=0.1)),
    _short("weight-10", _always(loss__weight=10.0)),
    _short("stopped-gradient", _always(loss__stop_gradient=True)),
    _short("shifts", _always(loss__group=[_SHIFT])),
    _short("rotations-and-shifts", _always(loss__group=[_ROTATION, _SHIFT])),
    _short("quarter-turns-and-flips", _always(loss__group=[_TURNS, _FLIPS])),
    _short("measurement-cycle", _always(loss__cycle=CYCLE)),
    _short("measurement-cycle-20", _always(loss__cycle=20.0)),
    _short("measurement-cycle-and-shifts", _always(loss__cycle=CYCLE, loss__group=[_ROTATION, _SHIFT])),
    _short("measurement-cycle-tight-contraction", lambda values: {"loss__cycle": CYCLE, "contraction": _tight(values)}),
    _short(
        "measurement-cycle-weight-3-tight-contraction",
        lambda values: {"loss__cycle": CYCLE, "loss__weight": 3.0, "contraction": _tight(values)},
    ),
    _short(
        "plain-gradient-steps",
        lambda values: {
            "model__iteration": {
                "kind": "ProximalGradient",
                "denoiser": values["model"]["iteration"]["denoiser"],
                "data_step": {"kind": "GradientStep", "step_size": 1.0},
            }
        },
    ),
    _short("", method="robust-ei"),
    _short("weight-0.3", _always(loss__weight=0.3), method="robust-ei"),
    _short("weight-3", _always(loss__weight=3.0), method="robust-ei"),
)
"""The same name may stand for several methods; together they are one variant of one method."""


def variant_of(method: str, name: str) -> Variant:
    """A method's variant; raises InputError with those that it has."""
    own = {variant.name: variant for variant in VARIANTS if method in variant.methods}
    if name not in own:
        raise InputError(f"{method!r} has no variant {name!r}: {choices(name, own, 'results/tables/variants.md')}.")
    return own[name]


def method_of(name: str) -> Method:
    """The method of that name; raises InputError with those that there are."""
    if name not in METHODS:
        raise InputError(f"There is no method {name!r}: {choices(name, METHODS, 'results/tables/methods.md')}.")
    return METHODS[name]


def method_recipe(
    problem: str, method: str, *, start: str | None = None, variant: str | None = None, seed: int = 0
) -> Recipe:
    """The recipe of a method on a problem; without training it is the base recipe, whose physics and data are used.

    Raises InputError for an unknown name, or a method, variant or start that does not apply or changes nothing.
    """
    chosen, base = method_of(method), base_recipe(problem)
    values = base.model_dump(mode="json")
    refusal = chosen.refuses(values["physics"])
    if refusal or (start and start not in STARTS) or (not chosen.trained and (start or variant)):
        reason = refusal or f"there is no start {start!r}, or nothing to train; starts are {listed(STARTS)}"
        raise InputError(f"Method {label_of(method, start, variant)!r} does not apply to {problem!r}: {reason}.")
    if chosen.change is None:
        return base.with_overrides(seed=seed)
    recipe = base.with_overrides(**chosen.change(values))
    if variant is not None:
        recipe = _changed(recipe, variant_of(method, variant), problem)
    if start is not None:
        if (variant or "").startswith(SHORT):
            raise InputError(f"Variant {variant!r} is a short training from random weights: leave out the start.")
        recipe = recipe.with_overrides(**_short_after(recipe, problem, seed))
    label, first = label_of(method, start, variant), base.summary.split(",")[0]
    title = title_of(method, start, variant)
    return recipe.with_overrides(seed=seed, name=f"{problem}-{label}", summary=f"{first}, {title}.")


def applies(problem: str, method: str, *, start: str | None = None, variant: str | None = None) -> bool:
    """Whether a method can be trained so on a known problem."""
    try:
        method_recipe(problem, method, start=start, variant=variant)
    except InputError:
        return False
    return True


def start_name(problem: str, seed: int) -> str:
    """The model of random images that trainings of a seed begin with, as recipes call it."""
    return f"{problem}-synthetic-deq" + (f"-{seed}" if seed else "")


def _changed(recipe: Recipe, variant: Variant, problem: str) -> Recipe:
    values = recipe.model_dump(mode="json")
    try:
        changed = recipe.with_overrides(**variant.change(values))
    except (EiworkError, KeyError, TypeError) as error:
        raise InputError(f"Variant {variant.name!r} does not apply to {problem!r}: {error}.") from None
    if changed == recipe or (variant.name != SHORT and changed == recipe.with_overrides(steps=SHORT_STEPS)):
        raise InputError(f"Variant {variant.name!r} changes nothing on {problem!r}, whose recipe has it.")
    return changed


def _short_after(recipe: Recipe, problem: str, seed: int) -> Values:
    """A short training that begins with another model; the solves of a DEQ are precise.

    The first looser ones lost 0.4 dB when what they had learnt was solved to the evaluation's tolerance.
    """
    precise = {"model__solver__tol": 1e-4, "model__solver__max_iter": 120} if recipe.model.kind == "DEQ" else {}
    return {
        "start": start_name(problem, seed),
        "steps": 150,
        "monitor_every": 25,
        "optimiser__learning_rate": 1e-3,
        "optimiser__warmup": 10,
        "optimiser__ema": 0.98,
        **precise,
    }

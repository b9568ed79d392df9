"""Recipes derived from others: what each method of the study changes in the recipe that it comes from; ours."""

from eiwork.training.settings import (
    EquivariantSettings,
    ForeignScansSettings,
    Group,
    RecorruptedSettings,
    RobustEquivariantSettings,
    ScanSettings,
    Settings,
    SplittingSettings,
    SyntheticSettings,
    UNetSettings,
    UnrolledSettings,
)

from eiwork.errors import InputError
from eiwork.training import Recipe
from eiwork.training.catalogue import CYCLE_WEIGHT, TIGHT
from eiwork.training.shipped import start_of_seed, starts


def _group(base: Recipe) -> Group:
    return base.loss.group if isinstance(base.loss, EquivariantSettings) else EquivariantSettings().group


def unrolled(base: Recipe) -> Recipe:
    """The same iteration, run for a fixed number of steps. Raises InputError for a recipe without one."""
    if base.model.kind != "deq":
        raise InputError("only a DEQ can be unrolled.")
    model = UnrolledSettings(iteration=base.model.iteration)
    return base.with_overrides(model=model, loss=_without_warm_start(base), contraction=None, gradient_probe_every=None)


def _without_warm_start(base: Recipe) -> Settings:
    """The loss of a model that solves for nothing."""
    loss = base.loss
    return loss.model_copy(update={"warm_start": False}) if hasattr(loss, "warm_start") else loss


def unet(base: Recipe) -> Recipe:
    """A U-Net on the minimum-norm inverse, trained by the same loss."""
    return base.with_overrides(
        model=UNetSettings(),
        loss=_without_warm_start(base),
        contraction=None,
        gradient_probe_every=None,
        pretraining=None,
        optimiser__scalar_rate=1.0,
    )


def robust(base: Recipe) -> Recipe:
    """Robust EI: SURE in the place of measurement consistency."""
    assert isinstance(base.loss, EquivariantSettings)
    kept = base.loss.model_dump(exclude={"method", "mc_weight", "cycle_weight", "virtual_noise", "null_gain"})
    return base.with_overrides(loss=RobustEquivariantSettings(**kept))


def recorrupted(base: Recipe) -> Recipe:
    """Recorrupted EI, with a return to the measurement."""
    assert isinstance(base.loss, EquivariantSettings)
    kept = base.loss.model_dump(exclude={"method", "cycle_weight", "virtual_noise", "null_gain"})
    return base.with_overrides(loss=RecorruptedSettings(**kept, cycle_weight=CYCLE_WEIGHT))


def splitting(base: Recipe) -> Recipe:
    """Equivariant splitting in the place of EI."""
    noisy = base.physics.noise_sigma > 0
    if base.model.kind == "deq":
        base = base.with_overrides(model__warm_start=None)
    if base.contraction is not None:
        # Every image has its own operator A_1 T_g: the batch cannot be taken apart.
        base = base.with_overrides(contraction__samples=None)
    return base.with_overrides(loss=SplittingSettings(group=_group(base), consistency=not noisy))


def steady(recipe: Recipe) -> Recipe:
    """The contraction penalty looks at foreign scans, too. Raises InputError for a recipe without that penalty."""
    if recipe.contraction is None:
        raise InputError("it adds foreign scans to a contraction penalty, and the recipe has none.")
    # MRI's first model was solved everywhere, but in up to 62 evaluations: fewer may go unpenalised.
    foreign = ForeignScansSettings(evaluations=25 if recipe.physics.kind == "mri" else 30)
    return recipe.with_overrides(contraction__foreign=foreign, gradient_probe_every=None)


def stopped(recipe: Recipe) -> Recipe:
    """The gradient stops at the image compared with."""
    return recipe.with_overrides(loss__stop_gradient=True)


def precise(recipe: Recipe) -> Recipe:
    """Trained at the tolerance of the study's evaluation: what is learnt is the fixed point, not an image before it."""
    return recipe.with_overrides(model__tol=1e-4, model__max_iter=120, gradient_probe_every=None)


def on_the_scan(recipe: Recipe) -> Recipe:
    """Trained on the measurements that it is evaluated on, as only a method without ground truth may."""
    scans = ScanSettings(split="test", name=recipe.data.name, image_size=recipe.data.image_size)
    return recipe.with_overrides(data=scans, gradient_probe_every=None)


def synthetic(recipe: Recipe) -> Recipe:
    """Trained on random images, of which there are as many as there were images, and on no scan."""
    of_nobody = SyntheticSettings(split="synthetic", **recipe.data.model_dump(exclude={"split"}))
    recipe = recipe.with_overrides(data=of_nobody, gradient_probe_every=None)
    if recipe.data.name != "natural":
        return recipe
    # Leaves that fill the frame have more edges than bodies: at the full rate the map expanded without end by step 80.
    return recipe.with_overrides(optimiser__learning_rate=recipe.optimiser.learning_rate / 2)


def continued(recipe: Recipe, start: str) -> Recipe:
    """A short training that begins with a model of the package.

    Raises InputError where no model of that name comes with it.
    """
    if start not in starts():
        raise InputError(f"no trained model {start!r} comes with the package to start from.")
    return recipe.with_overrides(
        start=start,
        steps=150,
        monitor_every=25,
        gradient_probe_every=None,
        optimiser__learning_rate=1e-3,
        optimiser__warmup=10,
        optimiser__ema=0.98,
    )


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """The recipe with a seed; it begins with the model of that seed where the package has it, so that seeds share less.

    Without it the seeds of a continued training share its start, and differ by batches, group elements and noise alone.
    """
    start = None if recipe.start is None else start_of_seed(recipe.start, seed)
    return recipe.with_overrides(seed=seed, start=start)


def adapted(recipe: Recipe) -> Recipe:
    """A short training on the scans of the test that begins with the shipped model of the recipe; see `continued`."""
    return on_the_scan(continued(recipe, recipe.name))


def strong(recipe: Recipe) -> Recipe:
    """As heavy an EI term as on MRI, which needs as tight a contraction: a stronger pull leads out of a loose one.

    Raises InputError where the recipe has them already.
    """
    stronger = recipe.with_overrides(loss__ei_weight=1.0, contraction=TIGHT, gradient_probe_every=None)
    if stronger == recipe:
        raise InputError("its recipe has that weight and that contraction already.")
    return stronger


def convex(recipe: Recipe) -> Recipe:
    """D is the gradient of a convex potential: slow to evaluate and to learn, hence small and in a hurry."""
    return recipe.with_overrides(
        model__iteration__network="convex",
        model__iteration__depth=3,
        model__iteration__width=16,
        optimiser__learning_rate=1e-2,
        gradient_probe_every=None,
    )


def long(recipe: Recipe) -> Recipe:
    """Twice the steps; warm-up as long, decay twice as slow."""
    return recipe.with_overrides(steps=2 * recipe.steps, gradient_probe_every=None)

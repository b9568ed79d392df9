"""The loss of each way of training, put together."""

from typing import Any, Literal

from deepinv.loss import EquivariantSplittingLoss, Loss, MCLoss, SupLoss
from deepinv.transform import Transform
from torch import Tensor

from eiwork.errors import InputError
from eiwork.losses.denoising import DenoisingLoss, Target
from eiwork.losses.equivariance import EquivarianceLoss, WarmStartedEILoss
from eiwork.losses.recorrupted import RecorruptedTraining
from eiwork.losses.robust import MeasuredSureLoss
from eiwork.losses.splitting import SplitTraining
from eiwork.losses.weighted import WeightedLoss
from eiwork.losses.whitened import WhitenedConsistencyLoss, WhitenedSureLoss

Method = Literal["ei", "mc", "supervised"]


def build_loss(
    method: Method,
    transform: Transform | None = None,
    *,
    mc_weight: float = 1.0,
    ei_weight: float = 1.0,
    noisy: bool = False,
    warm_start: bool = False,
    n_elements: int = 1,
    whitening: float | int | None = None,
    cycle_weight: float | int = 0.0,
    stop_gradient: bool = False,
    null_gain: float | int = 1.0,
) -> WeightedLoss:
    """The loss of a way of training.

    "supervised": ||x_net - x||^2. "mc": measurement consistency ||A x_net - y||^2 alone, which cannot see the null
    space. "ei": mc plus equivariance ||f(A T_g x_net) - T_g x_net||^2 (Chen, Tachella & Davies, ICCV 2021),
    where `noisy` adds the physics' noise to the virtual measurement, `warm_start` begins a DEQ's second solve at
    T_g x_net and `n_elements` group elements are drawn for every image. All are means over batch and pixels.
    whitening: r > 0 weighs the residual of mc by (A A^T + r I)^-1, see `WhitenedConsistencyLoss`; None for no weight.
    cycle_weight: of the return to the measurement, see `EquivarianceLoss`, whitened like mc. stop_gradient: whether
    T_g x_net is a constant of the loss, see there. null_gain: of what A does not see of x_net, see there, too.
    Raises InputError where an argument does not apply to the method.
    """
    if method == "ei" and transform is None:
        raise InputError("method='ei' needs a transform (the group), for example eiwork.symmetry.Rotation().")
    of_group = (
        transform is not None,
        noisy,
        warm_start,
        n_elements != 1,
        cycle_weight,
        stop_gradient,
        null_gain != 1,
    )
    if method != "ei" and any(of_group):
        raise InputError(
            f"method={method!r} uses no group: leave out `transform`, `noisy`, `warm_start`, `n_elements`, "
            "`cycle_weight`, `stop_gradient` and `null_gain`."
        )
    if method == "supervised" and whitening is not None:
        raise InputError("method='supervised' fits images, not measurements: leave out `whitening`.")
    if method == "supervised":
        return WeightedLoss({"supervised": (1.0, SupLoss())})
    consistency = MCLoss() if whitening is None else WhitenedConsistencyLoss(whitening)
    terms: dict[str, tuple[float, Loss]] = {"mc": (mc_weight, consistency)}
    if method == "ei":
        terms["ei"] = (
            ei_weight,
            _equivariance(transform, noisy, warm_start, n_elements, cycle_weight, whitening, stop_gradient, null_gain),
        )
    elif method != "mc":
        raise InputError(f"method={method!r} is unknown: choose 'ei', 'mc' or 'supervised'.")
    return WeightedLoss(terms)


def build_robust_loss(
    transform: Transform,
    *,
    sigma: float | int,
    tau: float | int = 1e-2,
    sure_weight: float = 1.0,
    ei_weight: float = 1.0,
    warm_start: bool = False,
    n_elements: int = 1,
    whitening: float | int | None = None,
    cycle_weight: float | int = 0.0,
    stop_gradient: bool = False,
) -> WeightedLoss:
    """Robust equivariant imaging: SURE in place of measurement consistency, EI with noise on the virtual measurement.

    sigma: the known standard deviation of the noise. tau: see `MeasuredSureLoss`. whitening: r > 0 estimates the error
    weighted by (A A^T + r I)^-1, see `WhitenedSureLoss`; None for no weight. Other arguments as `build_loss`.
    Source: Chen, Tachella & Davies, CVPR 2022.
    """
    if whitening is None:
        sure: Loss = MeasuredSureLoss(sigma, tau=tau)
    else:
        sure = WhitenedSureLoss(sigma, whitening, tau=tau)
    return WeightedLoss(
        {
            "sure": (sure_weight, sure),
            "ei": (
                ei_weight,
                _equivariance(transform, True, warm_start, n_elements, cycle_weight, whitening, stop_gradient),
            ),
        }
    )


def build_recorrupted_loss(
    transform: Transform,
    *,
    alpha: float | int = 0.5,
    mc_weight: float = 1.0,
    ei_weight: float = 1.0,
    cycle_weight: float | int = 0.0,
    warm_start: bool = False,
    n_elements: int = 1,
    whitening: float | int | None = None,
    stop_gradient: bool = False,
) -> RecorruptedTraining:
    """Equivariant imaging with recorrupted measurements, see `RecorruptedTraining`; other arguments as `build_loss`."""
    consistency = MCLoss() if whitening is None else WhitenedConsistencyLoss(whitening)
    equivariance = _equivariance(transform, True, warm_start, n_elements, cycle_weight, whitening, stop_gradient)
    return RecorruptedTraining({"mc": (mc_weight, consistency), "ei": (ei_weight, equivariance)}, alpha=alpha)


def build_denoising_loss(
    *,
    sigma: tuple[float, float] = (0.0, 0.1),
    mc_weight: float = 1.0,
    denoising_weight: float = 1.0,
    target: Target = "inverse",
) -> WeightedLoss:
    """Measurement consistency plus self-supervised denoising of the operator D; see `DenoisingLoss`."""
    denoising = DenoisingLoss(sigma, target=target)
    return WeightedLoss({"mc": (mc_weight, MCLoss()), "denoising": (denoising_weight, denoising)})


def build_splitting_loss(masks: Any, transform: Transform | None = None, *, consistency: bool = True) -> SplitTraining:
    """Equivariant splitting (ICLR 2026, openreview upMIVpe467) by deepinv's EquivariantSplittingLoss.

    The model reconstructs from a random part y_1 of the measurements, through A_1 T_g, and its image must predict the
    other part, and explain y_1 itself where `consistency` is set. With noise the second term alone is unbiased: the
    noise of the two parts is independent.

    masks: which part is y_1: SplitColumns, SplitPixels or SplitViews. transform: the group; None for no T_g.
    """
    term = MCLoss() if consistency else _Nothing()
    return SplitTraining(EquivariantSplittingLoss(mask_generator=masks, consistency_loss=term), transform)


class _Nothing(Loss):
    """Zero: deepinv's loss takes None for its consistency term, and fails on it."""

    def forward(self, x_net: Tensor, **kwargs: Any) -> Tensor:
        return x_net.new_zeros(())


def _equivariance(
    transform: Transform | None,
    noisy: bool,
    warm_start: bool,
    n_elements: int,
    cycle_weight: float | int,
    whitening: float | int | None,
    stop_gradient: bool,
    null_gain: float | int = 1.0,
) -> EquivarianceLoss:
    kind = WarmStartedEILoss if warm_start else EquivarianceLoss
    consistency = WhitenedConsistencyLoss(whitening) if whitening is not None and cycle_weight else None
    return kind(
        transform,
        n_elements=n_elements,
        apply_noise=noisy,
        cycle_weight=cycle_weight,
        consistency=consistency,
        no_grad=stop_gradient,
        null_gain=null_gain,
        whitening=whitening if null_gain > 1 else None,
    )

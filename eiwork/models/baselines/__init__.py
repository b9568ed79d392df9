"""What a DEQ is compared with."""

from eiwork.models.baselines.linear import Adjoint, FilteredBackProjection, MinimumNormInverse
from eiwork.models.baselines.radial import ConjugateGradientSENSE, Gridding
from eiwork.models.baselines.total_variation import TotalVariation
from eiwork.models.baselines.unet import unet_on_inverse
from eiwork.models.baselines.unrolled import UnrolledNetwork

__all__ = [
    "Adjoint",
    "ConjugateGradientSENSE",
    "FilteredBackProjection",
    "Gridding",
    "MinimumNormInverse",
    "TotalVariation",
    "UnrolledNetwork",
    "unet_on_inverse",
]

"""Total variation: the classical nonlinear reconstruction, by deepinv."""

import warnings

from deepinv.optim import FISTA, L2, TVPrior
from deepinv.physics import LinearPhysics
from jaxtyping import Float
from torch import Tensor, nn

from eiwork.errors import ConvergenceWarning, InputError

Image = Float[Tensor, "batch channel height width"]


class TotalVariation(nn.Module):
    """argmin_x ||A x - y||^2 / 2 + weight * TV(x), isotropic, by FISTA with deepinv's TV proximal map.

    weight: > 0, in the units of the squared measurement. step_size: below 2 / ||A||^2. max_iter, tol: the
    outer iteration stops when the relative change of x is below tol, and warns (ConvergenceWarning) if it
    never is. Source: Rudin, Osher & Fatemi (1992); Beck & Teboulle (2009).
    """

    def __init__(
        self, weight: float = 1e-3, step_size: float = 1.0, max_iter: int = 300, tol: float = 1e-4
    ) -> None:
        super().__init__()
        if not weight > 0:
            raise InputError(f"TotalVariation(weight={weight}): must be positive; try 1e-3.")
        self.weight, self.tol = weight, tol
        self.optimiser = FISTA(
            data_fidelity=L2(),
            prior=TVPrior(n_it_max=100),
            lambda_reg=weight,
            stepsize=step_size,
            max_iter=max_iter,
            early_stop=True,
            crit_conv="residual",
            thres_conv=tol,
        )

    def forward(self, y: Tensor, physics: LinearPhysics) -> Image:
        """Reconstruct."""
        # deepinv keeps the inner dual variable between calls; a new batch must not start from the last one's.
        self.optimiser.prior[0].TVModel.restart = True
        x = self.optimiser(y, physics)
        if not self.optimiser.has_converged:
            warnings.warn(
                f"Total variation stopped before its relative change fell below {self.tol:.1e}: raise max_iter.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return x

"""A part of a scan, seen through a transform: A_1 T_g = M A T_g with its own adjoint and solvers."""

from deepinv.physics import LinearPhysics
from deepinv.transform import Transform
from jaxtyping import Float
from torch import Tensor

from eiwork.losses.splitting.view_gram import ViewGram
from eiwork.physics import Tomography
from eiwork.physics.checks import checked_positive
from eiwork.physics.minimum_norm import minimum_norm_solution
from eiwork.physics.proximal import MaskedProx, image_of
from eiwork.physics.shifted_inverse import Method, by_conjugate_gradients, shifted_inverse
from eiwork.symmetry.per_sample import PerSampleTransform

Image = Float[Tensor, "batch channel height width"]


class SplitPhysics(LinearPhysics):
    """M A T_g for a mask M of measurements: what an iteration needs of an operator, exactly.

    The adjoint is T_g^T A^T M, exact whatever the interpolation. `whiten` and `prox_l2` solve for the sub-scan: in
    closed form for MRI and inpainting, by a dense Cholesky factorisation for tomography, else by conjugate
    gradients. `whiten` takes T_g as orthogonal, which preconditioning allows.

    base: A, one of eiwork's operators. mask: M, 0 or 1, of the shape of a measurement (batch or 1, ...).
    transform, params: T_g and its parameters for the batch; None for none.
    """

    def __init__(
        self,
        base: LinearPhysics,
        mask: Tensor,
        transform: Transform | None = None,
        params: dict[str, Tensor] | None = None,
    ) -> None:
        super().__init__(noise_model=base.noise_model)
        self.base, self.transform, self.params = base, transform, params or {}
        self.register_buffer("mask", mask, persistent=False)
        for name, value in self.params.items():
            # Batch first, so that a DEQ knows that samples differ and keeps them together.
            self.register_buffer(f"element_{name}", value.movedim(0, -1).contiguous(), persistent=False)
        self._gram: ViewGram | None = None

    def A(self, x: Image, **kwargs: object) -> Tensor:
        """M A T_g x."""
        return self.mask * self.base.A(self._there(x))

    def A_adjoint(self, y: Tensor, **kwargs: object) -> Image:
        """T_g^T A^T M y."""
        return self._back(self.base.A_adjoint(self.mask * y))

    def A_dagger(self, y: Tensor, **kwargs: object) -> Image:
        """The minimum-norm inverse: A_adjoint where it is that, else by conjugate gradients in float64."""
        if isinstance(self.base, MaskedProx) and self._orthogonal:
            return self.A_adjoint(y)
        tol = self.base.rtol**2 if isinstance(self.base, Tomography) else 1e-5
        return minimum_norm_solution(self.A, self.A_adjoint, self.mask * y, tol=tol, max_iter=2000)

    def whiten(self, r: Tensor, regularisation: float | int | Tensor) -> Tensor:
        """(A_1 A_1^T + regularisation I)^-1 r for r in the range of the mask; T_g taken as orthogonal.

        Raises InputError for a regularisation that is not positive, ConvergenceWarning as the solver of the base.
        """
        shift = checked_positive(regularisation, "regularisation")
        return shifted_inverse(self.mask * r, shift, self._inverse())

    def prox_l2(
        self,
        z: Tensor | float | int | None,
        y: Tensor,
        gamma: float | int | Tensor,
        **kwargs: object,
    ) -> Image:
        """argmin over x of gamma / 2 ||A_1 T_g x - y||^2 + 1 / 2 ||x - z||^2.

        z + A^T (A A^T + I / gamma)^-1 (y - A z), with `whiten`'s inverse for orthogonal T_g, else by CG.
        """
        shift = 1 / checked_positive(gamma, "gamma")
        point = image_of(z, y, self)
        residual = self.mask * y - self.A(point)
        if self._orthogonal:
            return point + self.A_adjoint(shifted_inverse(residual, shift, self._inverse()))
        method = by_conjugate_gradients(lambda x: self.A_adjoint(self.A(x)), name="The split data step")
        return point + shifted_inverse(self.A_adjoint(residual), shift, method)

    def _inverse(self) -> Method:
        if isinstance(self.base, MaskedProx):
            # A A^T is the mask of the scan, and M keeps a part of it.
            return lambda r, shift: r / (self.mask * self.base.mask.square() + shift)
        if isinstance(self.base, Tomography) and ViewGram.fits(self.base):
            if self._gram is None:
                self._gram = ViewGram(self.base, self.mask)
            return self._gram.solve
        return by_conjugate_gradients(
            lambda v: self.mask * self.base.A(self.base.A_adjoint(self.mask * v)),
            name="The inverse of A_1 A_1^T",
        )

    @property
    def _orthogonal(self) -> bool:
        return self.transform is None or is_orthogonal(self.transform)

    def _there(self, x: Image) -> Image:
        return x if self.transform is None else self.transform.transform(x, **self.params)

    def _back(self, x: Image) -> Image:
        if self.transform is None:
            return x
        if is_orthogonal(self.transform) or not isinstance(self.transform, PerSampleTransform):
            return self.transform.inverse(x, **self.params)
        return self.transform.adjoint(x, **self.params)


def is_orthogonal(transform: Transform) -> bool:
    """Whether every T_g is orthogonal: quarter turns, reflections, shifts, Fourier rotations, and products of these."""
    from eiwork.symmetry import Composition, Identity, Reflection, Rotation, Shift

    if isinstance(transform, Composition):
        return is_orthogonal(transform.first) and is_orthogonal(transform.second)
    if isinstance(transform, Rotation):
        quarters = transform.multiples_of is not None and transform.multiples_of % 90 == 0
        return quarters or transform.interpolation == "fourier"
    return isinstance(transform, Identity | Reflection | Shift)

"""Accelerated Cartesian magnetic resonance imaging, single-coil and multi-coil."""

import torch
from deepinv.physics import MRI, MultiCoilMRI
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import (
    check_image_size,
    check_noise,
    check_number,
    check_tensor,
    checked_positive,
)
from eiwork.physics.coils import coil_sensitivities
from eiwork.physics.minimum_norm import cut_for_noise, minimum_norm_solution
from eiwork.physics.noise import SeededGaussianNoise
from eiwork.physics.proximal import MaskedProx, image_of, several
from eiwork.physics.readout_gram import ReadoutGram, readout_gram
from eiwork.physics.sampling import column_mask
from eiwork.physics.shifted_inverse import Method, by_conjugate_gradients, shifted_inverse


def mri(
    image_size: int | tuple[int, ...],
    *,
    acceleration: float | int = 4,
    center_fraction: float | int = 0.08,
    noise_sigma: float | int = 0.0,
    seed: int = 0,
    noise_seed: int | None = None,
    n_coils: int | None = None,
) -> "CartesianMRI | MultiCoilCartesianMRI":
    """Build an MRI operator with one fixed variable-density mask of phase-encode columns.

    Images are complex, as two real channels: (batch, 2, height, width); see `real_to_complex`.

    Args:
        image_size: side, or (height, width), in pixels.
        acceleration: exactly round(width / acceleration) columns are measured.
        center_fraction: share of all columns that is fully sampled around the zero frequency.
        noise_sigma: standard deviation of the Gaussian noise on every real number measured (real and imaginary
            parts apart); columns that are not measured stay zero.
        seed: seed of the mask.
        noise_seed: seed of the noise; None draws from PyTorch's default generator.
        n_coils: None for a single coil of uniform sensitivity, or the number of coils with synthetic maps.

    Raises:
        InputError: a value out of range.
    """
    height, width = check_image_size(image_size)
    check_noise(noise_sigma)
    columns = column_mask(width, acceleration=acceleration, center_fraction=center_fraction, seed=seed)
    mask = columns.expand(height, width).clone()
    noise = SeededGaussianNoise(noise_sigma, noise_seed)
    if n_coils is None:
        return CartesianMRI(mask, noise)
    check_number(n_coils, "n_coils", lambda v: v >= 1, "None or a whole number of coils from 1 up", integer=True)
    return MultiCoilCartesianMRI(mask, n_coils, noise)


class _Mappable:
    """deepinv's conversions between two real channels and complex numbers, in operations that torch.vmap knows."""

    @staticmethod
    def to_torch_complex(x: Tensor) -> Tensor:
        return torch.view_as_complex(x.movedim(1, -1).contiguous())

    @staticmethod
    def from_torch_complex(x: Tensor) -> Tensor:
        return torch.view_as_real(x).movedim(-1, 1)


class CartesianMRI(MaskedProx, _Mappable, MRI):
    """deepinv's single-coil `MRI` (orthonormal centred FFT times mask, norm 1) with checked input.

    Its `A_dagger`, the inverse FFT of the zero-filled measurement, is the minimum-norm inverse exactly.

    Args:
        mask: (height, width), 1 where measured.
        noise: the measurement noise.
    """

    def __init__(self, mask: Float[Tensor, "height width"], noise: SeededGaussianNoise) -> None:
        super().__init__(mask=mask, noise_model=noise)

    # Plain tensors in, checked by hand: see eiwork.physics.tomography.
    def A(self, x: Tensor, mask: Tensor | None = None, **kwargs: object) -> Float[Tensor, "batch 2 height width"]:
        """Masked Fourier transform of x (batch, 2, height, width); `InputError` for any other input."""
        _check_complex(x, "x", self.img_size[-2:])
        return super().A(x, mask=mask, **kwargs)

    def A_adjoint(self, y: Tensor, mask: Tensor | None = None, **kwargs: object) -> Float[Tensor, "batch c h w"]:
        """Inverse Fourier transform of the masked y (batch, 2, height, width); `InputError` for other input."""
        _check_complex(y, "y", self.img_size[-2:])
        return super().A_adjoint(y, mask=mask, **kwargs)

    def A_dagger(self, y: Tensor, mask: Tensor | None = None, **kwargs: object) -> Float[Tensor, "batch 2 h w"]:
        """Minimum-norm inverse of y (batch, 2, height, width); `InputError` for any other input."""
        _check_complex(y, "y", self.img_size[-2:])
        return super().A_dagger(y, mask=mask, **kwargs)


class MultiCoilCartesianMRI(_Mappable, MultiCoilMRI):
    """deepinv's `MultiCoilMRI` with smooth synthetic maps (sum |s|^2 = 1, norm at most 1) and checked input.

    Measurements are (batch, 2, coil, height, width).

    Args:
        mask: (height, width), 1 where measured.
        n_coils: number of coils.
        noise: the measurement noise.
    """

    def __init__(self, mask: Float[Tensor, "height width"], n_coils: int, noise: SeededGaussianNoise) -> None:
        maps = coil_sensitivities(n_coils, *mask.shape)
        size = tuple(mask.shape)
        super().__init__(mask=mask, coil_maps=maps, img_size=size, noise_model=noise, tol=1e-5, max_iter=1000)
        self.img_size = self.mask.shape[1:]
        self.rtol = cut_for_noise(float(noise.sigma))
        self._kept: tuple[Tensor, Tensor, list[int | None], ReadoutGram | None] | None = None

    def A(self, x: Tensor, **kwargs: object) -> Float[Tensor, "batch 2 coil height width"]:
        """Masked Fourier transforms of the coil images of x (batch, 2, height, width); else `InputError`."""
        _check_complex(x, "x", self.img_size[-2:])
        return super().A(x, **kwargs)

    def A_adjoint(self, y: Tensor, **kwargs: object) -> Float[Tensor, "batch c height width"]:
        """Coil-combined inverse transform of y (batch, 2, coil, height, width); else `InputError`."""
        self._check_measurement(y)
        return super().A_adjoint(y, **kwargs)

    def A_dagger(
        self, y: Tensor, *, rtol: float | int | None = None, **kwargs: object
    ) -> Float[Tensor, "batch 2 height width"]:
        """Minimum-norm least-squares inverse A^+ y, differentiable, computed in float64.

        Where the mask has whole columns it is exact, from one decomposition of a block for each row (`ReadoutGram`):
        singular values below `rtol` times the largest count as zero. For any other mask, or several sets of coil maps,
        it is conjugate gradients (Pruessmann et al. 2001) until ||A^T (y - A x)|| <= rtol^2 ||A^T y||, or `max_iter`,
        1000. Noise of the kept components grows by up to 1 / rtol, which is 10 times the noise's standard deviation by
        default (from 1e-3 to 0.5), a rule of ours.

        Args:
            y: measurements (batch, 2, coil, height, width).
            rtol: relative cut-off; by default the operator's own.
            kwargs: those that deepinv passes on.

        Raises:
            InputError: unusable y or rtol.

        Warns:
            ConvergenceWarning: conjugate gradients stopped at `max_iter`.
        """
        self._check_measurement(y)
        cut = self.rtol if rtol is None else rtol
        check_number(cut, "rtol", lambda v: 0 < v < 1, "between 0 and 1, both excluded")
        self.update_parameters(**kwargs)
        gram = self._gram()
        if gram is None:
            return minimum_norm_solution(super().A, super().A_adjoint, y, tol=float(cut) ** 2, max_iter=self.max_iter)
        return gram.pseudo_inverse(super().A_adjoint(y.double()), cut).to(y.dtype)

    def prox_l2(
        self,
        z: Tensor | float | int | None,
        y: Tensor,
        gamma: float | int | Tensor,
        **kwargs: object,
    ) -> Float[Tensor, "batch c height width"]:
        """argmin over x of gamma / 2 ||A x - y||^2 + 1 / 2 ||x - z||^2, exactly where the mask has whole columns.

        x = z + (A^T A + I / gamma)^-1 A^T (y - A z), by one decomposition of a block for each row (see `ReadoutGram`).
        For any other mask, or several sets of coil maps, by conjugate gradients to a relative residual of 1e-6 in
        float32 and 1e-12 in float64. Differentiable in z, y and gamma to any order, each derivative one more such
        solve. Mask and coil maps are constants.

        Args:
            z: images (batch, 2, height, width), or a number for a constant image; None is 0.
            y: measurements (batch, 2, coil, height, width).
            gamma: positive number or tensor of one element; several elements are left to deepinv.
            kwargs: those that deepinv passes on to iterative solvers, used for several elements only.

        Raises:
            InputError: unusable z, y or gamma, or a mask or coil maps that require gradients.

        Warns:
            ConvergenceWarning: conjugate gradients missed their tolerance.
        """
        self._check_measurement(y)
        if several(gamma):
            return super().prox_l2(z, y, gamma, **kwargs)
        shift = 1 / checked_positive(gamma, "gamma")
        point = image_of(z, y, self)
        return point + shifted_inverse(self.A_adjoint(y - self.A(point)), shift, self._gram_inverse())

    def whiten(self, r: Tensor, regularisation: float | int | Tensor) -> Float[Tensor, "batch 2 coil height width"]:
        """(A A^T + regularisation I)^-1 r, the preconditioner of a data step, differentiable.

        (r - A (A^T A + regularisation I)^-1 A^T r) / regularisation, the inner inverse as in `prox_l2`.

        Args:
            r: residual (batch, 2, coil, height, width).
            regularisation: positive number or tensor of one element; the operator has norm 1.

        Raises:
            InputError: unusable r or regularisation, or a mask or coil maps that require gradients.

        Warns:
            ConvergenceWarning: conjugate gradients missed their tolerance.
        """
        self._check_measurement(r)
        shift = checked_positive(regularisation, "regularisation")
        return (r - self.A(shifted_inverse(self.A_adjoint(r), shift, self._gram_inverse()))) / shift

    def _gram_inverse(self) -> Method:
        """How (A^T A + s I)^-1 is solved with the mask and the coil maps of the moment."""
        gram = self._gram()
        if gram is not None:
            return gram.solve
        return by_conjugate_gradients(self._normal, name="The proximal map of multi-coil MRI")

    def _gram(self) -> ReadoutGram | None:
        """A^T A of the mask and the coil maps of the moment, decomposed; None where rows do not come apart."""
        if self.mask.requires_grad or self.coil_maps.requires_grad:
            raise InputError(
                "Inverses of multi-coil MRI take mask and coil maps as constants, but one of them requires "
                "gradients: detach it, or use a data step that needs only A and A^T (GradientStep)."
            )
        held = (self.mask, self.coil_maps)
        versions = [None if t.is_inference() else t._version for t in held]  # noqa: SLF001
        kept = self._kept
        # `update` and `to` put other tensors in their place, and either may be written to.
        if kept is None or kept[0] is not self.mask or kept[1] is not self.coil_maps or kept[2] != versions:
            gram = readout_gram(self.mask, self.coil_maps)
            kept = self._kept = (self.mask, self.coil_maps, versions, gram)
        return kept[3]

    def _normal(self, x: Tensor) -> Tensor:
        return super().A_adjoint(super().A(x))

    def _check_measurement(self, y: Tensor) -> None:
        coils, height, width = self.coil_maps.shape[-3:]
        check_tensor(y, "y", (None, 2, coils, height, width), f"(batch, 2, {coils}, {height}, {width})")


def _check_complex(value: object, name: str, size: tuple[int, int]) -> None:
    height, width = size
    if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] == 1:
        # The likeliest slip deserves its own advice.
        layout = f"(batch, 2, {height}, {width}), real and imaginary part: real_to_complex({name}) makes it"
    else:
        layout = f"(batch, 2, {height}, {width})"
    check_tensor(value, name, (None, 2, height, width), layout)

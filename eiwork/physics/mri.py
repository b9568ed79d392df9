"""Accelerated Cartesian magnetic resonance imaging, single-coil and multi-coil."""

import warnings
from collections.abc import Callable

import torch
from deepinv.physics import MRI, MultiCoilMRI
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError, InputWarning
from eiwork.physics import checks
from eiwork.physics.checks import check_number, check_tensor
from eiwork.physics.coils import coil_sensitivities
from eiwork.physics.gram import ReadoutGram, readout_gram
from eiwork.physics.linear import Method, by_conjugate_gradients, cut_for_noise, minimum_norm_solution
from eiwork.physics.masks import Array, checked_coil_maps, checked_mask
from eiwork.physics.noise import SeededGaussianNoise
from eiwork.physics.proximal import MaskedProducts, MaskedProx, NormalProx


def mri(
    image_size: int | tuple[int, ...],
    *,
    mask: Array | None = None,
    coil_maps: Array | None = None,
    acceleration: float | int | None = None,
    center_fraction: float | int | None = None,
    noise_sigma: float | int = 0.0,
    seed: int | None = None,
    noise_seed: int | None = None,
    n_coils: int | None = None,
) -> "CartesianMRI | MultiCoilCartesianMRI":
    """An MRI operator with the given mask and coil maps, or made ones; `InputError` for values that do not fit.

    Images are complex, as two real channels: (batch, 2, height, width); see `real_to_complex`. image_size: side, or
    (height, width), in pixels. mask: tensor or array, 1 where k-space is measured, else 0 or a weight between, zero
    frequency at (height // 2, width // 2): (height, width), (width,) for whole columns, (batch, 1, height, width) for
    one for each sample; by default `column_mask` with acceleration 4, center_fraction 0.08, seed 0. coil_maps: complex
    tensor or array ([batch,] coil, height, width), moved to the device of the mask, with sum |s|^2 at most 1. n_coils:
    number of coils with synthetic maps in their place; None of both: one coil of uniform sensitivity. noise_sigma:
    standard deviation of the noise on every real number measured. noise_seed: None draws from PyTorch's default
    generator. Warns of a mask without the zero frequency, and of maps with a larger sum.
    """
    checks.check_in_place_of("mask", mask, acceleration=acceleration, center_fraction=center_fraction, seed=seed)
    checks.check_in_place_of("coil_maps", coil_maps, n_coils=n_coils)
    size = checks.check_image_size(image_size)
    if mask is None:
        share = 0.08 if center_fraction is None else center_fraction
        mask = column_mask(size[1], 4 if acceleration is None else acceleration, share, seed or 0)
    kept, noise = checked_mask(mask, size, 2), SeededGaussianNoise(noise_sigma, noise_seed)
    if not bool(kept[..., size[0] // 2, size[1] // 2].all()):
        advice = "torch.fft.fftshift(mask) if yours is at the corner, 1 - mask if 1 stands for what is missing"
        warnings.warn(
            f"mask leaves out the zero frequency, here in the middle: pass {advice}.", InputWarning, stacklevel=2
        )
    if coil_maps is not None:
        return MultiCoilCartesianMRI(kept, checked_coil_maps(coil_maps, size), noise)
    if n_coils is None:
        return CartesianMRI(mask=kept, noise_model=noise, device=kept.device)
    checks.check_count(n_coils, "n_coils", " of coils", prefix="None or ")
    return MultiCoilCartesianMRI(kept, coil_sensitivities(n_coils, *size)[None], noise)


def column_mask(width: int, acceleration: float | int, center_fraction: float | int, seed: int) -> Float[Tensor, " w"]:
    """Variable-density mask of phase-encode columns: 1 where measured, the zero frequency at index width // 2.

    Exactly round(width / acceleration) columns, acceleration from 1 up: the round(width * center_fraction) nearest to
    the zero frequency (at least one), and the others drawn without replacement with a density proportional to
    (1 - |k| / k_max)^2, an exponent of ours. `InputError` for a value out of range, or a centre larger than the mask.
    """
    check_number(acceleration, "acceleration", lambda v: 1 <= v <= width, f"from 1 to the width, {width}")
    check_number(center_fraction, "center_fraction", lambda v: 0 < v <= 1, "a share of all columns in (0, 1]")
    total = round(width / acceleration)
    center = max(1, round(width * center_fraction))
    if center > total:
        raise InputError(
            f"center_fraction = {center_fraction} asks for {center} central columns, but acceleration = "
            f"{acceleration} leaves {total} of {width}. Lower center_fraction or acceleration."
        )
    distance = (torch.arange(width, dtype=torch.float64) - width // 2).abs()
    nearest = distance.argsort(stable=True)
    mask = torch.zeros(width)
    mask[nearest[:center]] = 1.0
    if total > center:
        # Half a column is added to k_max so that the outermost column keeps a chance.
        density = (1 - distance / (width / 2 + 0.5)) ** 2
        density[nearest[:center]] = 0.0
        generator = torch.Generator().manual_seed(seed)
        mask[torch.multinomial(density, total - center, replacement=False, generator=generator)] = 1.0
    return mask


class _Mappable:
    """deepinv's conversions between two real channels and complex numbers, in operations that torch.vmap knows."""

    @staticmethod
    def to_torch_complex(x: Tensor) -> Tensor:
        return as_complex(x)

    @staticmethod
    def from_torch_complex(x: Tensor) -> Tensor:
        return torch.view_as_real(x).movedim(-1, 1)


class CartesianMRI(MaskedProx, _Mappable, MRI):
    """deepinv's single-coil `MRI` (orthonormal centred FFT times mask, norm 1) with checked input.

    mask: 1 where measured, (1 or batch, 2, height, width). Images and measurements: (batch, 2, height, width).
    """


class MultiCoilCartesianMRI(NormalProx, MaskedProducts, _Mappable, MultiCoilMRI):
    """deepinv's `MultiCoilMRI`, of norm at most 1 where sum |s|^2 <= 1, with checked input.

    Measurements are (batch, 2, coil, height, width); mask: 1 where measured, (1 or batch, 1, height, width); maps: (1
    or batch, coil, height, width). Inverses are exact where the mask has whole columns (`ReadoutGram`); for other
    masks, or several sets of masks or maps, they take conjugate gradients, and warn (`ConvergenceWarning`) where these
    miss their tolerance. Every method raises `InputError` for tensors that do not fit; inverses also for a mask or maps
    that require gradients.
    """

    def __init__(self, mask: Tensor, maps: Tensor, noise: SeededGaussianNoise) -> None:
        maps = maps.to(mask.device)
        super().__init__(mask=mask, coil_maps=maps, noise_model=noise, tol=1e-5, max_iter=1000, device=mask.device)
        self.img_size = self.mask.shape[1:]
        self.rtol = cut_for_noise(float(noise.sigma))
        self._kept: tuple[Tensor, Tensor, list[int | None], ReadoutGram | None] | None = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "MultiCoilCartesianMRI":
        # `.to(torch.float64)` would drop the imaginary part of the maps, and `.double()` leave them as they are.
        def by_parts(t: Tensor) -> Tensor:
            parts = torch.view_as_real(t) if t.is_complex() else t
            moved = fn(parts)
            return t if moved is parts else torch.view_as_complex(moved) if t.is_complex() else moved

        return super()._apply(by_parts, recurse)

    def A_dagger(self, y: Tensor, *, rtol: float | int | None = None, **kwargs: object) -> Float[Tensor, "b 2 h w"]:
        """Minimum-norm least-squares inverse A^+ y, differentiable, computed in float64.

        Singular values below `rtol` (by default that of `cut_for_noise`) times the largest count as zero. Conjugate
        gradients (Pruessmann et al. 2001) stop at ||A^T (y - A x)|| <= rtol^2 ||A^T y||, or at `max_iter`, 1000.
        """
        self.prepare(y, "y", kwargs)
        cut = checks.check_cut_off(self.rtol if rtol is None else rtol)
        gram = self._gram()
        if gram is None:
            return minimum_norm_solution(super().A, super().A_adjoint, y, tol=cut**2, max_iter=self.max_iter)
        return gram.pseudo_inverse(super().A_adjoint(y.double()), cut).to(y.dtype)

    def normal_inverse(self) -> Method:
        """Exact with the mask and the coil maps of the moment, else to a relative 1e-6 (1e-12 in float64)."""
        gram = self._gram()
        iterative = by_conjugate_gradients(self.A_adjoint_A, name="The proximal map of multi-coil MRI")
        return iterative if gram is None else gram.solve

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


def check_complex(value: object, name: str, size: tuple[int, int]) -> None:
    """Refuse (`InputError`) anything but (batch, 2, height, width), real and imaginary part of images of this size."""
    check_tensor(value, name, (None, 2, *size), f"(batch, 2, {size[0]}, {size[1]})")


def real_to_complex(x: Tensor) -> Float[Tensor, "batch 2 height width"]:
    """Give a real image (batch, 1, height, width) a zero imaginary part; `InputError` for any other input."""
    check_tensor(x, "x", (None, 1, None, None), "(batch, 1, height, width)")
    return torch.cat([x, torch.zeros_like(x)], dim=1)


def magnitude(x: Tensor) -> Float[Tensor, "batch 1 height width"]:
    """Absolute value of a complex image (batch, 2, height, width), else `InputError`; its derivative at 0 is 0."""
    check_tensor(x, "x", (None, 2, None, None), "(batch, 2, height, width), real and imaginary part")
    return torch.linalg.vector_norm(x, dim=1, keepdim=True)


def as_complex(x: Tensor) -> Tensor:
    """Two real channels (batch, 2, ...) as one complex tensor (batch, ...)."""
    return torch.complex(x[:, 0], x[:, 1])


def as_channels(z: Tensor) -> Tensor:
    """A complex tensor (batch, ...) as two real channels (batch, 2, ...)."""
    return torch.stack([z.real, z.imag], dim=1)

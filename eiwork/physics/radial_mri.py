"""Multi-coil magnetic resonance imaging with radial sampling, as a deepinv `LinearPhysics`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Complex, Float
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import Numbers, check_count, check_in_place_of, check_tensor, checked_angles, finite_numbers
from eiwork.physics.coils import checked_complex, coil_sensitivities, walsh_coil_maps
from eiwork.physics.linear import Method, by_conjugate_gradients, minimum_norm_solution
from eiwork.physics.mri import as_channels, as_complex, check_complex
from eiwork.physics.noise import SeededGaussianNoise
from eiwork.physics.projection import ParallelBeam, view_weights
from eiwork.physics.proximal import NormalProx
from eiwork.physics.tomography import ramp_filter

# Any number of consecutive spokes covers the circle nearly evenly (Winkelmann et al. 2007).
GOLDEN_ANGLE = 180 / ((1 + 5**0.5) / 2)


def radial_mri(
    image_size: int,
    n_spokes: int,
    *,
    angles: Numbers | None = None,
    positions: Numbers | None = None,
    n_coils: int | None = None,
    coil_maps: Tensor | np.ndarray | None = None,
    noise_sigma: float | int = 0.0,
    noise_seed: int | None = None,
) -> "RadialMRI":
    """The radial MRI operator; `InputError` for bad values.

    Images are complex, as two real channels: (batch, 2, image_size, image_size); see `real_to_complex`. angles:
    `n_spokes` directions in degrees, k_x = k cos(angle) to the right, k_y = k sin(angle) downwards; by default the
    golden angle, i * 111.246. positions: k of the samples of every spoke, in cycles per field of view, ascending in
    equal steps of at most 1, within image_size / 2 on both sides; by default the whole numbers from -(image_size // 2)
    on. n_coils: number of coils with synthetic maps; None for a single coil of uniform sensitivity. coil_maps: complex
    sensitivities ([1,] coil, size, size) in place of `n_coils`. noise_sigma: standard deviation of the noise on every
    real number measured, the operator having norm 1. noise_seed: None draws from PyTorch's default generator.
    """
    check_count(image_size, "image_size", " of pixels", least=2)
    check_count(n_spokes, "n_spokes", " of spokes")
    theta = np.arange(n_spokes) * GOLDEN_ANGLE if angles is None else checked_angles(angles, n_spokes, "spoke")
    k = finite_numbers(torch.arange(image_size) - image_size // 2 if positions is None else positions, "positions")
    steps = np.diff(k) if k.ndim == 1 and len(k) > 1 else np.zeros(1)
    if steps.min() <= 0 or not np.allclose(steps, steps[0]) or steps[0] > 1 + 1e-9:
        raise InputError(
            "positions must be at least two ascending numbers in equal steps of at most 1 (cycle per image)."
        )
    reach, most = np.abs(k).max(), image_size / 2
    if reach > most or reach < 3.2 < most / 2:
        hint = "multiply positions up to 0.5 by image_size, up to pi by image_size / (2 pi)"
        told = f"positions reach {reach:.4g} cycles per field of view, but this image holds {most:g}"
        raise InputError(f"{told}: {'crop k-space, or raise image_size' if reach > most else hint}.")
    check_in_place_of("coil_maps", coil_maps, n_coils=n_coils)
    if n_coils is not None:
        check_count(n_coils, "n_coils", " of coils", prefix="None or ")
        coil_maps = coil_sensitivities(n_coils, image_size, image_size)
    if coil_maps is None:
        coil_maps = torch.ones(1, image_size, image_size, dtype=torch.complex64)
    what = f"maps ([1,] coil, {image_size}, {image_size}), not zeros only"
    maps = checked_complex(coil_maps, "coil_maps", what)
    if maps.shape != (1, maps.shape[1], image_size, image_size) or not bool((maps != 0).any()):
        raise InputError(f"coil_maps is {tuple(maps.shape)}; pass complex {what}.")
    return RadialMRI(theta, k, maps, SeededGaussianNoise(noise_sigma, noise_seed))


class RadialMRI(NormalProx):
    """Coil sensitivities, then E, the Fourier transform along spokes, divided by the largest singular value.

    E x = sum over pixels of x(r, c) exp(-2 pi i (k_y r + k_x c) / size), pixel size // 2 being 0. Images are (batch, 2,
    size, size), measurements (batch, 2, coil, spoke, sample), like deepinv's `MultiCoilMRI` with (spoke, sample) for
    the axes of k-space (Pruessmann et al. 2001). Products follow dtype and device of their input, and have all
    derivatives. `InputError` for tensors that do not fit, or new maps; a `ConvergenceWarning` where conjugate gradients
    miss their tolerance. Singular values spread: plain gradient steps are slow, `prox_l2` and `whiten` are not.

    E is the sum itself, by products with two matrices: exact, everywhere. finufft takes a fifth (64 pixels) to a
    seventh (128) of its time on one core, but runs on the host alone; what solvers repeat is A^T A, by FFTs.
    """

    same_for_all_samples = True  # see `Tomography`

    def __init__(self, angles: np.ndarray, positions: np.ndarray, maps: Tensor, noise: SeededGaussianNoise) -> None:
        size = (2, *maps.shape[-2:])
        super().__init__(img_size=size, noise_model=noise, solver="CG", max_iter=1000, tol=1e-5)
        self.angles, k = torch.from_numpy(angles), torch.from_numpy(positions)
        self.positions, self.fine_positions = k, torch.stack([k, k + (k[1] - k[0]) / 2], dim=1).flatten()
        self.shares = torch.from_numpy(view_weights(ParallelBeam(size[1], len(k), tuple(angles.tolist()))))[:, None]
        # As real numbers: `.to(torch.float64)` of a module would drop the imaginary part of a complex buffer.
        self.register_buffer("coil_channels", as_channels(maps), persistent=False)
        self._kept: dict[tuple, Tensor] = {}
        self.operator_norm = 1.0

        def normal(v: np.ndarray) -> np.ndarray:
            return self.A_adjoint_A(torch.from_numpy(v).view(1, *size).to(maps.device)).detach().cpu().numpy().ravel()

        n = 2 * maps[0, 0].numel()
        # A fixed start makes the norm, and so every number after it, the same in each run.
        lanczos = {"v0": np.random.default_rng(0).standard_normal(n), "tol": 1e-12, "return_eigenvectors": False}
        self.operator_norm = float(eigsh(LinearOperator((n, n), normal, dtype=float), 1, **lanczos)[0]) ** 0.5

    @property
    def coil_maps(self) -> Complex[Tensor, "1 coil height width"]:
        """Complex sensitivities."""
        return as_complex(self.coil_channels)

    # Plain tensors in, checked by hand: see eiwork.physics.tomography.
    def A(self, x: Tensor, **kwargs: Any) -> Float[Tensor, "batch 2 coil spoke sample"]:
        """Measure images; `kwargs` are those that deepinv passes on to the noise model."""
        z, maps = self._checked(x, "x", kwargs)
        down, right = self._constant(self._waves, z)
        # One image at a time: its products stay in the cache of a core.
        samples = [((image @ right) * down).sum(dim=-2) for image in (maps * z[:, None]).flatten(0, 1).split(1)]
        shape = (len(z), maps.shape[1], len(self.angles), len(self.positions))
        return as_channels(torch.cat(samples).view(shape) / self.operator_norm)

    def A_adjoint(self, y: Tensor, **kwargs: Any) -> Float[Tensor, "batch 2 height width"]:
        """The exact adjoint of A."""
        z, maps = self._checked(y, "y", kwargs)
        images = _adjoint(z.flatten(2), self._constant(self._waves, z))
        return as_channels((maps.conj() * images).sum(dim=1) / self.operator_norm)

    def A_adjoint_A(self, x: Tensor, **kwargs: Any) -> Float[Tensor, "batch 2 height width"]:
        """A^T A x, much faster: a convolution with the point response, by two FFTs (Wajer and Pruessmann 2001)."""
        z, maps = self._checked(x, "x", kwargs)
        if x.numel() == 0:  # which the Fourier transform refuses
            return x
        n = z.shape[-1]
        spectrum = self._constant(self._spectrum, z)
        images = torch.fft.ifft2(torch.fft.fft2(maps * z[:, None], s=(2 * n, 2 * n)) * spectrum)[..., :n, :n]
        return as_channels((maps.conj() * images).sum(dim=1) / self.operator_norm**2)

    def A_dagger(self, y: Tensor, **kwargs: Any) -> Float[Tensor, "batch 2 height width"]:
        """Minimum-norm least-squares inverse by conjugate gradients (Pruessmann et al. 2001), in float64.

        It stops at ||A^T (y - A x)|| <= tol ||A^T y|| (attributes `tol`, 1e-5, and `max_iter`, 1000). Few spokes and
        noise need a weight instead: `prox_l2`, or `ConjugateGradientSENSE`.
        """
        self._checked(y, "y", kwargs)
        options = {"tol": self.tol, "max_iter": self.max_iter, "normal": self.A_adjoint_A}
        return minimum_norm_solution(self.A, self.A_adjoint, y, **options)

    def normal_inverse(self) -> Method:
        """Conjugate gradients to a relative residual of 1e-6 in float32 and 1e-12 in float64."""
        return by_conjugate_gradients(self.A_adjoint_A, name="Radial MRI's inverse")

    def gridding(self, y: Tensor) -> Float[Tensor, "batch 2 height width"]:
        """Density-compensated adjoint, in the image's own units: the filtered back-projection of MRI, linear.

        A spoke is the Fourier transform of a parallel-beam view, so its density compensation is the ramp filter
        (Jackson et al. 1991), weighted with the angle that the spoke stands for. |k| alone would wrap the filter's long
        tails around the field of view (1 to 9 dB worse on the measured brain): views are filtered without wrapping, and
        spokes sampled twice as densely. Coils are combined by conjugate maps over their power (Roemer et al. 1990).
        """
        z, maps = self._checked(y, "y", {})
        fine = z @ self._constant(self._compensation, z) * self.shares.to(z) * self.operator_norm
        images = _adjoint(fine.flatten(2), self._constant(self._waves, z, "fine_positions"))
        power = maps.abs().square().sum(dim=1).clamp_min(torch.finfo(y.dtype).tiny)
        return as_channels((maps.conj() * images).sum(dim=1) / power)

    def from_kspace(self, kspace: Tensor | np.ndarray) -> Float[Tensor, "batch 2 coil spoke sample"]:
        """A measurement y from complex k-space ([batch,] coil, spoke, sample): E of coil images, not yet divided."""
        y = (
            as_channels(checked_complex(kspace, "kspace", "samples ([batch,] coil, spoke, sample)"))
            / self.operator_norm
        )
        self._checked(y, "kspace", {})
        return y

    def update_parameters(self, **kwargs: Any) -> None:
        """Refuse (`InputError`) new coil maps or masks."""
        if kwargs.get("coil_maps") is not None or kwargs.get("mask") is not None:
            raise InputError("The samples and the coil maps of a radial scan are fixed: build another with radial_mri.")

    def _checked(self, value: Tensor, name: str, parameters: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """An image (x) or a measurement as a complex tensor, and the maps in its dtype."""
        self.update_parameters(**parameters)
        if name == "x":
            check_complex(value, name, self.img_size[-2:])
        else:
            shape = (2, self.coil_channels.shape[2], len(self.angles), len(self.positions))
            check_tensor(value, name, (None, *shape), f"(batch, {', '.join(map(str, shape))})")
        if value.device != self.coil_channels.device:
            raise InputError(f"{name} is on {value.device}, the maps on {self.coil_channels.device}: use physics.to.")
        return as_complex(value), as_complex(self.coil_channels.to(value.dtype))

    def _constant(self, make: Callable[..., Tensor], like: Tensor, *arguments: str) -> Tensor:
        """What `make` makes, in the dtype and on the device of `like`, kept for the next call."""
        key = (make.__name__, arguments, like.dtype, like.device)
        if key not in self._kept:
            with torch.inference_mode(False):  # else no later call could be differentiated
                self._kept[key] = make(*arguments).to(like)
        return self._kept[key]

    def _waves(self, positions: str = "positions", wider: int = 1) -> Complex[Tensor, "2 pixel samples"]:
        """exp(-2 pi i k r / size) of k_y and k_x of all samples, spoke by spoke, for an image `wider` times as wide."""
        theta, n = torch.deg2rad(self.angles), self.img_size[-1]
        k = torch.stack([torch.outer(part, getattr(self, positions)).flatten() for part in (theta.sin(), theta.cos())])
        phase = (torch.arange(wider * n) - wider * n // 2)[:, None] * k[:, None] * (-2 * torch.pi / n)
        return torch.complex(phase.cos(), phase.sin())

    def _spectrum(self) -> Float[Tensor, "wide wide"]:
        down, right = self._waves(wider=2)
        # Real, as the response at -r is conjugate to that at r, but for a lag of -size that no two pixels have.
        return torch.fft.fft2(torch.fft.ifftshift(down.conj() @ right.mH)).real

    def _compensation(self) -> Complex[Tensor, "sample fine"]:
        """Samples -> |k| dk times twice as many samples of each spoke."""
        k, n, step = self.positions, len(self.positions), self.positions[1] - self.positions[0]
        # Bins of the view: what the samples resolve, and as much again for the filter's tails.
        bins = (torch.arange(2 * n) - n) / (n * step)
        to_view = torch.exp(2j * torch.pi * torch.outer(bins, k)) * (step / self.img_size[-1]) ** 2 / 2
        to_view[: n - n // 2] = to_view[2 * n - n // 2 :] = 0
        views = ramp_filter(torch.stack([to_view.real, to_view.imag])[None])[0]
        to_spoke = torch.exp(-2j * torch.pi * torch.outer(self.fine_positions, bins))
        return (to_spoke @ torch.complex(views[0], views[1])).mT


def radial_coil_maps(
    kspace: Tensor | np.ndarray, image_size: int, *, angles: Numbers | None = None, positions: Numbers | None = None
) -> Complex[Tensor, "coil size size"]:
    """Maps from the centre of radial k-space, which every scan samples densely: no calibration scan is needed.

    `walsh_coil_maps` of coil images by gridding, with a Hann window over the centre of k-space, 24 cycles per field of
    view wide. kspace: complex (coil, spoke, sample). The rest: as in `radial_mri`. `InputError` for unusable values.
    """
    coils = checked_complex(kspace, "kspace", "samples ([batch,] coil, spoke, sample)").movedim(0, 1)
    physics = radial_mri(image_size, coils.shape[2], angles=angles, positions=positions)
    y = physics.from_kspace(coils)
    hann = torch.cos((physics.positions / 12).clamp(-1, 1) * (torch.pi / 2)).square().to(y)
    images = as_complex(physics.gridding(y * hann))
    # Eigenvectors do not depend on the unit of the images, but their computation should not underflow.
    return walsh_coil_maps(images / images.abs().max().clamp_min(torch.finfo(y.dtype).tiny))


def _adjoint(z: Complex[Tensor, "batch coil samples"], waves: Tensor) -> Complex[Tensor, "batch coil size size"]:
    """E^H z."""
    down, right = waves
    images = [(down.conj() * samples) @ right.mH for samples in z.flatten(0, 1)[:, None].split(1)]
    return torch.cat(images).unflatten(0, z.shape[:2])

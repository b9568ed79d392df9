"""Multi-coil magnetic resonance imaging with radial sampling, as a deepinv `LinearPhysics`."""

import numpy as np
import torch
from jaxtyping import Complex, Float
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from eiwork.errors import InputError
from eiwork.physics.checks import Numbers, check_count, check_tensor
from eiwork.physics.coils import checked_coil_maps, coil_sensitivities
from eiwork.physics.linear import Method, by_conjugate_gradients, minimum_norm_solution
from eiwork.physics.mri import as_channels, as_complex, check_complex
from eiwork.physics.noise import SeededGaussianNoise
from eiwork.physics.proximal import NormalProx
from eiwork.physics.radial_fourier import RadialTrajectory, radial_fourier, radial_gridding, radial_trajectory


def radial_mri(
    image_size: int,
    n_spokes: int,
    *,
    angles: Numbers | None = None,
    positions: Numbers | None = None,
    n_coils: int | None = None,
    coil_maps: Tensor | None = None,
    noise_sigma: float | int = 0.0,
    noise_seed: int | None = None,
) -> "RadialMRI":
    """The radial MRI operator; the transform of a trajectory is built once and shared. `InputError` for bad values.

    Images are complex, as two real channels: (batch, 2, image_size, image_size); see `real_to_complex`. image_size,
    n_spokes, angles (degrees), positions (cycles per field of view): see `radial_trajectory`. n_coils: number of coils
    with synthetic maps; None for a single coil of uniform sensitivity. coil_maps: complex sensitivities (coil, size,
    size), in place of `n_coils`. noise_sigma: standard deviation of the noise on every real number measured, the
    operator having norm 1. noise_seed: None draws from PyTorch's default generator.
    """
    trajectory = radial_trajectory(image_size, n_spokes, angles=angles, positions=positions)
    if coil_maps is not None and n_coils is not None:
        raise InputError(f"n_coils = {n_coils} makes synthetic maps, but coil_maps is given: leave one out.")
    if n_coils is not None:
        check_count(n_coils, "n_coils", " of coils", prefix="None or ")
        coil_maps = coil_sensitivities(n_coils, image_size, image_size)
    if coil_maps is None:
        coil_maps = torch.ones(1, image_size, image_size, dtype=torch.complex64)
    return RadialMRI(trajectory, coil_maps, SeededGaussianNoise(noise_sigma, noise_seed))


class RadialMRI(NormalProx):
    """Coil sensitivities, then the Fourier transform along spokes, divided by its largest singular value.

    Images are (batch, 2, size, size), measurements (batch, 2, coil, spoke, sample), like deepinv's `MultiCoilMRI` with
    (spoke, sample) in place of the two axes of k-space (Pruessmann et al. 2001). Products follow the dtype (float32 or
    float64) and the device of their input and are differentiable to any order, also under `torch.func`. Every method
    raises `InputError` for tensors that do not fit; inverses warn (`ConvergenceWarning`) where conjugate gradients miss
    their tolerance. Singular values spread: plain gradient steps are slow, `prox_l2` and `whiten` are not.
    """

    same_for_all_samples = True
    """See `Tomography.same_for_all_samples`."""

    def __init__(self, trajectory: RadialTrajectory, coil_maps: Tensor, noise: SeededGaussianNoise) -> None:
        size = trajectory.image_size
        maps = checked_coil_maps(coil_maps, size)
        super().__init__(img_size=(2, size, size), noise_model=noise, solver="CG", max_iter=1000, tol=1e-5)
        self.trajectory, self.fourier = trajectory, radial_fourier(trajectory)
        # As real numbers: `.to(torch.float64)` of a module would drop the imaginary part of a complex buffer.
        self.register_buffer("coil_channels", as_channels(maps[None]), persistent=False)
        self.operator_norm = self._norm(maps.detach().to("cpu", torch.complex128))

    @property
    def coil_maps(self) -> Tensor:
        """Complex sensitivities (1, coil, size, size)."""
        return as_complex(self.coil_channels)

    def extra_repr(self) -> str:
        """Geometry, for `print`."""
        spokes, samples = self.trajectory.shape
        coils = self.coil_channels.shape[2]
        return f"image_size={self.trajectory.image_size}, n_spokes={spokes}, n_samples={samples}, n_coils={coils}"

    # Plain tensors in, checked by hand: see eiwork.physics.tomography.
    def A(self, x: Tensor, **kwargs: object) -> Float[Tensor, "batch 2 coil spoke sample"]:
        """Measure images; `kwargs` are those that deepinv passes on to the noise model."""
        self._check_image(x)
        return self._forward(x)

    def A_adjoint(self, y: Tensor, **kwargs: object) -> Float[Tensor, "batch 2 height width"]:
        """The exact adjoint of A."""
        self._check_measurement(y, "y")
        return self._adjoint(y)

    def A_adjoint_A(self, x: Tensor, **kwargs: object) -> Float[Tensor, "batch 2 height width"]:
        """A^T A x by FFTs alone, faster than A and its adjoint: see `RadialFourier.normal`."""
        self._check_image(x)
        return self._normal(x)

    def A_dagger(self, y: Tensor, **kwargs: object) -> Float[Tensor, "batch 2 height width"]:
        """Minimum-norm least-squares inverse by conjugate gradients (Pruessmann et al. 2001), in float64.

        Differentiable. It stops at ||A^T (y - A x)|| <= tol ||A^T y|| (attributes `tol`, 1e-5, and `max_iter`, 1000).
        Few spokes and noise need a weight instead: `prox_l2`, or `ConjugateGradientSENSE`.
        """
        self._check_measurement(y, "y")
        # Not the faster `_normal`: its error of 1e-9 lies outside the range of A^T, where conjugate gradients stall.
        return minimum_norm_solution(self._forward, self._adjoint, y, tol=self.tol, max_iter=self.max_iter)

    def normal_inverse(self) -> Method:
        """Conjugate gradients to a relative residual of 1e-6 in float32 and 1e-12 in float64."""
        return by_conjugate_gradients(self._normal, name="Radial MRI's inverse")

    def gridding(self, y: Tensor) -> Float[Tensor, "batch 2 height width"]:
        """Density-compensated adjoint, in the image's own units: see `radial_gridding`.

        Coil images are combined by the conjugate maps over their sum of squares (Roemer et al. 1990).
        """
        self._check_measurement(y, "y")
        maps = self._maps(y)
        images = radial_gridding(as_complex(y) * self.operator_norm, self.trajectory)
        power = maps.abs().square().sum(dim=1).clamp_min(torch.finfo(y.dtype).tiny)
        return as_channels((maps.conj() * images).sum(dim=1) / power)

    def from_kspace(self, kspace: Tensor) -> Float[Tensor, "batch 2 coil spoke sample"]:
        """A measurement y from complex k-space (coil, spoke, sample) or (batch, coil, spoke, sample).

        It is divided by `operator_norm`: y = A x for the image x whose sum (see `NonuniformFourier`) k-space is.
        """
        if not (isinstance(kspace, Tensor) and kspace.is_complex() and kspace.ndim in (3, 4)):
            raise InputError("kspace must be a complex tensor (coil, spoke, sample), or a batch of them.")
        y = as_channels(kspace if kspace.ndim == 4 else kspace[None]) / self.operator_norm
        self._check_measurement(y, "kspace")
        return y

    def _maps(self, like: Tensor) -> Tensor:
        return as_complex(self.coil_channels.to(like.dtype))

    def _forward(self, x: Tensor) -> Tensor:
        samples = self.fourier.forward(self._maps(x) * as_complex(x)[:, None])
        return as_channels(samples.unflatten(-1, self.trajectory.shape) / self.operator_norm)

    def _adjoint(self, y: Tensor) -> Tensor:
        images = self.fourier.adjoint(as_complex(y).flatten(-2))
        return as_channels((self._maps(y).conj() * images).sum(dim=1) / self.operator_norm)

    def _normal(self, x: Tensor) -> Tensor:
        images = self.fourier.normal(self._maps(x) * as_complex(x)[:, None])
        return as_channels((self._maps(x).conj() * images).sum(dim=1) / self.operator_norm) / self.operator_norm

    def _norm(self, maps: Complex[Tensor, "coil size size"]) -> float:
        """Largest singular value of E S, to a relative 1e-12, by Lanczos; maps in complex128."""
        shape, n = maps.shape[1:], maps[0].numel()

        def product(v: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                x = torch.from_numpy(v.astype(np.complex128)).view(shape)
                return (maps.conj() * self.fourier.normal(maps * x)).sum(dim=0).numpy().ravel()

        # A fixed start makes the norm, and so every number after it, the same in each run.
        start = np.random.default_rng(0).standard_normal(n).astype(np.complex128)
        operator = LinearOperator((n, n), matvec=product, dtype=np.complex128)
        largest = eigsh(operator, k=1, which="LA", v0=start, tol=1e-12, return_eigenvectors=False)
        return float(largest[0]) ** 0.5

    def _check_image(self, x: object) -> None:
        check_complex(x, "x", self.img_size[-2:])

    def _check_measurement(self, y: object, name: str) -> None:
        shape = (2, self.coil_channels.shape[2], *self.trajectory.shape)
        check_tensor(y, name, (None, *shape), f"(batch, {', '.join(map(str, shape))})")

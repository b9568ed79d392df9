"""What the recovered prior likes and dislikes: phi of corrupted images, and its curvature."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from deepinv.transform import Transform
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor, nn

from eiwork.analysis import jacobian, symmetric_spectrum
from eiwork.analysis.jacobian import draw_normal
from eiwork.errors import ConvergenceWarning, InputError
from eiwork.symmetry import Rotation
from eiwork_study.proximal.elsewhere import prior_of
from eiwork_study.proximal.measures import preimage

Image = Float[Tensor, "n channel height width"]
Vector = Float[Tensor, " n"]
Corruption = Callable[[Image, float, torch.Generator], Image]


@dataclass(frozen=True)
class PriorRise:
    """phi of corrupted images above that of the clean ones.

    rise: phi(corrupted) - phi(clean) over the standard deviation of phi between the clean images, per image. share: of
    the corrupted images, how much of ||corrupted - clean|| the image that phi was taken at has kept, per image: phi is
    known on the range of D alone, and the nearest image found there stands for the others.
    distance: ||corrupted - clean|| / ||clean||, per image.
    """

    rise: Vector
    share: Vector
    distance: Vector


def _noise(x: Image, strength: float, generator: torch.Generator) -> Image:
    return x + strength * draw_normal(x, generator)


def _blur(x: Image, strength: float, _: torch.Generator) -> Image:
    # Width in pixels.
    blurred = ndimage.gaussian_filter(x.numpy(), sigma=(0, 0, strength, strength), mode="nearest")
    return torch.from_numpy(blurred)


def _streaks(x: Image, strength: float, _: torch.Generator) -> Image:
    height = x.shape[-2]
    rows = torch.arange(height, dtype=x.dtype)
    return x + strength * torch.sin(2 * torch.pi * rows / 4)[:, None] * (x > 0.05)


def _missing_wedge(x: Image, strength: float, _: torch.Generator) -> Image:
    # Opening angle of the wedge, in degrees.
    fy, fx = (torch.fft.fftfreq(n) for n in x.shape[-2:])
    angle = torch.rad2deg(torch.atan2(fy[:, None].abs(), fx[None, :].abs()))
    keep = (angle >= strength / 2) | ((fy[:, None] == 0) & (fx[None, :] == 0))
    return torch.fft.ifft2(torch.fft.fft2(x) * keep).real


def _brighter(x: Image, strength: float, _: torch.Generator) -> Image:
    return (1 + strength) * x


def _turned(x: Image, strength: float, _: torch.Generator) -> Image:
    # Degrees.
    turn: Transform = Rotation("fourier")
    return turn.transform(x, theta=torch.full((1,), strength, dtype=torch.float64))


CORRUPTIONS: dict[str, tuple[Corruption, tuple[float, ...]]] = {
    "noise": (_noise, (0.02, 0.05, 0.1)),
    "blur": (_blur, (0.5, 1.0, 2.0)),
    "streaks": (_streaks, (0.02, 0.05, 0.1)),
    "missing wedge": (_missing_wedge, (10.0, 30.0, 60.0)),
    "brighter": (_brighter, (0.05, 0.1, 0.2)),
    "turned": (_turned, (30.0, 90.0, 180.0)),
}
"""Name -> function and strengths: standard deviation, pixels, amplitude, degrees of the wedge, share, degrees."""


@torch.no_grad()
def prior_rise(
    denoiser: nn.Module, x: Image, corruption: str, strength: float, *, generator: torch.Generator
) -> PriorRise:
    """phi of corrupted versions of the images D(x), which are in the range of D, above phi of D(x) itself.

    corruption: a key of CORRUPTIONS. The corrupted image's preimage is sought from x; what is reached is what phi is
    taken at, see `PriorRise.share`. Raises InputError for an unknown corruption or a single image.
    """
    if corruption not in CORRUPTIONS:
        raise InputError(f"There is no corruption {corruption!r}; choose from {', '.join(CORRUPTIONS)}.")
    if len(x) < 2:
        raise InputError("The spread of phi needs at least two images.")
    prior = prior_of(denoiser, x)
    clean = prior.at_output(x)
    corrupted = CORRUPTIONS[corruption][0](clean.x, strength, generator)
    with warnings.catch_warnings():
        # What is not in the range is in `share`.
        warnings.simplefilter("ignore", ConvergenceWarning)
        z = preimage(denoiser, corrupted, x + (corrupted - clean.x)).value
        assert isinstance(z, Tensor)
        reached = prior.at_output(z)
    wanted = (corrupted - clean.x).flatten(1).double()
    got = (reached.x - clean.x).flatten(1).double()
    length = wanted.square().sum(dim=1)
    return PriorRise(
        (reached.phi - clean.phi) / clean.phi.std(),
        (wanted * got).sum(dim=1) / length,
        length.sqrt() / clean.x.flatten(1).double().norm(dim=1),
    )


@dataclass(frozen=True)
class Curvature:
    """The directions in which a prior is flattest and steepest at images x = D(z), with its curvature along them.

    flattest, steepest: unit directions, images like x. curvature_flattest, curvature_steepest: 1 / lambda - 1 for the
    largest and the smallest eigenvalue lambda of the symmetric part of J, as the Hessian of phi is J^-1 - I; negative
    where phi is not convex, infinite where lambda is 0, and meaningless where lambda is negative: there D is no
    proximal map. largest, smallest: those eigenvalues.
    """

    flattest: Image
    steepest: Image
    largest: Vector
    smallest: Vector

    @property
    def curvature_flattest(self) -> Vector:
        """Of phi along `flattest`."""
        return 1 / self.largest - 1

    @property
    def curvature_steepest(self) -> Vector:
        """Of phi along `steepest`."""
        return 1 / self.smallest - 1


def curvature(denoiser: nn.Module, z: Image, *, generator: torch.Generator, max_size: int = 60) -> Curvature:
    """Extreme curvatures of the prior at D(z), from a Krylov space of the symmetric part of J."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ends = symmetric_spectrum(jacobian(denoiser, z), generator=generator, max_size=max_size)
    return Curvature(
        ends.largest_vector.to(z), ends.smallest_vector.to(z), ends.largest.double(), ends.smallest.double()
    )


@torch.no_grad()
def towards_minimum(denoiser: nn.Module, x: Image, steps: int) -> list[Image]:
    """x, D(x), D(D(x)), ...: proximal point iterations, which lower phi at every step if D is its proximal map."""
    images = [x]
    for _ in range(steps):
        images.append(denoiser(images[-1]))
    return images

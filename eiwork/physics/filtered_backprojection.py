"""The filter of filtered back-projection."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor

from eiwork.errors import InputError


@functools.lru_cache(maxsize=16)
def ramp_response(n_detectors: int, window: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Frequency response of the band-limited ramp filter |f| on one-pixel bins, of shape (frequencies, 1).

    The filter is the transform of its sampled impulse response (Kak and Slaney 1988, chapter 3, equation 61: 1/4 at 0,
    -1/(pi k)^2 at odd k), which keeps the mean of the image right, over twice the detector, so that the circular
    convolution does not wrap.

    Args:
        n_detectors: bins per view.
        window: "ramp" (no smoothing) or "hann" (times (1 + cos(pi f / f_max)) / 2: less noise, less resolution).
        dtype: real dtype of the filter.
        device: device of the filter.

    Raises:
        InputError: unknown window.
    """
    if window not in ("ramp", "hann"):
        raise InputError(f'window = {window!r} is unknown; use "ramp" (sharp) or "hann" (smooth).')
    length = 2 ** (2 * n_detectors - 1).bit_length()
    lag = torch.fft.fftfreq(length, d=1 / length, dtype=torch.float64).abs()
    impulse = torch.where(lag % 2 == 1, -1 / (torch.pi * lag.clamp_min(1)) ** 2, torch.zeros_like(lag))
    impulse[0] = 0.25
    response = torch.fft.rfft(impulse).real
    if window == "hann":
        response = response * (1 + torch.cos(torch.pi * torch.linspace(0, 1, len(response), dtype=torch.float64))) / 2
    return response.to(device, dtype)[:, None]


def ramp_filter(
    sinogram: Float[Tensor, "batch channel detector view"], window: str
) -> Float[Tensor, "batch channel detector view"]:
    """Convolve every view with the band-limited ramp filter; linear and differentiable."""
    n = sinogram.shape[-2]
    response = ramp_response(n, window, sinogram.dtype, sinogram.device)
    length = 2 * (response.shape[0] - 1)
    spectrum = torch.fft.rfft(sinogram, n=length, dim=-2)
    return torch.fft.irfft(spectrum * response, n=length, dim=-2)[..., :n, :]

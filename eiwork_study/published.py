"""Gap closures of other people's studies, from the PSNRs that they published: their data, sizes and networks."""

from dataclasses import dataclass

SSIBENCH = "SSIBench, arXiv 2502.14009"
EQUIVARIANT_SPLITTING = "Equivariant splitting, openreview upMIVpe467"


@dataclass(frozen=True, kw_only=True)
class Published:
    """PSNRs in dB as published. linear: zero-filled or inverse DFT; supervised: the same network with ground truth."""

    problem: str
    method: str
    linear: float
    psnr: float
    supervised: float
    source: str

    @property
    def gap_closure(self) -> float:
        """(psnr - linear) / (supervised - linear), the one number that carries over between data sets."""
        return (self.psnr - self.linear) / (self.supervised - self.linear)


def _ssibench(problem: str, method: str, linear: float, psnr: float, supervised: float) -> Published:
    return Published(
        problem=f"brain MRI 6x, {problem}",
        method=method,
        linear=linear,
        psnr=psnr,
        supervised=supervised,
        source=SSIBENCH,
    )


def _splitting(method: str, psnr: float) -> Published:
    return Published(
        problem="MRI 8x, 40 dB",
        method=method,
        linear=23.62,
        psnr=psnr,
        supervised=28.74,
        source=EQUIVARIANT_SPLITTING,
    )


PUBLISHED: tuple[Published, ...] = (
    _ssibench("single operator", "EI", 28.02, 31.99, 34.03),
    _ssibench("many masks", "EI", 27.67, 30.26, 33.15),
    _ssibench("multi-coil", "EI", 27.82, 31.66, 33.89),
    _ssibench("noisy", "robust EI", 24.34, 29.07, 30.19),
    _splitting("EI", 27.88),
    _splitting("equivariant splitting", 28.54),
)

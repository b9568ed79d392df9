"""A ledger of claims: what is claimed, the numbers that speak for or against it, and the verdict that follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from eiwork_study.statistics import Interval

Verdict = Literal["supported", "partly", "open", "not supported"]
MOST_SHOWN = 6


def verdict_of(interval: Interval, target: float | int, over_seeds: Interval | None = None) -> Verdict:
    """What an interval says about "the number is above the target".

    interval: of the bootstrap over images and seeds. over_seeds: Student's over the seeds' means, None for one seed.
    supported: both lie above. partly: the first does, so it holds for these trainings; about the next one they are too
    few to tell. open: the target is inside. not supported: all of it lies below. The rule is ours.
    """
    if interval.upper < target:
        return "not supported"
    if not interval.lower > target:
        return "open"
    return "supported" if over_seeds is not None and over_seeds.lower > target else "partly"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A measured number that a claim wants above `target`, such as a difference of PSNR above 0.

    interval, over_seeds: as in `verdict_of`. unit: of the number, e.g. "dB". n_seeds: trainings behind it.
    """

    name: str
    interval: Interval
    over_seeds: Interval | None
    n_seeds: int
    n_images: int
    target: float = 0.0
    unit: str = "dB"

    @property
    def verdict(self) -> Verdict:
        """As `verdict_of`."""
        return verdict_of(self.interval, self.target, self.over_seeds)

    @property
    def text(self) -> str:
        """The number with its interval."""
        i, unit = self.interval, f" {self.unit}" if self.unit else ""
        return f"{i.mean:+.2f}{unit} [{i.lower:+.2f}, {i.upper:+.2f}]"


@dataclass(frozen=True, kw_only=True)
class Exact:
    """A number without chance in it, such as the error of an identity: the claim wants it at or below `bound`."""

    name: str
    value: float
    bound: float

    @property
    def verdict(self) -> Verdict:
        """Supported or not; there is nothing in between."""
        return "supported" if self.value <= self.bound else "not supported"

    @property
    def text(self) -> str:
        """On which side of its bound it lies: its digits below the bound may differ between machines."""
        if self.verdict == "supported":
            return f"at most {self.bound:.0e}" if self.bound else "exactly 0"
        return f"{self.value:.1e}, above {self.bound:.0e}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim with its evidence. words: those of the source. command: what makes the evidence anew."""

    number: str
    words: str
    evidence: tuple[Evidence | Exact, ...]
    command: str

    @property
    def n_seeds(self) -> int:
        """The most trainings behind any measured number; 0 where none is needed."""
        return max((e.n_seeds for e in self.evidence if isinstance(e, Evidence)), default=0)

    @property
    def verdict(self) -> Verdict:
        """As `judge`."""
        return judge(self.evidence)

    def count(self, verdict: Verdict) -> int:
        """How many numbers have this verdict."""
        return sum(e.verdict == verdict for e in self.evidence)

    @property
    def sentence(self) -> str:
        """The verdict and what it rests on, as Markdown: how the numbers voted, and up to six of them in full.

        Names of equal numbers, such as several that are exactly 0, stand together.
        """
        if not self.evidence:
            return f"**Claim {self.number}: open.** No run speaks for or against it yet: `{self.command}`."
        votes = ", ".join(f"{n} {v}" for v in get_args(Verdict) if (n := self.count(v)))
        alone = " One training is no answer to a question about a way of training." if self.n_seeds == 1 else ""
        names: dict[str, list[str]] = {}
        for e in self.evidence:
            names.setdefault(f"{e.text} ({e.verdict})", []).append(e.name)
        numbers = [f"{', '.join(own)} {text}" for text, own in names.items()]
        rest = f"; and {len(numbers) - MOST_SHOWN} more" if len(numbers) > MOST_SHOWN else ""
        listed = "; ".join(numbers[:MOST_SHOWN])
        return f"**Claim {self.number}: {self.verdict}.** {votes}.{alone} {listed}{rest}."


def judge(evidence: Sequence[Evidence | Exact]) -> Verdict:
    """The verdict on a claim that wants all of its numbers.

    A claim about a way of training of which one training was seen is open, whatever its interval. Otherwise: the
    verdict that all numbers share; where they differ, partly if any speaks for the claim, not supported if none does
    and some speak against it. A claim without any evidence is open.
    """
    seeds = [e.n_seeds for e in evidence if isinstance(e, Evidence)]
    if not evidence or (seeds and max(seeds) < 2):
        return "open"
    found = {e.verdict for e in evidence}
    if len(found) == 1:
        return found.pop()
    return "partly" if found & {"supported", "partly"} else "not supported"


def ledger_markdown(claims: Sequence[Claim]) -> str:
    """The claims as a Markdown table: words, how the numbers voted, verdict, command."""
    lines = ["| | claim | numbers for it | trainings | verdict | made anew by |", "|---|---|---|---|---|---|"]
    for claim in claims:
        votes = f"{claim.count('supported') + claim.count('partly')} of {len(claim.evidence)}"
        seeds = str(claim.n_seeds) if claim.n_seeds or not claim.evidence else "none needed"
        verdict = f"**{claim.verdict}**"
        lines.append(f"| {claim.number} | {claim.words} | {votes} | {seeds} | {verdict} | `{claim.command}` |")
    return "\n".join(lines)

"""Boundaries from several sources, each with its own precision, to one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_AGREEING = 3.0
"""Standard deviations of their distance up to which two votes tell of one boundary."""
_DISSENT = 0.5
"""How much a vote for another place takes away, against what it would give to its own."""


@dataclass(frozen=True)
class Vote:
    """Where one source sees a boundary."""

    source: str
    seconds: float
    sigma: float
    """Standard deviation of the source's error where it is right, in seconds."""
    trust: float
    """How probable it is that the source is right at all, 0..1."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.sigma > 0 and 0 <= self.trust <= 1):
            raise ValueError(
                f"a vote has finite seconds, sigma > 0 and trust in 0..1, got {self.seconds}, "
                f"{self.sigma}, {self.trust}"
            )

    def agrees(self, other: Vote) -> bool:
        """Whether both may tell of one boundary."""
        reach = _AGREEING * math.hypot(self.sigma, other.sigma)
        return abs(self.seconds - other.seconds) <= reach


@dataclass(frozen=True)
class Fused:
    """One boundary."""

    seconds: float
    confidence: float
    """Probability that it is right, if the sources err independently, 0..1."""
    agreed: tuple[str, ...]
    """The sources that back it, the most precise first."""
    outvoted: tuple[str, ...] = ()


def fuse_votes(votes: Sequence[Vote]) -> Fused:
    """The place that the sources make most probable, by the precise ones among those that agree.

    Each vote in turn is taken for the truth; those that agree with it say it together
    (1 - Π(1 - trust)), those that do not take half of their trust away. The position is the mean of
    the agreeing votes, weighted by trust / sigma². Ties go to the more precise vote, then to the
    earlier one.

    Raises:
        ValueError: for no votes.
    """
    if not votes:
        raise ValueError("fusing needs one or more votes")
    ranked = sorted(votes, key=lambda vote: (vote.sigma, vote.seconds, vote.source, vote.trust))
    best = max(ranked, key=lambda vote: _believed(vote, ranked))
    agreed = [vote for vote in ranked if vote.agrees(best)]
    weights = [max(vote.trust, 1e-6) / vote.sigma**2 for vote in agreed]
    seconds = math.fsum(
        weight * vote.seconds for weight, vote in zip(weights, agreed, strict=True)
    ) / math.fsum(weights)
    return Fused(
        seconds,
        _believed(best, ranked),
        tuple(vote.source for vote in agreed),
        tuple(vote.source for vote in ranked if not vote.agrees(best)),
    )


def _believed(place: Vote, votes: Sequence[Vote]) -> float:
    doubt, dissent = 1.0, 1.0
    for vote in votes:
        if vote.agrees(place):
            doubt *= 1 - vote.trust
        else:
            dissent *= 1 - _DISSENT * vote.trust
    return (1 - doubt) * dissent

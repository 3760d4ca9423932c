"""Fuse one boundary from several sources, each with its own precision and trust."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_AGREEING = 3.0
"""Standard deviations of their difference up to which two votes mean the same boundary."""
_DISSENT = 0.5
"""Share of its trust that a vote for another place takes away from this one."""


@dataclass(frozen=True)
class Vote:
    """The place of a boundary as one source sees it."""

    source: str
    seconds: float
    sigma: float
    """Standard deviation of the source's error in seconds, if it is right."""
    trust: float
    """Probability that the source is right at all, 0..1."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.sigma > 0 and 0 <= self.trust <= 1):
            raise ValueError(
                f"a vote has finite seconds, sigma > 0 and trust in 0..1, got {self.seconds}, "
                f"{self.sigma}, {self.trust}"
            )

    def agrees(self, other: Vote) -> bool:
        """Return whether both votes can mean the same boundary."""
        reach = _AGREEING * math.hypot(self.sigma, other.sigma)
        return abs(self.seconds - other.seconds) <= reach


@dataclass(frozen=True)
class Fused:
    """One fused boundary."""

    seconds: float
    confidence: float
    """Probability that it is right, if the sources err independently, 0..1."""
    agreed: tuple[str, ...]
    """The sources that support it, each once, the most precise first."""
    outvoted: tuple[str, ...] = ()
    """The sources that see the boundary elsewhere, each once."""


def fuse_votes(votes: Sequence[Vote]) -> Fused:
    """Fuse votes for one boundary: the place that the sources together make most probable.

    Each vote in turn is taken as the truth. The sources that agree with it support it together
    (1 - Π(1 - trust)); each source that disagrees takes away up to half, by its trust. The place
    with the highest result wins. Its position is the mean of the agreeing votes, weighted by
    trust / sigma² (inverse-variance weighting). Ties go to the more precise vote, then to the
    earlier one.

    A source counts once, however many votes it has: two votes of one source are not independent
    (two windows over the same seconds, one network in two checkpoints), so only its most trusted
    vote supports a place and only its most trusted one opposes it. In the mean they share the
    weight of that vote.

    Raises:
        ValueError: for no votes.
    """
    if not votes:
        raise ValueError("fusing needs one or more votes")
    ranked = sorted(votes, key=lambda vote: (vote.sigma, vote.seconds, vote.source, vote.trust))
    best = max(ranked, key=lambda vote: _belief(vote, ranked))
    agreed = [vote for vote in ranked if vote.agrees(best)]
    weights = _weights(agreed)
    seconds = math.fsum(
        weight * vote.seconds for weight, vote in zip(weights, agreed, strict=True)
    ) / math.fsum(weights)
    return Fused(
        seconds,
        _belief(best, ranked),
        tuple(dict.fromkeys(vote.source for vote in agreed)),
        tuple(dict.fromkeys(vote.source for vote in ranked if not vote.agrees(best))),
    )


def _belief(place: Vote, votes: Sequence[Vote]) -> float:
    """Return the probability of ``place``: sources for it, lowered by the sources against it."""
    supporting: dict[str, float] = {}
    opposing: dict[str, float] = {}
    for vote in votes:
        side = supporting if vote.agrees(place) else opposing
        side[vote.source] = max(side.get(vote.source, 0.0), vote.trust)
    doubt = math.prod(1 - trust for _, trust in sorted(supporting.items()))
    dissent = math.prod(1 - _DISSENT * trust for _, trust in sorted(opposing.items()))
    return (1 - doubt) * dissent


def _weights(votes: Sequence[Vote]) -> list[float]:
    """The weight of each vote in the mean; the votes of one source add up to its heaviest."""
    # Trust 0 still places a boundary that nobody else knows.
    single = [max(vote.trust, 1e-6) / vote.sigma**2 for vote in votes]
    heaviest: dict[str, float] = {}
    total: dict[str, float] = {}
    for vote, weight in zip(votes, single, strict=True):
        heaviest[vote.source] = max(heaviest.get(vote.source, 0.0), weight)
        total[vote.source] = total.get(vote.source, 0.0) + weight
    return [
        weight * heaviest[vote.source] / total[vote.source]
        for vote, weight in zip(votes, single, strict=True)
    ]

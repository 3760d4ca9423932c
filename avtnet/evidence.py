"""Fuse candidates from several sources into the segments of an episode.

1. Candidates that mean the same stretch form a group (:func:`_grouped`).
2. In each group the starts are fused, and the ends, by :func:`ensemble.sources.fuse_votes`.
3. Of segments that overlap, the one with the higher confidence stays (:func:`_apart`).

Evidence of one source over the same seconds counts once: two candidates of one source are not
independent, so they never make each other surer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from clipping.segments import Role, Segment
from ensemble.sources import Fused, Vote, fuse_votes

SAME_STRETCH = 0.3
"""Smallest overlap over union of two candidates that mean the same stretch."""
_ONE_OF_A_KIND: frozenset[Role] = frozenset({"opening", "ending"})
"""Roles that an episode has once, so that one elsewhere speaks against one here."""
_LEAST_SECONDS = 1.0
"""Seconds of the shortest segment."""
NETWORKS = "networks"
"""Name of the source of all networks; they see the same features, so they are one source."""
_TRIMMED = 2.0
"""Seconds of the largest overlap of two segments that is cut off; with more, one is dropped."""


@dataclass(frozen=True)
class Candidate:
    """A stretch of an episode and the role that one source gives it."""

    source: str
    role: Role
    start: float | None
    """Seconds; None if the source knows only the other end."""
    end: float | None
    sigma: float
    """Standard deviation of its ends in seconds, if it is right."""
    trust: float
    """Probability that it is right, 0..1."""
    reasons: tuple[str, ...] = ()
    assumed: str = ""
    """Sentence for the user: the time that is used for the unknown end."""
    settled: bool = False
    """True if a person said so: no other source counts then."""

    def overlap(self, other: Candidate) -> float:
        """Return overlap over union, 0..1; 0 if an end of either is unknown."""
        if None in (self.start, self.end, other.start, other.end):
            return 0.0
        assert self.start is not None
        assert self.end is not None
        assert other.start is not None
        assert other.end is not None
        common = max(0.0, min(self.end, other.end) - max(self.start, other.start))
        union = self.end - self.start + other.end - other.start - common
        return common / union if union > 0 else 0.0


@dataclass
class _Group:
    """Candidates that mean the same stretch."""

    members: list[Candidate]
    against: list[Candidate] = field(default_factory=list)
    """Candidates that see the same role elsewhere."""

    @property
    def leader(self) -> Candidate:
        return max(self.members, key=lambda each: (each.settled, each.trust, -each.sigma))

    @property
    def role(self) -> Role:
        """The role with the highest sum of trust, in which each source counts once."""
        if self.leader.settled:
            return self.leader.role
        trust: dict[Role, dict[str, float]] = {}
        for member in self.members:
            of_source = trust.setdefault(member.role, {})
            of_source[member.source] = max(of_source.get(member.source, 0.0), member.trust)
        return max(trust, key=lambda role: sum(trust[role].values()))

    @property
    def speakers(self) -> list[Candidate]:
        """Return the members whose reasons are shown: each source's most trusted at each end."""
        chosen: list[Candidate] = []
        for source in dict.fromkeys(member.source for member in self.members):
            own = [member for member in self.members if member.source == source]
            for side in ("start", "end"):
                known = [member for member in own if getattr(member, side) is not None]
                chosen += sorted(known, key=lambda each: -each.trust)[:1]
        return [member for member in self.members if any(member is each for each in chosen)]


def fuse_candidates(
    candidates: Sequence[Candidate],
    duration: float,
    *,
    min_confidence: float,
    denied: frozenset[str] = frozenset(),
) -> tuple[Segment, ...]:
    """Return the segments that the candidates make probable, in order of time.

    Candidates that mean the same stretch (by their overlap, or by the one end that they know) are
    fused end by end with :func:`ensemble.sources.fuse_votes`; a source that sees an opening or an
    ending elsewhere lowers the confidence. A source counts once in a segment, however many
    candidates it has there. Of two segments that overlap, the one with more confidence stays.

    Args:
        duration: of the file in seconds.
        min_confidence: segments with less are left out, 0..1.
        denied: roles that are taken from a person's corrections only.
    """
    segments = []
    for group in _grouped(candidates):
        if group.role in denied and not group.leader.settled:
            continue
        segment = _segment(group, duration)
        if segment is not None and (segment.score or 0.0) >= min_confidence:
            segments.append(segment)
    return _apart(segments)


def _grouped(candidates: Sequence[Candidate]) -> list[_Group]:
    """Return groups of candidates that mean the same stretch.

    Candidates with both ends known come first, the most precise leading: each joins the group
    whose leader it overlaps most, or opens a new group. Then each candidate with one known end
    joins the first group of its role whose end it matches; if none matches, it speaks against all
    groups of its role.
    """
    ordered = sorted(candidates, key=_rank)
    whole = [each for each in ordered if None not in (each.start, each.end)]
    halves = [each for each in ordered if None in (each.start, each.end)]
    groups: list[_Group] = []
    for candidate in whole:
        best = max(groups, key=lambda group: group.leader.overlap(candidate), default=None)
        if best is not None and best.leader.overlap(candidate) >= SAME_STRETCH:
            best.members.append(candidate)
        else:
            groups.append(_Group([candidate]))
    for half in halves:
        of_role = [group for group in groups if group.role == half.role]
        agreeing = [group for group in of_role if _fits(group.leader, half)]
        if agreeing:
            agreeing[0].members.append(half)
        elif not of_role:
            groups.append(_Group([half]))
        else:
            for group in of_role:
                group.against.append(half)
    return groups


def _rank(each: Candidate) -> tuple[object, ...]:
    """Return a key of a total order: the result does not depend on the order of the inputs."""
    start = -1.0 if each.start is None else each.start
    end = -1.0 if each.end is None else each.end
    texts = (each.role, each.source, each.reasons, each.assumed)
    return not each.settled, each.sigma, -each.trust, start, end, *texts


def _fits(leader: Candidate, half: Candidate) -> bool:
    """Return whether the one end that ``half`` knows agrees with the leader's."""
    for known, own in ((half.start, leader.start), (half.end, leader.end)):
        if known is not None and own is not None:
            vote = Vote(half.source, known, half.sigma, half.trust)
            return vote.agrees(Vote(leader.source, own, leader.sigma, leader.trust))
    return False


def _segment(group: _Group, duration: float) -> Segment | None:
    """Fuse one group into a segment; None if less than _LEAST_SECONDS are left of it."""
    leader = group.leader
    if leader.settled:
        assert leader.start is not None
        assert leader.end is not None
        end = min(leader.end, duration) if duration else leader.end
        if end - leader.start <= 0:
            return None
        return Segment(leader.start, end, leader.role, 1.0, leader.reasons)
    starts = _fused(group, "start")
    ends = _fused(group, "end")
    start = 0.0 if starts is None else max(0.0, starts.seconds)
    end = duration if ends is None else min(duration, ends.seconds)
    if end - start < _LEAST_SECONDS:
        return None
    # A segment is right if both of its ends are, so the weaker one decides. (Not their product:
    # the ends come from the same sources, so their errors are not independent.)
    known = [fused.confidence for fused in (starts, ends) if fused is not None]
    confidence = min(known) * _against(group)
    reasons = list(dict.fromkeys(reason for each in group.speakers for reason in each.reasons))
    if starts is None or ends is None:
        reasons += dict.fromkeys(member.assumed for member in group.members if member.assumed)
    for fused, side in ((starts, "start"), (ends, "end")):
        if fused is not None and fused.outvoted:
            reasons.append(f"another {side} by {', '.join(fused.outvoted)}: outvoted")
    if group.against:
        sources = ", ".join(sorted({each.source for each in group.against}))
        reasons.append(f"elsewhere by {sources}: outvoted")
    return Segment(round(start, 3), round(end, 3), group.role, round(confidence, 3), tuple(reasons))


def _fused(group: _Group, side: str) -> Fused | None:
    """Fuse the starts or the ends of a group; None if no member knows one."""
    votes = [
        Vote(each.source, seconds, each.sigma, each.trust)
        for each in group.members
        if (seconds := getattr(each, side)) is not None
    ]
    return fuse_votes(votes) if votes else None


def _against(group: _Group) -> float:
    """Return the factor, 0..1, by which sources that see the role elsewhere lower confidence."""
    if group.role not in _ONE_OF_A_KIND:
        return 1.0
    trust: dict[str, float] = {}
    for each in group.against:
        trust[each.source] = max(trust.get(each.source, 0.0), each.trust)
    return math.prod(1 - 0.5 * trust[source] for source in sorted(trust))


def _apart(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Drop or shorten segments so that no two overlap; the one with more confidence stays."""
    kept: list[Segment] = []
    for segment in sorted(segments, key=lambda each: -(each.score or 0.0)):
        start, end = segment.start, segment.end
        for other in kept:
            if segment.overlap(other) > _TRIMMED:
                break
            if segment.overlap(other) > 0:
                start, end = (other.end, end) if start >= other.start else (start, other.start)
        else:
            if end - start >= _LEAST_SECONDS:
                kept.append(replace(segment, start=start, end=end))
    return tuple(sorted(kept, key=lambda each: each.start))

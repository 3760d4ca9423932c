"""What several sources say of an episode → its segments, each with a confidence and its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from clipping.segments import Role, Segment
from ensemble.sources import Fused, Vote, fuse_votes

_SAME = 0.3
"""Overlap over union from which two sources mean the same stretch."""
_ONE_OF_A_KIND: frozenset[Role] = frozenset({"opening", "ending"})
_LEAST_SECONDS = 1.0
NETWORKS = "networks"
"""What they are called as a source."""
_TRIMMED = 2.0
"""Seconds of overlap that are cut off; with more, two segments claim the same."""


@dataclass(frozen=True)
class Candidate:
    """A stretch that one source takes for something."""

    source: str
    role: Role
    start: float | None
    """Seconds; None where the source knows the other end only."""
    end: float | None
    sigma: float
    """Standard deviation of its ends where it is right, in seconds."""
    trust: float
    """How probable it is to be right, 0..1."""
    reasons: tuple[str, ...] = ()
    assumed: str = ""
    """What stands for the end that is not known, in words."""
    settled: bool = False
    """Whether a person said so: nothing else counts then."""

    def overlap(self, other: Candidate) -> float:
        """Overlap over union; 0 where one end of either is unknown."""
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
    """Those that put the same role elsewhere."""

    @property
    def leader(self) -> Candidate:
        return max(self.members, key=lambda each: (each.settled, each.trust, -each.sigma))

    @property
    def role(self) -> Role:
        """The role that its members trust most in."""
        if self.leader.settled:
            return self.leader.role
        trust: dict[Role, float] = {}
        for member in self.members:
            trust[member.role] = trust.get(member.role, 0.0) + member.trust
        return max(trust, key=lambda role: trust[role])


def fuse_candidates(
    candidates: Sequence[Candidate],
    duration: float,
    *,
    min_confidence: float,
    denied: frozenset[str] = frozenset(),
) -> tuple[Segment, ...]:
    """The segments that the sources make probable, in order of time.

    Sources that mean the same stretch (by their overlap, or by the one end that they know) are
    fused end by end with :func:`ensemble.sources.fuse_votes`; a source that has an opening or an
    ending elsewhere takes confidence away. Where two segments would overlap, the surer one stays.

    Args:
        duration: of the file in seconds.
        min_confidence: below it nothing is said.
        denied: labels of which a person said that there is none.
    """
    ordered = sorted(candidates, key=_rank)
    whole = [each for each in ordered if None not in (each.start, each.end)]
    halves = [each for each in ordered if None in (each.start, each.end)]
    groups: list[_Group] = []
    for candidate in whole:
        best = max(groups, key=lambda group: group.leader.overlap(candidate), default=None)
        if best is not None and best.leader.overlap(candidate) >= _SAME:
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
    segments = []
    for group in groups:
        if group.role in denied and not group.leader.settled:
            continue
        segment = _segment(group, duration)
        if segment is not None and (segment.score or 0.0) >= min_confidence:
            segments.append(segment)
    return _apart(segments)


def _rank(each: Candidate) -> tuple[object, ...]:
    """Complete, so that it does not matter who spoke first."""
    start = -1.0 if each.start is None else each.start
    end = -1.0 if each.end is None else each.end
    said = (each.role, each.source, each.reasons, each.assumed)
    return not each.settled, each.sigma, -each.trust, start, end, *said


def _fits(leader: Candidate, half: Candidate) -> bool:
    for known, own in ((half.start, leader.start), (half.end, leader.end)):
        if known is not None and own is not None:
            vote = Vote(half.source, known, half.sigma, half.trust)
            return vote.agrees(Vote(leader.source, own, leader.sigma, leader.trust))
    return False


def _segment(group: _Group, duration: float) -> Segment | None:
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
    known = [fused.confidence for fused in (starts, ends) if fused is not None]
    confidence = min(known) * _against(group)
    reasons = [reason for member in group.members for reason in member.reasons]
    if starts is None or ends is None:
        reasons += dict.fromkeys(member.assumed for member in group.members if member.assumed)
    for fused, what in ((starts, "start"), (ends, "end")):
        if fused is not None and fused.outvoted:
            reasons.append(f"another {what} by {', '.join(fused.outvoted)}: outvoted")
    if group.against:
        told = ", ".join(sorted({each.source for each in group.against}))
        reasons.append(f"elsewhere by {told}: outvoted")
    return Segment(round(start, 3), round(end, 3), group.role, round(confidence, 3), tuple(reasons))


def _fused(group: _Group, side: str) -> Fused | None:
    votes = [
        Vote(each.source, seconds, each.sigma, each.trust)
        for each in group.members
        if (seconds := getattr(each, side)) is not None
    ]
    return fuse_votes(votes) if votes else None


def _against(group: _Group) -> float:
    """What sources take away that put the same role elsewhere."""
    share = 1.0
    if group.role in _ONE_OF_A_KIND:
        for each in group.against:
            share *= 1 - 0.5 * each.trust
    return share


def _apart(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """No two over the same seconds: the surer one stays, and a little overlap is cut off."""
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

"""Move the ends of openings and endings to a change of the picture that the episodes agree on.

Sound gives an end to a few milliseconds, but a viewer sees the cut: a song often begins a little
behind its first picture, or dies away before its last one. A single cut nearby may be chance; the
same cut at the same moment of the song in most episodes is the song's own.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from avtnet.season.cached import cached
from avtnet.season.repetition import Repetition
from avtnet.season.roles import Claim
from clipping.errors import ClippingError
from clipping.kept.cache import Cache
from clipping.media.shots import changes

OUTWARD, INWARD = 0.5, 0.12
"""Most seconds that an end is moved away from the song, and into it. The sound proves that the song
plays up to the end, so a cut inside is seldom the song's end."""
_NEAR_SPEECH = 1.2
"""Most seconds, either way, that an end is moved that speech over the song decided: speech shows it
only to about a second."""
_SAMPLED = 5
"""Most occurrences of an identity whose pictures are decoded."""
_SAME_CHANGE = 0.07
"""Seconds within which two episodes' changes are the same: a frame at 24 per second and some
rounding."""
_NEAR = 0.02
"""Seconds that are too few for a move, and that count as the file's own start or end."""

Side = Literal["start", "end"]


@dataclass(frozen=True)
class _End:
    """One end of a claim."""

    claim: Claim
    side: Side
    at: float
    """Seconds of the file at which the claim ends."""
    anchor: float
    """Seconds of the file at which the repeated sound ends: the same moment of the song in all
    occurrences."""

    @property
    def by_speech(self) -> bool:
        """True if speech over the song moved this end away from the end of the sound."""
        return abs(self.at - self.anchor) > _NEAR


def snap_ends(claims: Sequence[Claim], repetition: Repetition, cache: Cache) -> list[Claim]:
    """Return the claims with their ends moved to the change of the picture that most have there.

    The moment of the song at which the picture changes is looked for in up to five episodes. If
    more than half of them, and at least two, have the same one (to 0.07 s), the ends of all
    occurrences of the identity are moved to it.
    """
    groups: dict[tuple[int, str, Side, bool], list[_End]] = defaultdict(list)
    for claim in claims:
        if claim.occurrence.by == "sound":
            for side in _SIDES:
                end = _end(claim, side)
                groups[claim.identity, claim.role, side, end.by_speech].append(end)
    moves: dict[tuple[int, Side], tuple[float, float]] = {}
    for ends in groups.values():
        moment = _moment(ends, repetition, cache)
        if moment is not None:
            for end in ends:
                moves[id(end.claim), end.side] = end.at, end.anchor + moment
    return [_moved(claim, moves, repetition) for claim in claims]


_SIDES: tuple[Side, ...] = ("start", "end")


def _end(claim: Claim, side: Side) -> _End:
    """One end of a claim, with the end of the repeated sound on that side."""
    own, whole = claim.place, claim.occurrence.place
    if side == "start":
        return _End(claim, side, own.start, whole.start)
    return _End(claim, side, own.end, whole.end)


def _moment(ends: Sequence[_End], repetition: Repetition, cache: Cache) -> float | None:
    """Return seconds from the anchors to the change of the picture that most episodes have.

    None if no change is backed by more than half of the sampled episodes, and by two at least. Of
    several the one nearest to the present ends is returned.
    """
    spread = np.linspace(0, len(ends) - 1, min(_SAMPLED, len(ends))).round().astype(int)
    found: list[list[float]] = []
    for end in (ends[number] for number in dict.fromkeys(spread.tolist())):
        file = end.claim.place.file
        low, high = _reach(end)
        limit = repetition.durations[file]
        if end.at <= _NEAR or end.at >= limit - _NEAR:
            continue  # the file's own end
        begin, until = round(max(0.0, end.at - low), 3), round(min(limit, end.at + high), 3)
        try:
            near = _changes(repetition.paths[file], begin, until, cache)
        except ClippingError:
            continue
        found.append([time - end.anchor for time in near])
    # All times are now relative to the same moment of the song (the anchor), so that a change in
    # one episode can be compared with those in the others. Each change is a proposal, the nearest
    # one to the usual end first; it wins if most episodes change there as well.
    usual = statistics.median(end.at - end.anchor for end in ends)
    ranked = sorted((abs(each - usual), each) for moments in found for each in moments)
    for _, moment in ranked:
        same = [
            min(moments, key=lambda each: abs(each - moment))
            for moments in found
            if any(abs(each - moment) <= _SAME_CHANGE for each in moments)
        ]
        if len(same) >= 2 and 2 * len(same) > len(found):
            return statistics.median(same)
    return None


def _changes(path: Path, begin: float, until: float, cache: Cache) -> list[float]:
    """Return the times, in seconds, at which the picture changes between two times of a file."""

    def found() -> list[float]:
        return [change.time for change in changes(path, begin, until)]

    times = cached(cache, [path], "changes", [begin, until], found)
    return [float(time) for time in times]


def _reach(end: _End) -> tuple[float, float]:
    """Return the most seconds that an end may be moved earlier, and later."""
    if end.by_speech:
        return _NEAR_SPEECH, _NEAR_SPEECH
    return (OUTWARD, INWARD) if end.side == "start" else (INWARD, OUTWARD)


def _moved(
    claim: Claim, moves: Mapping[tuple[int, Side], tuple[float, float]], repetition: Repetition
) -> Claim:
    """Return the claim with its own moves applied, inside the file, and a reason for each."""
    start, end = claim.place.start, claim.place.end
    reasons = list(claim.reasons)
    for side in _SIDES:
        before, to = moves.get((id(claim), side), (0.0, 0.0))
        to = min(max(0.0, to), repetition.durations[claim.place.file])
        if abs(to - before) < _NEAR:
            continue
        start, end = (to, end) if side == "start" else (start, to)
        reasons.append(f"its {side} moved by {to - before:+.2f} s to the change of the picture")
    if end <= start:
        return claim
    place = dataclasses.replace(claim.place, start=start, end=end)
    return dataclasses.replace(claim, place=place, reasons=tuple(reasons))

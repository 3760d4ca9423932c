"""Ends on a change of the picture, where the episodes agree on one."""

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
"""Seconds that an end is moved at most: the sound itself says that it goes on inside."""
_ABOUT_TALK = 1.2
"""The same, either way, about an end that was found by where talk begins or ends."""
_SAMPLED = 5
"""Occurrences of an identity whose pictures are looked at."""
_LIKE = 0.07
"""Seconds within which their changes agree: a frame at 24 per second, and a little."""
_NEAR = 0.02
"""Seconds not worth a move, and from a file's end."""

Side = Literal["start", "end"]


@dataclass(frozen=True)
class _End:
    """One end of a claim."""

    claim: Claim
    side: Side
    at: float
    anchor: float
    """The end of the song itself there: the same moment of it in all its occurrences."""

    @property
    def by_talk(self) -> bool:
        return abs(self.at - self.anchor) > _NEAR


def snap(claims: Sequence[Claim], repetition: Repetition, cache: Cache) -> list[Claim]:
    """The claims, their ends moved to the change of the picture that all have there.

    A song may begin softly a little behind its picture, or die away before it. The moment of the
    song at which the picture changes is looked for in up to five episodes; where most have the
    same one (to 0.07 s, two at least), all ends of the identity are moved to it.
    """
    groups: dict[tuple[int, str, Side, bool], list[_End]] = defaultdict(list)
    for claim in claims:
        if claim.occurrence.by == "sound":
            for side in _SIDES:
                end = _end(claim, side)
                groups[claim.identity, claim.role, side, end.by_talk].append(end)
    moves: dict[tuple[int, Side], tuple[float, float]] = {}
    for ends in groups.values():
        moment = _moment(ends, repetition, cache)
        if moment is not None:
            for end in ends:
                moves[id(end.claim), end.side] = end.at, end.anchor + moment
    return [_moved(claim, moves, repetition) for claim in claims]


_SIDES: tuple[Side, ...] = ("start", "end")


def _end(claim: Claim, side: Side) -> _End:
    own, whole = claim.place, claim.occurrence.place
    if side == "start":
        return _End(claim, side, own.start, whole.start)
    return _End(claim, side, own.end, whole.end)


def _moment(ends: Sequence[_End], repetition: Repetition, cache: Cache) -> float | None:
    """Seconds from the anchors to the change of the picture that most episodes have there."""
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
    usual = statistics.median(end.at - end.anchor for end in ends)
    ranked = sorted((abs(each - usual), each) for moments in found for each in moments)
    for _, moment in ranked:
        backed = [
            min(moments, key=lambda each: abs(each - moment))
            for moments in found
            if any(abs(each - moment) <= _LIKE for each in moments)
        ]
        if len(backed) >= 2 and 2 * len(backed) > len(found):
            return statistics.median(backed)
    return None


def _changes(path: Path, begin: float, until: float, cache: Cache) -> list[float]:
    """When the picture changes between two times."""

    def looked() -> list[float]:
        return [change.time for change in changes(path, begin, until)]

    times = cached(cache, [path], "changes", [begin, until], looked)
    return [float(time) for time in times]


def _reach(end: _End) -> tuple[float, float]:
    """Seconds before and behind an end within which it may be moved."""
    if end.by_talk:
        return _ABOUT_TALK, _ABOUT_TALK
    return (OUTWARD, INWARD) if end.side == "start" else (INWARD, OUTWARD)


def _moved(
    claim: Claim, moves: Mapping[tuple[int, Side], tuple[float, float]], repetition: Repetition
) -> Claim:
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

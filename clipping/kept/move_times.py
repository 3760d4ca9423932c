"""Times of another cut of an episode, put where they belong in this one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from clipping.errors import ClippingError
from clipping.kept.theme_file import Theme
from clipping.kept.themes import find_themes
from clipping.repeats.file_fingerprint import FileFingerprint, SharedSettings
from clipping.repeats.shared import Shared, compare
from clipping.segments import Segment, Timeline

_REACH = 2.0
"""Seconds that an end may lie outside what two releases share: a logo, a moment of black."""
_LEAST_SHARED = 0.5
"""Of a segment that must be in both releases."""
_LEAST_ELSEWHERE = 0.8
"""The same of one that is out of the episode's order."""
_MOST_LONGER = 1.5
"""Times its length that a segment may have here: more was cut in, and that is not to be skipped."""
_OVERLAP = 1.0
"""Seconds by which two stretches that follow each other may overlap: their ends are not exact."""
_SAME_LENGTH = 5.0
"""Seconds by which a segment and the theme that it is may differ: whoever wrote times of another
cut stopped the clock by hand."""


@dataclass(frozen=True)
class Moved:
    """The segments at their new times, and what became of the others."""

    timeline: Timeline
    left_out: tuple[str, ...]
    """A line for each segment that is not in this cut, or not known to be."""


def move_times(
    timeline: Timeline,
    fingerprint: FileFingerprint,
    *,
    other: FileFingerprint | None = None,
    themes: Sequence[Theme] = (),
    settings: SharedSettings | None = None,
) -> Moved:
    """Move the segments of another cut to this file.

    With the other release at hand, by all that the two share: each end with the offset that the
    cuts have there, so what was cut in before it, and inside, is allowed for. Without it, by
    themes: a segment becomes the theme of its role and about its length that is found here.

    Args:
        timeline: in seconds of the other cut.
        fingerprint: of this file.
        other: prints of the other release.
        themes: those of the library, used where there is no ``other``.

    Raises:
        ClippingError: where neither is given, or a file can no longer be read.
    """
    settings = settings or SharedSettings()
    if other is not None:
        shared = compare(other, fingerprint, settings)
        longest = sorted(shared, key=lambda each: -each.a.segment.duration)
        # What is not where the episode's order would have it may still be elsewhere.
        chains = [_chain(shared), *([each] for each in longest)]
        by = f"moved by what is shared with {other.path.name}"
        tried = [
            (each, _by_release(each, chains, fingerprint.duration)) for each in timeline.segments
        ]
    elif themes:
        by = "moved to the theme found here"
        tried = _by_themes(timeline.segments, fingerprint, themes, settings)
    else:
        raise ClippingError(
            f"{fingerprint.path}: times are moved by the release that they are of, or by themes, "
            "and there is neither"
        )
    moved, left_out = [], []
    for segment, now in tried:
        if isinstance(now, str):
            left_out.append(f"{segment}: left out: {now}")
            continue
        shift = f"{by}: {now.start - segment.start:+.3f} s, {now.end - segment.end:+.3f} s"
        evidence = (*segment.evidence, shift)
        moved.append(replace(segment, start=now.start, end=now.end, evidence=evidence))
    placed = Timeline(str(fingerprint.path), fingerprint.duration, tuple(moved))
    return Moved(placed, tuple(left_out))


def _by_release(
    segment: Segment, chains: Iterable[Sequence[Shared]], duration: float
) -> Segment | str:
    """The segment in this file, or why there is none."""
    for number, chain in enumerate(chains):
        least = _LEAST_ELSEWHERE if number else _LEAST_SHARED
        inside = [each for each in chain if segment.overlap(each.a.segment) > 0]
        covered = sum(segment.overlap(each.a.segment) for each in inside)
        if covered < least * segment.duration:
            continue
        first = min(inside, key=lambda each: (each.a.segment.start, -each.a.segment.duration))
        last = max(inside, key=lambda each: (each.a.segment.end, each.a.segment.duration))
        # An end outside what is shared must not reach into what comes before it, or behind it.
        before = [each.b.segment.end for each in chain if each.b.segment.end <= _middle(first)]
        behind = [each.b.segment.start for each in chain if each.b.segment.start >= _middle(last)]
        start = max(0.0, *before, _at(segment.start, first))
        end = min(duration, *behind, _at(segment.end, last))
        if least * segment.duration <= end - start <= _MOST_LONGER * segment.duration:
            return Segment(start, end)
    return "not half of it is in this file, or with much between its parts"


def _middle(shared: Shared) -> float:
    return (shared.b.segment.start + shared.b.segment.end) / 2


def _at(time: float, shared: Shared) -> float:
    """A time of the other cut in this one, by a stretch that the segment has to do with.

    Up to ``_REACH`` outside the stretch it is the same way outside; what lies further out was cut
    off, and the stretch's own end is the answer.
    """
    a, b = shared.a.segment, shared.b.segment
    if time <= a.start:
        return b.start - (a.start - time if a.start - time <= _REACH else 0.0)
    if time >= a.end:
        return b.end + (time - a.end if time - a.end <= _REACH else 0.0)
    # Not one offset: the clocks of two releases may run apart a little.
    return b.start + (time - a.start) * b.duration / a.duration


def _chain(shared: Sequence[Shared]) -> list[Shared]:
    """The stretches that lie in the same order in both, of these the most seconds: the episode
    itself, without an opening's likeness to the ending of the same song."""
    ordered = sorted(shared, key=lambda each: each.a.segment.start)
    best: list[tuple[float, list[Shared]]] = []
    for each in ordered:
        before = [
            (seconds, chain)
            for seconds, chain in best
            if chain[-1].a.segment.end <= each.a.segment.start + _OVERLAP
            and chain[-1].b.segment.end <= each.b.segment.start + _OVERLAP
        ]
        seconds, chain = max(before, key=lambda item: item[0], default=(0.0, []))
        best.append((seconds + each.a.segment.duration, [*chain, each]))
    return max(best, key=lambda item: item[0], default=(0.0, []))[1]


def _by_themes(
    segments: Sequence[Segment],
    fingerprint: FileFingerprint,
    themes: Sequence[Theme],
    settings: SharedSettings,
) -> list[tuple[Segment, Segment | str]]:
    """Each segment, and the theme found here that it is, or why it is none."""
    found = find_themes(fingerprint, themes, settings)
    tried: list[tuple[Segment, Segment | str]] = []
    for segment in segments:
        alike = [
            each
            for each in found
            if segment.label in (each.theme.role, "mixed")
            and abs(each.theme.duration - segment.duration) <= _SAME_LENGTH
        ]
        if not alike:
            reason = f"no {segment.label} of about its length is among the themes found here"
            tried.append((segment, reason))
            continue
        near = min(alike, key=lambda each: abs(each.start - segment.start))
        tried.append((segment, Segment(near.start, near.end)))
    return tried

"""Convert times of another release of an episode to this one, which may be cut differently."""

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
"""Most seconds that an end may lie outside a stretch that both releases share: a logo, black."""
_LEAST_SHARED = 0.5
"""Smallest share of a segment that must be in both releases."""
_LEAST_ELSEWHERE = 0.8
"""The same for a segment that is elsewhere than the episode's order would have it."""
_MOST_LONGER = 1.5
"""Largest ratio of a segment's new length to its old one: a longer one has story cut into it."""
_OVERLAP = 1.0
"""Most seconds by which two consecutive stretches may overlap, because their ends are not exact."""
_SAME_LENGTH = 5.0
"""Largest difference in seconds between a segment and its theme: times in databases are mostly
stopped by hand."""


@dataclass(frozen=True)
class Moved:
    """The segments at their new times, and the reasons for those left out."""

    timeline: Timeline
    left_out: tuple[str, ...]
    """A line for each segment that was not found in this release."""


def move_times(
    timeline: Timeline,
    fingerprint: FileFingerprint,
    *,
    other: FileFingerprint | None = None,
    themes: Sequence[Theme] = (),
    settings: SharedSettings | None = None,
) -> Moved:
    """Move the segments of another release to this file.

    With ``other``, each end is moved by the offset of the shared stretch in which it lies, so that
    scenes cut in before it, or inside the segment, are allowed for. Without it, a segment becomes
    the theme of its role, and of about its length, that is found in this file.

    Args:
        timeline: in seconds of the other release.
        fingerprint: of this file.
        other: fingerprint of the other release.
        themes: of the library; used only without ``other``.

    Raises:
        ClippingError: if neither is given, or a file can no longer be read.
    """
    settings = settings or SharedSettings()
    if other is not None:
        shared = compare(other, fingerprint, settings)
        longest = sorted(shared, key=lambda each: -each.a.segment.duration)
        # First the stretches in the episode's order; a segment that they miss (an opening moved
        # behind the prologue) may still be in a stretch of its own.
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
    """Return the segment in this file, or the reason why it is left out."""
    for number, chain in enumerate(chains):
        least = _LEAST_ELSEWHERE if number else _LEAST_SHARED
        inside = [each for each in chain if segment.overlap(each.a.segment) > 0]
        covered = sum(segment.overlap(each.a.segment) for each in inside)
        if covered < least * segment.duration:
            continue
        first = min(inside, key=lambda each: (each.a.segment.start, -each.a.segment.duration))
        last = max(inside, key=lambda each: (each.a.segment.end, each.a.segment.duration))
        # An end outside the shared stretches must not reach into the one before, or the next.
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
    """Convert a time of the other release by one shared stretch.

    Up to ``_REACH`` outside the stretch the distance to its end is kept. A time further out was cut
    off in this release, and becomes the end of the stretch.
    """
    a, b = shared.a.segment, shared.b.segment
    if time <= a.start:
        return b.start - (a.start - time if a.start - time <= _REACH else 0.0)
    if time >= a.end:
        return b.end + (time - a.end if time - a.end <= _REACH else 0.0)
    # Interpolated, because the speeds of two releases may differ a little (25 for 23.976 frames).
    return b.start + (time - a.start) * b.duration / a.duration


def _chain(shared: Sequence[Shared]) -> list[Shared]:
    """Return the stretches in the same order in both releases that cover the most seconds.

    This is the episode itself. It leaves out stretches that cross it, such as an opening that is
    similar to an ending with the same song. Weighted longest increasing subsequence, O(n²).
    """
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
    """Return each segment with the theme that it is in this file, or the reason why it is none."""
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

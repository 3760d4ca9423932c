"""Merge the chapters that a file has with the segments that were found, into one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipping.formats.chapters import Chapter, closed, filled, one_line
from clipping.formats.reading import apart
from clipping.formats.titles import TITLES, role_of
from clipping.segments import Segment

SHORTEST = 1.0
"""Seconds: a rest of a chapter that is shorter than this goes to its neighbour."""
NOTHING = 0.1
"""Seconds: a rest shorter than this before the first chapter or after the last one joins it."""
_SAME = 0.5
"""Smallest overlap of a chapter and a segment that mean the same, as a fraction of the shorter
one."""


def merge(
    existing: Sequence[Chapter],
    found: Sequence[Segment],
    duration: float,
    *,
    replace_roles: bool = False,
) -> list[Chapter]:
    """The chapters of a file with the segments put in. No gaps; new times are whole milliseconds.

    * An existing chapter that means the same as a segment (*OP* for an opening) is kept in place of
      the segment, because somebody set it. With ``replace_roles`` the segment replaces it.
    * A segment cuts every other chapter: it ends where the segment begins, and continues after it
      with the same title. A rest shorter than ``SHORTEST`` is dropped.
    * Gaps are filled with *Prologue*, *Part A*, …, *Epilogue*.

    Args:
        duration: of the file, in seconds.
    """
    old = [each for each in closed(existing, duration) if each.end is not None]
    marks: list[Chapter] = []
    for segment in apart(tuple(found)):
        same = [each for each in old if _means(each, segment)]
        if same and not replace_roles:
            continue
        old = [each for each in old if each not in same]
        start, end = round(segment.start, 3), round(segment.end, 3)
        if start < end:
            title = one_line(TITLES.get(segment.label, segment.label))
            marks.append(Chapter(start, end, title))
    kept = _without_overlap(old)
    for mark in marks:
        kept = [piece for each in kept for piece in _around(each, mark)]
    return filled(_to_the_edges(_joined(kept, marks), duration), duration)


def _means(chapter: Chapter, segment: Segment) -> bool:
    """True if a chapter has the role of a segment and overlaps it enough."""
    role = role_of(chapter.title)
    either = role == "theme" and segment.label in ("opening", "ending")
    span = Segment(chapter.start, chapter.end or chapter.start)
    shorter = min(span.duration, segment.duration)
    return (role == segment.label or either) and span.overlap(segment) >= _SAME * shorter


def _without_overlap(chapters: Sequence[Chapter]) -> list[Chapter]:
    """Nested and overlapping chapters as a flat list: each ends where the next one begins."""
    flat: list[Chapter] = []
    for chapter in sorted(chapters, key=lambda each: (each.start, each.end or 0.0)):
        if flat and flat[-1].start == chapter.start:
            continue
        if flat and flat[-1].end is not None and flat[-1].end > chapter.start:
            flat[-1] = replace(flat[-1], end=chapter.start)
        flat.append(chapter)
    return flat


def _around(chapter: Chapter, mark: Chapter) -> list[Chapter]:
    """The rests of a chapter outside a mark: none, one before it, one after it, or both."""
    assert chapter.end is not None
    assert mark.end is not None
    if chapter.end <= mark.start or chapter.start >= mark.end:
        return [chapter]
    pieces = []
    if mark.start - chapter.start > 0:
        pieces.append(replace(chapter, end=mark.start))
    if chapter.end - mark.end > 0:
        pieces.append(replace(chapter, start=mark.end))
    was_long = chapter.end - chapter.start >= SHORTEST
    return [p for p in pieces if not was_long or (p.end or 0) - p.start >= SHORTEST]


def _joined(kept: Sequence[Chapter], marks: Sequence[Chapter]) -> list[Chapter]:
    """All chapters in order; a short hole goes to an old chapter next to it, never to a mark."""
    ordered = sorted([*kept, *marks], key=lambda each: each.start)
    for index in range(len(ordered) - 1):
        before, after = ordered[index], ordered[index + 1]
        assert before.end is not None
        if 0 < after.start - before.end < SHORTEST:
            if before not in marks:
                ordered[index] = replace(before, end=after.start)
            elif after not in marks:
                ordered[index + 1] = replace(after, start=before.end)
    return ordered


def _to_the_edges(chapters: list[Chapter], duration: float) -> list[Chapter]:
    """Extend the first and last chapter to the ends of the file if they nearly reach them."""
    if chapters and chapters[0].start < NOTHING:
        chapters[0] = replace(chapters[0], start=0.0)
    if chapters and 0 < duration - (chapters[-1].end or 0.0) < NOTHING:
        chapters[-1] = replace(chapters[-1], end=duration)
    return chapters

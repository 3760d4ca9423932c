"""Which chapters a file gets: those it has and the segments that were found, as one list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clipping.formats.chapters import Chapter, closed, filled, one_line
from clipping.formats.reading import apart
from clipping.formats.titles import TITLES, role_of
from clipping.segments import Segment

SHORTEST = 1.0
"""Seconds: what is left of a chapter and shorter than this goes to its neighbour."""
NOTHING = 0.1
"""Seconds: less than this before the first chapter or behind the last one belongs to it."""
_SAME = 0.5
"""Of the shorter one: the overlap from which two are taken for the same opening."""


def merge(
    existing: Sequence[Chapter],
    found: Sequence[Segment],
    duration: float,
    *,
    replace_roles: bool = False,
) -> list[Chapter]:
    """The chapters of a file after segments were put in; no gaps, whole milliseconds for new ones.

    * A chapter that is there and means the same as a segment (*OP* for an opening) wins: somebody
      set it. With ``replace_roles`` the segment wins.
    * A segment wins over every other chapter: that one ends where the segment begins, and goes on
      behind it under the same title. What is left and shorter than ``SHORTEST`` is no chapter.
    * Gaps are filled with *Prologue*, *Part A*, …, *Epilogue*.
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
    """What a mark leaves of a chapter: nothing, a piece before, a piece behind, or both."""
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
    """All in order; a short hole goes to an old chapter beside it, never to a mark."""
    ordered = sorted([*kept, *marks], key=lambda each: each.start)
    for index in range(len(ordered) - 1):
        before, behind = ordered[index], ordered[index + 1]
        assert before.end is not None
        if 0 < behind.start - before.end < SHORTEST:
            if before not in marks:
                ordered[index] = replace(before, end=behind.start)
            elif behind not in marks:
                ordered[index + 1] = replace(behind, start=before.end)
    return ordered


def _to_the_edges(chapters: list[Chapter], duration: float) -> list[Chapter]:
    """The first and last chapter reach the ends of the file where next to nothing is left."""
    if chapters and chapters[0].start < NOTHING:
        chapters[0] = replace(chapters[0], start=0.0)
    if chapters and 0 < duration - (chapters[-1].end or 0.0) < NOTHING:
        chapters[-1] = replace(chapters[-1], end=duration)
    return chapters

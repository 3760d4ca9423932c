"""Turn segments into chapters (titled spans) and chapters into segments.

Chapters cover a file from its start to its end without a gap, because MP4 cannot hold gaps. So the
stretches between segments become chapters too: *Prologue*, *Part A* …, *Epilogue*.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clipping.formats.reading import apart
from clipping.formats.titles import TITLES, role_of
from clipping.segments import Segment, Timeline

TICK = 0.001
"""Seconds: the smallest unit that every chapter format and both containers can store."""


@dataclass(frozen=True)
class Chapter:
    """A titled span in seconds of media time.

    ``end`` is None if the format has no ends: the chapter then ends where the next one begins.

    Raises:
        ValueError: unless ``0 <= start < end``, both finite.
    """

    start: float
    end: float | None
    title: str

    def __post_init__(self) -> None:
        Segment(self.start, self.start + 1 if self.end is None else self.end)


def chapters_of(timeline: Timeline) -> list[Chapter]:
    """The chapters of a timeline, in whole milliseconds; each begins where the last one ends.

    If segments overlap, the earlier one ends where the later one begins. The end of the last
    chapter is None if the duration is unknown.
    """
    whole = [
        replace(each, start=_round(each.start), end=_round(each.end))
        for each in timeline.segments
        if _round(each.start) < _round(each.end)
    ]
    marks = [
        Chapter(each.start, each.end, one_line(TITLES.get(each.label, each.label)))
        for each in apart(tuple(whole))
    ]
    return filled(marks, _round(timeline.duration))


def filled(marks: Sequence[Chapter], duration: float) -> list[Chapter]:
    """Add a chapter in each gap, titled by its place (*Prologue*, *Part A* …, *Epilogue*).

    Args:
        marks: chapters in order, without overlap.
        duration: of the file, in seconds; 0 if unknown.
    """
    gaps: list[tuple[float, float | None]] = []
    reached = 0.0
    for mark in marks:
        if mark.start - reached > TICK / 2:
            gaps.append((reached, mark.start))
        reached = mark.start if mark.end is None else mark.end
    if marks and not duration:
        gaps.append((reached, None))
    elif duration - reached > TICK / 2:
        gaps.append((reached, duration))
    titles = _gap_titles(gaps, marks)
    between = [Chapter(*gap, title) for gap, title in zip(gaps, titles, strict=True)]
    return sorted([*marks, *between], key=lambda chapter: chapter.start)


def segments_of(chapters: Sequence[Chapter], duration: float = 0.0) -> tuple[Segment, ...]:
    """The segments of chapters; chapters of the story are left out.

    The label is the role of the title (:func:`clipping.formats.titles.role_of`), or the title
    itself if it has no role. A chapter without an end lasts to the next one, or to ``duration``;
    the last one is left out if the duration is unknown (0).
    """
    segments = []
    for chapter in closed(chapters, duration):
        role = role_of(chapter.title)
        if role != "story" and chapter.end is not None:
            segments.append(Segment(chapter.start, chapter.end, role or chapter.title))
    return tuple(segments)


def closed(chapters: Sequence[Chapter], duration: float = 0.0) -> list[Chapter]:
    """Chapters in order, with their ends filled in where known; empty ones are left out."""
    ordered = sorted(chapters, key=lambda chapter: chapter.start)
    starts = [chapter.start for chapter in ordered]
    found = []
    for chapter in ordered:
        end = chapter.end
        if end is None:
            place = bisect_right(starts, chapter.start)
            later = starts[place] if place < len(starts) else duration
            end = later if later > chapter.start else None
            if end is None and place < len(starts):
                continue
        found.append(replace(chapter, end=end))
    return found


def one_line(title: str) -> str:
    """A title that every format can hold: one line, no control characters, no lone surrogates."""
    kept = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else "�" if _is_no_text(c) else c
        for c in title
    )
    return " ".join(kept.split())


def _is_no_text(character: str) -> bool:
    """True for a surrogate, a byte order mark, or a noncharacter (Unicode, chapter 23)."""
    code = ord(character)
    return (
        0xD800 <= code <= 0xDFFF or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    ) or code == 0xFEFF


def _round(seconds: float) -> float:
    return round(seconds, 3)


def _gap_titles(gaps: Sequence[tuple[float, float | None]], marks: Sequence[Chapter]) -> list[str]:
    """The title of each gap: *Prologue* before the opening, *Epilogue* after the last ending."""
    roles = [(role_of(mark.title), mark.start) for mark in marks]
    opening = next((start for role, start in roles if role == "opening"), None)
    endings = [start for role, start in roles if role == "ending"]
    titles = []
    for start, _ in gaps:
        if opening is not None and start < opening:
            titles.append("Prologue")
        elif endings and start > endings[-1]:
            titles.append("Epilogue")
        else:
            titles.append("")
    middle = titles.count("")
    letters = iter(range(middle))
    return [title or _part(next(letters), middle) for title in titles]


def _part(index: int, count: int) -> str:
    if count == 1:
        return "Episode"
    return f"Part {chr(ord('A') + index)}" if count <= 8 else f"Part {index + 1}"

"""Parts that the readers of all formats share: facts about the file, errors with a line, times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from clipping.segments import Segment

MOST_ENTRIES = 10_000
"""Most segments or chapters in one file; real files have far fewer."""


@dataclass(frozen=True)
class About:
    """Facts about a file that a reader gets in addition to its text."""

    path: Path
    """The file itself, for messages."""
    source: str
    """The media file that the segments belong to; most formats do not name it."""
    duration: float = 0.0
    """Seconds of the media file; 0 if unknown."""
    frame_rate: Fraction | None = None
    """Frames per second of the media file; EDL files may give times in frames."""


class LineError(ValueError):
    """An error in a line of a file; lines are counted from 1."""

    def __init__(self, line: int, message: object) -> None:
        super().__init__(str(message))
        self.line = line


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """(number from 1, line without surrounding blanks) of each line that is not blank."""
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if stripped := line.strip():
            yield number, stripped


def bounded(count: int, line: int | None = None) -> None:
    """Check that a file has not more than ``MOST_ENTRIES`` entries.

    Raises:
        ValueError: if it has; a LineError if ``line`` is given.
    """
    if count > MOST_ENTRIES:
        message = f"more than {MOST_ENTRIES} entries; is it a file of this format?"
        raise ValueError(message) if line is None else LineError(line, message)


def plain_number(cell: str) -> float:
    """Parse seconds as plain decimals; float() would also take "nan", "1_0" and other digits.

    Raises:
        ValueError: for anything else.
    """
    if not re.fullmatch(r"\d{1,12}(?:\.\d{0,30})?|\.\d{1,30}", cell, re.ASCII):
        raise ValueError(f"a time is a number of seconds, got {cell[:80]!r}")
    return float(cell)


_SHORTEST = 0.0005
"""Seconds: a rest of a segment that is not longer than this is dropped."""
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,30}))?", re.ASCII)


def parse_clock(cell: str) -> float:
    """Parse ``00:02:12.950``, with or without hours, to seconds.

    Raises:
        ValueError: for anything else.
    """
    match = _CLOCK.fullmatch(cell)
    if match is None or int(match[2]) > 59 or int(match[3]) > 59:
        raise ValueError(f"a time is HH:MM:SS.sss, got {cell[:80]!r}")
    whole = int(match[1] or 0) * 3600 + int(match[2]) * 60 + int(match[3])
    return float(Fraction(f"{whole}.{match[4] or 0}"))


def clock_text(seconds: float, decimals: int = 3) -> str:
    """Write seconds as a clock time: ``132.95`` → ``00:02:12.950``."""
    unit = 10**decimals
    ticks = round(Fraction(seconds) * unit)
    minutes, ticks = divmod(ticks, 60 * unit)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{ticks // unit:02d}.{ticks % unit:0{decimals}d}"


def apart(segments: tuple[Segment, ...], gap: float = 0.0) -> list[Segment]:
    """Remove overlaps: of two segments that overlap, the earlier ends where the later begins.

    Args:
        gap: seconds to leave between two segments.
    """
    kept: list[Segment] = []
    for segment in sorted(segments, key=lambda each: (each.start, each.end)):
        while kept and kept[-1].end > segment.start - gap:
            last = kept.pop()
            if segment.start - gap - last.start > _SHORTEST:
                kept.append(Segment(last.start, segment.start - gap, last.label, last.score))
                break
        kept.append(segment)
    return kept

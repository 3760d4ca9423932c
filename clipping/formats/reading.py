"""What every reader of a format knows about its file, and how it says that a line is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from clipping.segments import Segment

MOST_ENTRIES = 10_000
"""Segments or chapters in one file; no real one comes near."""


@dataclass(frozen=True)
class About:
    """What a reader is told beside the text."""

    path: Path
    """The file, for messages."""
    source: str
    """The media that it is about, where the file does not say it."""
    duration: float = 0.0
    """Of that media, in seconds; 0 where unknown."""
    frame_rate: Fraction | None = None
    """Of that media; EDL files may count frames."""


class LineError(ValueError):
    """A wrong line; the number counts from 1."""

    def __init__(self, line: int, message: object) -> None:
        super().__init__(str(message))
        self.line = line


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, without the blanks around them, and their numbers."""
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if stripped := line.strip():
            yield number, stripped


def bounded(count: int, line: int | None = None) -> None:
    """See that a file does not go on for ever.

    Raises:
        ValueError: above ``MOST_ENTRIES``.
    """
    if count > MOST_ENTRIES:
        message = f"more than {MOST_ENTRIES} entries; is it a file of this format?"
        raise ValueError(message) if line is None else LineError(line, message)


def plain_number(cell: str) -> float:
    """Seconds as plain decimals; float() alone would take nan, 1_0 and other scripts.

    Raises:
        ValueError: for anything else.
    """
    if not re.fullmatch(r"\d{1,12}(?:\.\d{0,30})?|\.\d{1,30}", cell, re.ASCII):
        raise ValueError(f"a time is a number of seconds, got {cell[:80]!r}")
    return float(cell)


_SHORTEST = 0.0005
"""Seconds: what is left of a segment and shorter than this is nothing."""
_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,30}))?", re.ASCII)


def parse_clock(cell: str) -> float:
    """``00:02:12.950``, with or without hours, any number of decimals → seconds.

    Raises:
        ValueError: for anything else.
    """
    match = _CLOCK.fullmatch(cell)
    if match is None or int(match[2]) > 59 or int(match[3]) > 59:
        raise ValueError(f"a time is HH:MM:SS.sss, got {cell[:80]!r}")
    whole = int(match[1] or 0) * 3600 + int(match[2]) * 60 + int(match[3])
    return float(Fraction(f"{whole}.{match[4] or 0}"))


def clock_text(seconds: float, decimals: int = 3) -> str:
    """``132.95`` → ``00:02:12.950``."""
    unit = 10**decimals
    ticks = round(Fraction(seconds) * unit)
    minutes, ticks = divmod(ticks, 60 * unit)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{ticks // unit:02d}.{ticks % unit:0{decimals}d}"


def apart(segments: tuple[Segment, ...], gap: float = 0.0) -> list[Segment]:
    """Segments that do not overlap: where two do, the earlier one ends where the later begins.

    Args:
        gap: seconds that must lie between two of them.
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

"""Spans of time with a meaning: the value types that every package here uses."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["opening", "ending", "recap", "preview", "mixed"]
"""Meaning of a stretch of an episode; ``mixed`` is a song with story over it."""


@dataclass(frozen=True, order=True)
class Segment:
    """A span of a media file in seconds, half-open: ``start <= t < end``.

    Times count from the media's first presented instant (its PTS start), so a file whose
    timestamps begin at 5 s still has its first frame at 0.

    Raises:
        ValueError: unless ``0 <= start < end`` (both finite) and ``0 <= score <= 1``.
    """

    start: float
    end: float
    label: str = ""
    """Meaning of the span: ``"opening"``, ``"ending"``, or any word."""
    score: float | None = None
    """Confidence, 0..1; None if none was measured."""
    evidence: tuple[str, ...] = ()
    """Reasons for the segment, one short sentence for each source."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.end)):
            raise ValueError(f"a segment needs finite times, got {self.start} and {self.end}")
        if not 0 <= self.start < self.end:
            raise ValueError(f"a segment needs 0 <= start < end, got {self.start} and {self.end}")
        if self.score is not None and not 0 <= self.score <= 1:
            raise ValueError(f"a score is a number from 0 to 1, got {self.score}")

    @property
    def duration(self) -> float:
        """Length in seconds, always above 0."""
        return self.end - self.start

    def overlap(self, other: Segment) -> float:
        """Return the seconds that both segments cover."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def __str__(self) -> str:
        name = f"{self.label} " if self.label else ""
        return f"{name}{format_time(self.start)}-{format_time(self.end)}"


@dataclass(frozen=True)
class Timeline:
    """The segments of one media file, in order of time.

    ``error`` is set, and ``segments`` empty, if the file could not be analysed: a batch keeps a
    row for every file.
    """

    source: str
    """Path or name of the file."""
    duration: float
    """Length of the file in seconds; 0 if unknown."""
    segments: tuple[Segment, ...] = ()
    error: str | None = None
    """Message for the user; None if the file was analysed."""

    def __post_init__(self) -> None:
        # Segments are not compared as a whole: a score of None cannot be ordered.
        ordered = sorted(self.segments, key=lambda each: (each.start, each.end, each.label))
        object.__setattr__(self, "segments", tuple(ordered))
        if not (math.isfinite(self.duration) and self.duration >= 0):
            raise ValueError(f"a duration is 0 or more seconds, got {self.duration}")

    def find(self, label: str) -> Segment | None:
        """Return the first segment with this label, or None."""
        return next((segment for segment in self.segments if segment.label == label), None)

    @property
    def opening(self) -> Segment | None:
        """The first opening, or None."""
        return self.find("opening")

    @property
    def ending(self) -> Segment | None:
        """The first ending, or None."""
        return self.find("ending")


def format_time(seconds: float) -> str:
    """``83.5`` → ``"0:01:23.500"``: hours, minutes, seconds with three decimals."""
    milliseconds = round(seconds * 1000)
    hours, milliseconds = divmod(milliseconds, 3_600_000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{hours}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)")


def clock(seconds: float, decimals: int = 0) -> str:
    """``83.52`` → ``1:23``, or ``1:23.52`` with decimals."""
    parts = 10**decimals
    minutes, rest = divmod(round(abs(seconds) * parts), 60 * parts)
    sign = "-" if seconds < 0 and (minutes or rest) else ""
    width = 3 + decimals if decimals else 2
    return f"{sign}{minutes}:{rest / parts:0{width}.{decimals}f}"


def parse_time(text: str) -> float:
    """``"83.5"``, ``"1:23.5"`` or ``"0:01:23.500"`` → seconds.

    Raises:
        ValueError: for anything else, negative times included.
    """
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"a time is seconds (83.5) or [hours:]minutes:seconds (1:23.5): {text!r}")
    hours, minutes, seconds = (float(group or 0) for group in match.groups())
    if match[2] is not None and seconds >= 60:
        raise ValueError(f"the seconds of a time with minutes are below 60: {text!r}")
    return hours * 3600 + minutes * 60 + seconds

"""Where the bars, points and marks of a report's drawings lie, as its template draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clipping.judging.judgement import Case, EndErrors, JudgedSpan, ScoreBin
from clipping.segments import clock

EDGES = (-30.0, -10.0, -5.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Of the histogram in seconds; a bar more at each end takes the rest."""
TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Seconds that two marks of a time axis may be apart."""
MOST_TICKS = 11
FADE = 0.04
"""The share of the axis that is drawn of a span whose other end nobody named."""
COLOURS = {"opening": "opening", "ending": "ending", "recap": "recap", "preview": "preview"}
"""Roles with a colour of their own; a role may be any word that a file holds."""


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram."""

    count: int
    height: float
    """Share of the highest one, 0..1."""
    told: str
    """What it holds, in words."""


@dataclass(frozen=True)
class AxisMark:
    """A span or a second on a time axis, in percent of its width."""

    left: float
    width: float
    colour: str
    told: str
    open: str = ""
    """``start`` or ``end`` where nobody named that end."""


def histogram(ends: EndErrors) -> list[Bar]:
    """How many errors lie between the edges, early ones first."""
    counts = [0] * (len(EDGES) + 1)
    for error in ends.errors:
        counts[sum(error > edge for edge in EDGES)] += 1
    most = max(1, *counts)
    bars = []
    for number, count in enumerate(counts):
        if number == 0:
            told = f"more than {-EDGES[0]:g} s early"
        elif number == len(EDGES):
            told = f"more than {EDGES[-1]:g} s late"
        else:
            told = f"{EDGES[number - 1]:g} to {EDGES[number]:g} s"
        bars.append(Bar(count, count / most, told))
    return bars


def radius(each: ScoreBin, bins: Sequence[ScoreBin]) -> float:
    """Of a point of the calibration curve: its area stands for its spans; 0.015..0.05."""
    most = max(other.count for other in bins)
    return max(0.015, 0.05 * math.sqrt(each.count / most))


def ticks(case: Case) -> list[AxisMark]:
    """Marks at whole steps of a case's time."""
    step = next((each for each in TICKS if case.length / each <= MOST_TICKS), TICKS[-1])
    first = math.ceil(case.begin / step - 1e-9)
    last = math.floor((case.begin + case.length) / step + 1e-9)
    times = [number * step for number in range(first, last + 1)]
    return [AxisMark(_percent(time, case), 0.0, "", clock(time)) for time in times]


def mark(span: JudgedSpan, case: Case) -> AxisMark:
    """A span on the axis of its case."""
    fade = FADE * case.length
    start = span.start if span.start is not None else (span.end or 0.0) - fade
    end = span.end if span.end is not None else start + fade
    low, high = _percent(start, case), _percent(end, case)
    unnamed = "start" if span.start is None else "end" if span.end is None else ""
    return AxisMark(low, max(0.15, high - low), colour(span.role), spoken(span), unnamed)


def spoken(span: JudgedSpan) -> str:
    """A span in words: ``opening 0:12.30 - 1:41.85 (0.93)``."""
    ends = " - ".join("?" if time is None else clock(time, 2) for time in (span.start, span.end))
    return f"{span.role} {ends}" + ("" if span.score is None else f" ({span.score:.2f})")


def colour(role: str) -> str:
    """The class of a role's colour."""
    return COLOURS.get(role, "other")


def _percent(time: float, case: Case) -> float:
    share = (time - case.begin) / case.length if case.length > 0 else 0.0
    return round(100 * min(1.0, max(0.0, share)), 3)

"""Positions of the bars, points and marks in a report's drawings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clipping.judging.judgement import Case, EndErrors, JudgedSpan, ScoreBin
from clipping.segments import clock

EDGES = (-30.0, -10.0, -5.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Edges of the histogram's bars in seconds; one further bar at each end takes the rest."""
TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
"""Possible distances of two marks on a time axis, in seconds."""
MOST_TICKS = 11
FADE = 0.04
"""Length, as a share of the axis, at which a span with one unknown end is drawn."""
COLOURS = {"opening": "opening", "ending": "ending", "recap": "recap", "preview": "preview"}
"""Roles with a colour of their own; a role may be any word that a file holds."""


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram."""

    count: int
    height: float
    """Height as a share of the highest bar, 0..1."""
    text: str
    """Range of its errors, for the reader."""


@dataclass(frozen=True)
class AxisMark:
    """A span or a moment on a time axis, in percent of the axis's width."""

    left: float
    width: float
    colour: str
    text: str
    open: str = ""
    """The unknown end, ``start`` or ``end``; empty if both are known."""


def histogram(ends: EndErrors) -> list[Bar]:
    """Return the bars of a histogram of errors, early ones first."""
    counts = [0] * (len(EDGES) + 1)
    for error in ends.errors:
        counts[sum(error > edge for edge in EDGES)] += 1
    most = max(1, *counts)
    bars = []
    for number, count in enumerate(counts):
        if number == 0:
            text = f"more than {-EDGES[0]:g} s early"
        elif number == len(EDGES):
            text = f"more than {EDGES[-1]:g} s late"
        else:
            text = f"{EDGES[number - 1]:g} to {EDGES[number]:g} s"
        bars.append(Bar(count, count / most, text))
    return bars


def radius(each: ScoreBin, bins: Sequence[ScoreBin]) -> float:
    """Radius of a point of the calibration curve, 0.015..0.05: its area grows with its count."""
    most = max(other.count for other in bins)
    return max(0.015, 0.05 * math.sqrt(each.count / most))


def ticks(case: Case) -> list[AxisMark]:
    """Return the marks of a case's time axis, at whole steps."""
    step = next((each for each in TICKS if case.length / each <= MOST_TICKS), TICKS[-1])
    first = math.ceil(case.begin / step - 1e-9)
    last = math.floor((case.begin + case.length) / step + 1e-9)
    times = [number * step for number in range(first, last + 1)]
    return [AxisMark(_percent(time, case), 0.0, "", clock(time)) for time in times]


def mark(span: JudgedSpan, case: Case) -> AxisMark:
    """Return a span as a mark on the axis of its case."""
    fade = FADE * case.length
    start = span.start if span.start is not None else (span.end or 0.0) - fade
    end = span.end if span.end is not None else start + fade
    low, high = _percent(start, case), _percent(end, case)
    unnamed = "start" if span.start is None else "end" if span.end is None else ""
    return AxisMark(low, max(0.15, high - low), colour_class(span.role), spoken(span), unnamed)


def spoken(span: JudgedSpan) -> str:
    """Return a span as text: ``opening 0:12.30 - 1:41.85 (0.93)``."""
    ends = " - ".join("?" if time is None else clock(time, 2) for time in (span.start, span.end))
    return f"{span.role} {ends}" + ("" if span.score is None else f" ({span.score:.2f})")


def colour_class(role: str) -> str:
    """Return the CSS class with the colour of a role."""
    return COLOURS.get(role, "other")


def _percent(time: float, case: Case) -> float:
    share = (time - case.begin) / case.length if case.length > 0 else 0.0
    return round(100 * min(1.0, max(0.0, share)), 3)

"""Draw a season: one row for each episode, time from left to right, a colour for each song."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipping.files import atomic_path

if TYPE_CHECKING:
    from avtnet.search.episodes import Located

_SHADES = {"opening": "Blues", "ending": "Reds", "recap": "Greens", "preview": "Purples",
           "mixed": "Oranges"}  # fmt: skip
"""Colour map of each role; the songs of a role are shades of it."""
_LEAST_SHADE, _STEP, _DARKEST = 0.55, 0.15, 0.95
"""Position of the first song in the colour map, step to the next, and last position."""


def draw_season(path: Path, episodes: Sequence[Located]) -> Path:
    """Draw the timelines of a season's episodes below each other.

    Segments of one song have one colour and one number (``opening 2``), so that a change of the
    song is visible at once; paler segments have less confidence.

    Raises:
        ClippingError: if the picture cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.6 + 0.28 * len(episodes)), layout="constrained")
    axes = figure.subplots()
    numbers = _numbers(episodes)
    legend: dict[str, Any] = {}
    for row, located in enumerate(episodes):
        found = located.timeline
        axes.barh(row, found.duration, color="#eeeeee", height=0.7)
        if found.error is not None:
            message = _printable(f" {found.error[:90]}")
            axes.text(0, row, message, va="center", fontsize=6, parse_math=False)
        for segment in found.segments:
            name = _name(located, segment.label, segment.start, segment.end, numbers)
            score = 1.0 if segment.score is None else segment.score
            bar = axes.barh(
                row,
                segment.duration,
                left=segment.start,
                height=0.7,
                color=_colour(segment.label, name),
                alpha=0.25 + 0.75 * score,
                edgecolor="black",
                linewidth=0.5,
            )
            legend.setdefault(name, bar)
    names = [_printable(located.name) for located in episodes]
    axes.set_yticks(range(len(episodes)), labels=names, fontsize=7, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("minutes")
    longest = max((located.timeline.duration for located in episodes), default=0.0)
    step = 60 if longest <= 1800 else 300
    ticks = list(range(0, int(longest) + step, step))
    axes.set_xticks(ticks, labels=[str(tick // 60) for tick in ticks], fontsize=7)
    if legend:
        figure.legend(legend.values(), legend.keys(), loc="outside upper center", ncols=6,
                      fontsize=8)  # fmt: skip
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # drawn as boxes
        figure.savefig(temporary, dpi=110)
    return path


def _printable(text: str) -> str:
    """Return text with bytes that are no UTF-8 as escapes, so that it can be drawn."""
    return text.encode("utf-8", "backslashreplace").decode()


def _numbers(episodes: Sequence[Located]) -> dict[tuple[str, int], int]:
    """Number the identities of each role from 1 on, in the order of their first episodes."""
    numbers: dict[tuple[str, int], int] = {}
    for located in episodes:
        for claim in located.facts.claims:
            key = claim.role, claim.identity
            if key not in numbers:
                numbers[key] = 1 + sum(role == claim.role for role, _ in numbers)
    return numbers


def _name(
    located: Located, label: str, start: float, end: float, numbers: dict[tuple[str, int], int]
) -> str:
    """Return the name of a segment in the legend: its role, and its song's number if known."""
    for claim in located.facts.claims:
        common = min(end, claim.place.end) - max(start, claim.place.start)
        if claim.role == label and common > (end - start) / 2:
            return f"{label} {numbers[claim.role, claim.identity]}"
    return label


def _colour(label: str, name: str) -> Any:
    """Return the colour of a segment by its role and its song's number."""
    from matplotlib import colormaps

    number = int(name.rsplit(" ", 1)[-1]) if name != label else 1
    shade = min(_DARKEST, _LEAST_SHADE + _STEP * (number - 1))
    return colormaps[_SHADES.get(label, "Greys")](shade)

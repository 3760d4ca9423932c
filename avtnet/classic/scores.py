"""The figures that training watches, over all validation windows and per side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from avtnet.classic.dataset import Window
from clipping.judging.metrics import evaluate_positions


def score_windows(windows: Sequence[Window], positions: Sequence[float]) -> dict[str, float]:
    """Return ``score``, ``mae``, ``hit@1`` of all windows, and ``score_start``, ``score_end``.

    Positions are seconds after the window's start, in the order of the windows.
    """
    true = {window.id: window.seconds for window in windows}
    found = dict(zip(true, positions, strict=True))
    figures = evaluate_positions(found, true)
    row = {name: figures[name] for name in ("score", "mae", "hit@1")}
    for side in ("start", "end"):
        share = {window: seconds for window, seconds in true.items() if window.side == side}
        if share:
            row[f"score_{side}"] = evaluate_positions(found, share)["score"]
    return row


def summary_line(row: Mapping[str, float]) -> str:
    """Return the figures of an epoch as a line for people."""
    sides = [
        f"{side} {row[key]:.2f}" for side in ("start", "end") if (key := f"score_{side}") in row
    ]
    return f"validation score {row['score']:.2f} s ({', '.join(sides)})"

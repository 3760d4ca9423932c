"""Answers about single windows, as a submission of the challenge asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from avtnet.dense import inference
from avtnet.dense.decode import by_place, likeliest
from avtnet.dense.info import DenseNetwork
from clipping.segments import Segment
from clipping.windows import WINDOW_SECONDS, Side
from preprocess.features import Features

ASKED: dict[Side, tuple[str, str]] = {
    "start": ("opening", "opening end"),
    "end": ("ending", "ending start"),
}
"""The role that a submission asks for, and its boundary, by the window's side."""


@dataclass(frozen=True)
class WindowAnswer:
    """The answer of a network about a window."""

    position: float
    """Time at which the opening ends or the ending starts: seconds after the window's start
    (0..200)."""
    segments: tuple[Segment, ...] | None = None
    """Segments found by AVTNetDense, in seconds after the window's start; None if the network
    answers with a position only."""


def dense_answers(
    network: DenseNetwork, windows: Iterable[Features], *, batch_size: int = 8
) -> list[WindowAnswer]:
    """Return what AVTNetDense says of windows, ``batch_size`` of them at a time.

    Where it finds nothing, the position is the likeliest place: a submission has a row for every
    window.

    Raises:
        FeatureError: if a window was made with other settings than the network was trained on.
    """
    answers = []
    for window, given in inference.probabilities_of_many(windows, network, batch_size=batch_size):
        label, boundary = ASKED[window.side]
        found = tuple(
            replace(each, start=each.start - window.start, end=each.end - window.start)
            for each in inference.segments(window, given, network)
        )
        known = next((each for each in found if each.label == label), None)
        if known is None:
            placed = by_place(given, window.start, window.duration)
            place = likeliest(placed, boundary, window.covered)
        else:
            place = known.end if window.side == "start" else known.start
        answers.append(WindowAnswer(min(max(place, 0.0), WINDOW_SECONDS), found))
    return answers

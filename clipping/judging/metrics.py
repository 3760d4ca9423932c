"""Figures of predicted boundaries and segments against the truth (NumPy only).

=========================  =========================================================
:func:`evaluate_positions`           one position a window: challenge score, absolute error, hits
:func:`evaluate_segments`  labelled segments: precision, recall, F1, story skipped
=========================  =========================================================

Both join predictions and labels by name, whatever their order, and return an ordered dict of named
figures. Each label needs a prediction; predictions without a label are left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipping.errors import ClippingError
from clipping.segments import Segment, Timeline

FREE_SECONDS = 1.0
"""Seconds of error that cost nothing in the challenge's score."""
HIT_SECONDS = (0.5, 1.0, 2.0, 5.0)
"""Seconds of error of the hit rates."""

Key = TypeVar("Key", bound=Hashable)


def challenge_score(predicted: ArrayLike, true: ArrayLike) -> float:
    """Mean of ``max(|predicted - true| - 1, 0)`` in seconds; lower is better."""
    return float(np.maximum(absolute_errors(predicted, true) - FREE_SECONDS, 0).mean())


def hit_rate(predicted: ArrayLike, true: ArrayLike, seconds: float) -> float:
    """Share of the positions at most ``seconds`` from the truth, 0..1."""
    return float((absolute_errors(predicted, true) <= seconds).mean())


def absolute_errors(predicted: ArrayLike, true: ArrayLike) -> NDArray[np.float64]:
    """``|predicted - true|`` in seconds, one a position.

    Raises:
        ValueError: unless both are equally long lists of finite numbers, at least one.
    """
    first, second = np.asarray(predicted, np.float64), np.asarray(true, np.float64)
    if first.ndim != 1 or first.shape != second.shape or not first.size:
        raise ValueError(
            f"positions are two lists of one length above 0, got the shapes "
            f"{first.shape} and {second.shape}"
        )
    for name, values in (("predicted", first), ("true", second)):
        if not np.isfinite(values).all():
            index = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"{name}[{index}] is {values[index]}, not a finite number")
    return np.abs(first - second)


def signed_errors(predicted: Mapping[Key, float], true: Mapping[Key, float]) -> dict[Key, float]:
    """Return ``predicted - true`` in seconds for every labelled window, in the labels' order.

    Raises:
        ClippingError: naming the windows that have no prediction, or one that is no number.
    """
    _all_predicted(predicted, true)
    errors = {key: float(predicted[key]) - float(true[key]) for key in true}
    for key, error in errors.items():
        if not np.isfinite(error):
            raise ClippingError(f"{key}: {predicted[key]} was predicted and {true[key]} is true")
    return errors


def evaluate_positions(
    predicted: Mapping[Key, float], true: Mapping[Key, float]
) -> dict[str, float]:
    """Return the figures of one set of windows, positions in seconds.

    ==============================  =========================================================
    ``windows``                     how many have a truth
    ``score``                       see :func:`challenge_score`
    ``mae``, ``median``, ``p95``    mean, median and 95th percentile of the absolute error
    ``hit@0.5`` … ``hit@5``         share of the windows at most so many seconds off
    ==============================  =========================================================

    Raises:
        ClippingError: see :func:`signed_errors`.
    """
    errors = np.abs(list(signed_errors(predicted, true).values()))
    exact = np.zeros_like(errors)
    return {
        "windows": float(len(errors)),
        "score": challenge_score(errors, exact),
        "mae": float(errors.mean()),
        "median": float(np.median(errors)),
        "p95": float(np.percentile(errors, 95)),
        **{f"hit@{seconds:g}": hit_rate(errors, exact, seconds) for seconds in HIT_SECONDS},
    }


def evaluate_segments(
    predicted: Iterable[Timeline],
    true: Iterable[Timeline],
    labels: Sequence[str] = ("opening", "ending"),
) -> dict[str, float]:
    """Return the figures of labelled segments over all files, joined by ``Timeline.source``.

    ==============================  =========================================================
    ``files``                       how many have a truth
    ``LABEL/precision``             share of the seconds called LABEL that are LABEL
    ``LABEL/recall``                share of the seconds of LABEL that were called so
    ``LABEL/f1``                    harmonic mean of both
    ``story_skipped``               seconds called any of ``labels`` that are none of them
    ==============================  =========================================================

    Seconds are exact lengths of half-open spans, not cells of a grid; where segments of a label
    overlap, a second counts once. All files count together, so long segments weigh more. A share of
    nothing is 1 where there was nothing to find either, else 0.

    Raises:
        ClippingError: naming a file that has no prediction, or two.
    """
    found, wanted = _by_source(predicted), _by_source(true)
    _all_predicted(found, wanted)
    figures = {"files": float(len(wanted))}
    for label in labels:
        pairs = [
            (_spans(found[source], (label,)), _spans(timeline, (label,)))
            for source, timeline in wanted.items()
        ]
        hit = sum(_shared(*pair) for pair in pairs)
        called, real = (sum(map(_length, spans)) for spans in zip(*pairs, strict=True))
        figures[f"{label}/precision"] = _share(hit, called, nothing=real == 0)
        figures[f"{label}/recall"] = _share(hit, real, nothing=called == 0)
        figures[f"{label}/f1"] = _share(2 * hit, called + real, nothing=True)
    figures["story_skipped"] = sum(
        story_skipped(found[source].segments, timeline.segments, labels)
        for source, timeline in wanted.items()
    )
    return figures


def story_skipped(
    predicted: Iterable[Segment],
    true: Iterable[Segment],
    labels: Sequence[str] = ("opening", "ending"),
) -> float:
    """Return the seconds of story that a viewer loses who skips every predicted segment."""
    called, real = _union(predicted, labels), _union(true, labels)
    return max(0.0, _length(called) - _shared(called, real))


def _all_predicted(predicted: Mapping[Key, object], true: Mapping[Key, object]) -> None:
    if not true:
        raise ClippingError("there is nothing to compare with: no truth was given")
    missing = [str(key) for key in true if key not in predicted]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ClippingError(f"nothing was predicted for {', '.join(missing[:3])}{more}")


def _by_source(timelines: Iterable[Timeline]) -> dict[str, Timeline]:
    named: dict[str, Timeline] = {}
    for timeline in timelines:
        if timeline.source in named:
            raise ClippingError(f"{timeline.source}: there are two timelines of this file")
        named[timeline.source] = timeline
    return named


def _spans(timeline: Timeline, labels: Sequence[str]) -> NDArray[np.float64]:
    return _union(timeline.segments, labels)


def _union(segments: Iterable[Segment], labels: Sequence[str]) -> NDArray[np.float64]:
    """Return the time that segments with these labels cover: (n, 2), ascending, not overlapping."""
    merged: list[list[float]] = []
    for start, end in sorted((each.start, each.end) for each in segments if each.label in labels):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return np.array(merged, np.float64).reshape(-1, 2)


def _length(spans: NDArray[np.float64]) -> float:
    return float((spans[:, 1] - spans[:, 0]).sum())


def _shared(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Seconds in both unions."""
    starts = np.maximum.outer(first[:, 0], second[:, 0])
    ends = np.minimum.outer(first[:, 1], second[:, 1])
    return float(np.maximum(ends - starts, 0).sum())


def _share(part: float, whole: float, *, nothing: bool) -> float:
    """Return ``part / whole``; for a whole of 0, 1 if ``nothing`` is the right answer, else 0."""
    return min(1.0, part / whole) if whole > 0 else float(nothing)

"""Evidence for every second → openings and endings with both ends, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avtnet.dense.settings import BINS, BOUNDARIES, CLASSES, REACH

PEAKS = 8
"""Candidates for each boundary."""
SHORTEST, LONGEST = 4.0, 170.0
"""Seconds that an opening or an ending may last."""
FLOOR = 0.02
"""Peaks below this are no candidates."""
HALF, SOFT, SUREST = 0.58, 0.03, 0.98
"""Up to which share of a file a song is an opening rather than an ending, how quickly that turns,
and how sure it may be. Of 14,950 real openings none starts in the second half
(docs/measured/shared.md); episodes that end with one, or that are two in a file, are known by their
siblings (:mod:`avtnet.season.roles`)."""
EDGE = 0.12
"""Prior probability that a span goes on beyond the window."""


@dataclass(frozen=True)
class FoundSegment:
    """A span of one class, in seconds from the evidence's first."""

    label: str
    start: float
    end: float
    score: float
    """0..1; see :func:`confidence`."""
    inside: float
    """Mean probability of the class between the ends."""
    start_peak: float
    end_peak: float


@dataclass(frozen=True)
class Probabilities:
    """The network's evidence as probabilities."""

    classes: np.ndarray
    """(T, 3)"""
    peaks: np.ndarray
    """(T, 4)"""
    offsets: np.ndarray
    """(T, 4, BINS)"""


def decode(probabilities: Probabilities, covered: float | None = None) -> list[FoundSegment]:
    """Return the likeliest opening and ending that do not overlap, in order of time.

    For each class all pairs of a likely start and a likely end are scored: how likely both are, how
    far the class holds between them, how usual the length is. A span may begin with the evidence
    or end with it, as in a window that cuts it.

    Args:
        covered: seconds of the evidence that exist in the file; None: all.
    """
    total = float(
        len(probabilities.classes) if covered is None else min(covered, len(probabilities.classes))
    )
    if total < SHORTEST:
        return []
    found = []
    for number, label in enumerate(CLASSES[1:], start=1):
        inside = np.concatenate([[0.0], np.cumsum(probabilities.classes[:, number])])
        # Sums up to each second: a span's mean or sum is then the difference of two of them.
        # The gain of a second is the log odds of the class: above 0 where the class is likelier
        # than all else, so seconds outside of the song lower the rank of a span that takes them in.
        chance = np.clip(probabilities.classes[:, number], 1e-3, 1 - 1e-3)
        gain = np.concatenate([[0.0], np.cumsum(np.log(chance / (1 - chance)))])
        starts = _candidates(probabilities, 2 * number - 2, total, at_edge=0.0)
        ends = _candidates(probabilities, 2 * number - 1, total, at_edge=total)
        best: tuple[float, FoundSegment] | None = None
        for start, first in starts:
            for end, last in ends:
                if not SHORTEST <= end - start <= LONGEST:
                    continue
                share = _between(inside, start, end) / (end - start)
                if share < 0.3:
                    continue
                # A log probability, up to weights: the gain of neighbouring seconds comes from the
                # same evidence over and over, so it counts a tenth; each of the two ends counts
                # twice. The rank only chooses among spans; the score (0..1) is what is reported.
                rank = (
                    0.1 * _between(gain, start, end)
                    + 2.0 * np.log(first * last)
                    + usual(end - start)
                )
                if best is None or rank > best[0]:
                    score = confidence(share, first, last)
                    best = rank, FoundSegment(label, start, end, score, share, first, last)
        if best is not None:
            found.append(best[1])
    # An opening and an ending that overlap are one song, seen as both: the surer one stays.
    if len(found) == 2 and min(f.end for f in found) > max(f.start for f in found):
        found = [max(found, key=lambda each: each.score)]
    return sorted(found, key=lambda each: each.start)


def by_place(probabilities: Probabilities, start: float, duration: float) -> Probabilities:
    """Return evidence in which the place in the file helps to tell openings from endings.

    The network is mostly sure that there is a song, and sometimes not which of the two. The
    probability that there is one stays; only its division between the two changes. Before the
    share HALF of the file nearly all of it goes to the opening, behind it to the ending.

    Args:
        start: of the evidence, in seconds of a file that lasts ``duration``.
    """
    seconds = start + np.arange(len(probabilities.classes)) + 0.5
    # The logistic function as a tangent: rows beyond the end of a short file do not overflow it.
    turn = (1 - np.tanh((seconds / max(duration, 1.0) - HALF) / (2 * SOFT))) / 2
    share = np.clip(turn, 1 - SUREST, SUREST)
    classes, peaks = probabilities.classes.copy(), probabilities.peaks.copy()
    classes[:, 1:] = _shared_out(probabilities.classes[:, 1], probabilities.classes[:, 2], share)
    for side in range(2):
        # Either kind of peak may be the song's.
        peaks[:, [side, 2 + side]] = _shared_out(peaks[:, side], peaks[:, 2 + side], share)
    return Probabilities(classes, peaks, probabilities.offsets)


def _shared_out(opening: np.ndarray, ending: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the sum of two probabilities, divided between them again by ``share``: (T, 2)."""
    first, second = opening * share, ending * (1 - share)
    total = np.minimum(opening + ending, 1.0)
    part = first / np.maximum(first + second, 1e-9)
    return np.stack([total * part, total * (1 - part)], axis=1)


def likeliest(probabilities: Probabilities, boundary: str, covered: float | None = None) -> float:
    """Return the likeliest time of one of BOUNDARIES, in seconds from the first of the evidence.

    There is always an answer, also where the boundary itself is unlikely.
    """
    total = float(
        len(probabilities.classes) if covered is None else min(covered, len(probabilities.classes))
    )
    number = BOUNDARIES.index(boundary)
    exists = probabilities.peaks[: max(1, int(np.ceil(total))), number]
    return _refined(probabilities, number, int(np.argmax(exists)), total)


def usual(seconds: float) -> float:
    """Return the logarithm of how usual a length is: most songs last a minute and a half.

    A bell around 89 s (standard deviation 3 s) on a floor, so that other lengths stay possible.
    """
    broad = 0.25 if seconds < 150 else 0.05
    return float(np.log(np.exp(-(((seconds - 89) / 3) ** 2) / 2) + broad))


def confidence(inside: float, first: float, last: float) -> float:
    """Return the score of a span, 0..1: its mean class probability, times a factor of its ends.

    The factor grows from 0.4, for ends that no peak supports, to 1 for two certain ones.
    """
    return float(inside * (0.4 + 0.6 * np.sqrt(min(1.0, first) * min(1.0, last))))


def _candidates(
    probabilities: Probabilities, boundary: int, total: float, at_edge: float
) -> list[tuple[float, float]]:
    """Return likely times of a boundary with their probabilities; the edge is one of them."""
    peaks = probabilities.peaks[: int(np.ceil(total)), boundary]
    # Local maxima: no second within two before or behind is higher.
    padded = np.pad(peaks, 2)
    highest = np.max([padded[k : k + len(peaks)] for k in range(5)], axis=0)
    tops = np.flatnonzero((peaks >= highest) & (peaks > FLOOR))
    tops = tops[np.argsort(-peaks[tops])[:PEAKS]]
    times = [
        (_refined(probabilities, boundary, int(top), total), float(peaks[top])) for top in tops
    ]
    return [*times, (at_edge, EDGE)]


def _refined(probabilities: Probabilities, boundary: int, top: int, total: float) -> float:
    """Return the time of the boundary near the second ``top``: a weighted mean.

    The network answers for each second how likely a boundary is in it, and a distribution of the
    boundary's distance from that second's middle. Each of up to three seconds around ``top`` names
    a time (its middle plus its mean distance), weighted by the square of its peak, so that the
    surest second decides.
    """
    bins = np.linspace(-REACH, REACH, BINS)
    near = np.arange(max(0, top - 1), min(len(probabilities.peaks), top + 2))
    chances = probabilities.offsets[near, boundary]
    weights = probabilities.peaks[near, boundary] ** 2
    times = near + 0.5 + chances @ bins
    time = float((weights * times).sum() / weights.sum())
    return min(max(time, 0.0), total)


def _between(sums: np.ndarray, start: float, end: float) -> float:
    """Return the sum of a per-second value between two times, from its running sums."""
    at = np.interp([start, end], np.arange(len(sums)), sums)
    return float(at[1] - at[0])

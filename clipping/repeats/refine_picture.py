"""Find the ends of a stretch of pictures that two files share, to about a frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clipping.repeats.matching import differing
from clipping.repeats.refine import Placed

RATE = 25
"""Looks per second: enough to see each picture of film at 24 frames per second."""
Look = Callable[[list[float]], np.ndarray]
"""Ascending media times in seconds → uint32 (times, 2): the words of the pictures shown."""

# In looks:
_INWARD, _OUTWARD = 4 * RATE, 2 * RATE
"""The true end is searched from so far inside to so far outside of the coarse end."""
_REACH = 3 * RATE // 4
"""Largest error of the coarse offset: a little more than a step of the fingerprints."""
_WRONG_BITS = 14.0
"""Two pictures are the same if fewer of their 64 bits differ."""


def refine_pictures(a: Look, b: Look, coarse: Placed) -> Placed:
    """Move both ends of a stretch to the looks, 40 ms apart, where the pictures stop agreeing.

    Both ends get the same offset: the one with most evidence. If several have as much, as with
    still pictures, the one nearest to the coarse offset is taken.
    """
    half = max(1, int((coarse.end_a - coarse.start_a) * RATE / 2))
    inward = min(_INWARD, half)
    starts = _agreement(a, b, (coarse.start_a, coarse.start_b), inward, forward=False)
    ends = _agreement(a, b, (coarse.end_a, coarse.end_b), inward, forward=True)
    gains = starts.max(axis=1) + ends.max(axis=1)
    shifts = np.arange(-_REACH, _REACH + 1)
    best = int(np.lexsort((np.abs(shifts), -gains))[0])
    shift = int(shifts[best])
    start_a = coarse.start_a + (inward - int(np.argmax(starts[best]))) / RATE
    end_a = coarse.end_a + (int(np.argmax(ends[best])) - inward) / RATE
    offset = coarse.start_b - coarse.start_a + shift / RATE
    start_a = max(start_a, -offset, 0.0)
    if end_a <= start_a:
        return coarse
    return Placed(start_a, end_a, max(0.0, start_a + offset), end_a + offset, exact=False)


def _agreement(
    a: Look, b: Look, about: tuple[float, float], inward: int, *, forward: bool
) -> np.ndarray:
    """(shifts, looks + 1): the evidence for an end after each number of looks, counted outward.

    A row for each shift of the offset; in it, the cumulative sum of a look's evidence: positive if
    the two pictures agree, negative if not, 0 if both are blank.

    Args:
        about: the coarse end, in seconds, in a and in b.
        inward: looks inside the stretch.
    """
    before, after = (inward, _OUTWARD) if forward else (_OUTWARD, inward)
    rows_a = _rows(a, about[0], before, after)
    rows_b = _rows(b, about[1], before + _REACH, after + _REACH)
    sums = []
    for shift in range(2 * _REACH + 1):
        other = rows_b[shift : shift + len(rows_a)]
        evidence = np.clip(_WRONG_BITS - differing(rows_a, other), -_WRONG_BITS, _WRONG_BITS)
        blank_a, blank_b = rows_a[:, 0] == 0, other[:, 0] == 0
        evidence[blank_a & blank_b] = 0.0
        evidence[blank_a ^ blank_b] = -_WRONG_BITS
        outward = evidence if forward else evidence[::-1]
        sums.append(np.concatenate([[0.0], np.cumsum(outward)]))
    return np.stack(sums)


def _rows(look: Look, about: float, before: int, after: int) -> np.ndarray:
    """The words of the pictures at the looks around a time; blank before the file begins."""
    times = about + np.arange(-before, after) / RATE
    rows = np.zeros((len(times), 2), np.uint32)
    inside = times >= 0
    rows[inside] = look(times[inside].tolist())
    return rows

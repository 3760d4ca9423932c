"""The ends of a stretch of pictures that two files share, to about a frame."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clipping.repeats.matching import differing
from clipping.repeats.refine import Placed

RATE = 25
"""Looks a second: a picture of 24 frames a second is not missed."""
Look = Callable[[list[float]], np.ndarray]
"""Ascending times in seconds of media time → uint32 (times, 2): the words of the pictures shown."""

# In looks:
_INWARD, _OUTWARD = 4 * RATE, 2 * RATE
"""About a coarse end, where the true one is looked for."""
_REACH = 3 * RATE // 4
"""How far the coarse offset may be off: somewhat more than the fingerprints' step."""
_WRONG_BITS = 14.0
"""Of 64, up to which two pictures are the same one."""


def refine_pictures(a: Look, b: Look, coarse: Placed) -> Placed:
    """Move both ends to where the pictures stop being the same, a look being 40 ms.

    Both ends have one offset: that with which most looks agree, and the given one where stills
    cannot tell.
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
    """(shifts, looks + 1): evidence for an end behind so many looks, counted outward."""
    before, behind = (inward, _OUTWARD) if forward else (_OUTWARD, inward)
    rows_a = _rows(a, about[0], before, behind)
    rows_b = _rows(b, about[1], before + _REACH, behind + _REACH)
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


def _rows(look: Look, about: float, before: int, behind: int) -> np.ndarray:
    """The words of the pictures at each look; blank before the file begins."""
    times = about + np.arange(-before, behind) / RATE
    rows = np.zeros((len(times), 2), np.uint32)
    inside = times >= 0
    rows[inside] = look(times[inside].tolist())
    return rows

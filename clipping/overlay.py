"""What lies over a shared sound: voices, effects, in one file or the other.

Two files share a song; where one of them has talk over it, what is left when one sound is
subtracted from the other is that talk.
"""

from __future__ import annotations

import numpy as np

from clipping.refine import RATE, Placed, Reader, correlate

STEP = 0.25
"""Seconds from value to value."""
_WINDOW = RATE // 2
_PIECE = 15 * RATE
"""Samples that are laid over each other with one offset and one gain."""
_REACH = RATE // 50
_SURE = 0.15
_SILENT = 1e-4
"""Power against the stretch's mean up to which there is nothing to hear."""


def left_over(read_a: Reader, read_b: Reader, placed: Placed) -> np.ndarray | None:
    """Share of the energy that the two sounds do not have in common, float32, every ``STEP`` s.

    0 where both are the same sound; 0.5 where something as loud lies over it in one of them; about
    1 where they are strangers; NaN where both are silent. None where the stretch's sounds do not
    agree as waveforms at all.
    """
    length = placed.end_a - placed.start_a
    count = int(length / STEP)
    if count < 4:
        return None
    first = round(placed.start_a * RATE)
    total = round(length * RATE)
    values = np.full(count, np.nan, np.float32)
    hop = round(STEP * RATE)
    known = False
    for begin in range(0, total, _PIECE):
        size = min(_PIECE, total - begin)
        if size < 2 * _WINDOW:
            break
        share = (begin + size / 2) / total
        offset = (placed.start_b - placed.start_a) * (1 - share) + (
            placed.end_b - placed.end_a
        ) * share
        a = read_a(first + begin, size)
        near = round(first + begin + offset * RATE) - _REACH
        b = read_b(near, size + 2 * _REACH)
        place, likeness = correlate(a, b)
        known = known or likeness >= _SURE
        left = _left(a, _moved(b, place, size), likeness)
        starts = np.arange(0, size - _WINDOW + 1, hop)
        at = (begin + starts) // hop
        inside = at < count
        values[at[inside]] = left[: len(starts)][inside]
    if not known:
        return None
    # The last windows of a piece reach less far than its steps: what is missing is its neighbour's.
    gaps = np.flatnonzero(np.isnan(values))
    filled = np.flatnonzero(~np.isnan(values))
    for gap in gaps:
        nearest = filled[np.argmin(np.abs(filled - gap))] if len(filled) else gap
        if abs(int(nearest) - int(gap)) <= 2:
            values[gap] = values[nearest]
    return values


def _moved(samples: np.ndarray, place: float, size: int) -> np.ndarray:
    """``size`` samples from a place between two samples on."""
    from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

    whole = int(place)
    part = samples[whole : whole + size + 1]
    length = next_fast_len(len(part), real=True)
    turn = np.exp(2j * np.pi * (place - whole) * rfftfreq(length))
    return np.asarray(irfft(rfft(part, length) * turn, length)[:size])


def _left(a: np.ndarray, b: np.ndarray, likeness: float) -> np.ndarray:
    """For each window of a piece."""
    hop = round(STEP * RATE)
    size = min(len(a), len(b))
    a, b = a[:size].astype(np.float64), b[:size].astype(np.float64)
    starts = np.arange(0, size - _WINDOW + 1, hop)
    if likeness < _SURE:
        gain = float(np.sqrt(np.square(a).sum() / max(np.square(b).sum(), 1e-12)))
    else:
        gain = _gain(a, b)
    b = gain * b

    def sums(values: np.ndarray) -> np.ndarray:
        total = np.concatenate([[0.0], np.cumsum(values)])
        return total[starts + _WINDOW] - total[starts]

    power_a, power_b = sums(np.square(a)), sums(np.square(b))
    rest = sums(np.square(a - b))
    greater = np.maximum(power_a, power_b)
    share = np.clip(rest / np.maximum(greater, 1e-12), 0.0, 1.0)
    silent = greater <= max(_SILENT * float(greater.mean()), 1e-9 * _WINDOW)
    share[silent] = np.nan
    return share.astype(np.float32)


def _gain(a: np.ndarray, b: np.ndarray) -> float:
    """Loudness of a against b where they agree best: talk in one of them must not tell."""
    parts = max(1, len(a) // _WINDOW)
    pieces_a = a[: parts * _WINDOW].reshape(parts, -1)
    pieces_b = b[: parts * _WINDOW].reshape(parts, -1)
    product = (pieces_a * pieces_b).sum(axis=1)
    power_a, power_b = np.square(pieces_a).sum(axis=1), np.square(pieces_b).sum(axis=1)
    likeness = product / np.sqrt(np.maximum(power_a * power_b, 1e-18))
    best = np.argsort(-likeness)[: max(1, parts // 4)]
    return float(max(1e-3, product[best].sum() / max(power_b[best].sum(), 1e-12)))

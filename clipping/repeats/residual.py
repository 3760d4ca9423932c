"""What lies over a shared sound: voices, effects, in one file or the other.

Two files share a song; where one of them has talk over it, what is left when one sound is
subtracted from the other is that talk.
"""

from __future__ import annotations

import numpy as np

from clipping.repeats.refine import RATE, TAPS, Placed, Reader, between, located

VERSION = 2
"""Goes up when the same sounds leave something else: what was kept is then stale."""
STEP = 0.25
"""Seconds from value to value: ``_HOP`` samples."""
_HOP = RATE // 4
_WINDOW = 2 * _HOP
_PIECE = 15 * RATE
"""Samples that are laid over each other with one offset and one gain."""
_REACH = RATE // 50
_SURE = 0.15
_RUMBLE = 40.0, 80.0
"""Hertz up to which nothing counts, and from which all does: nobody talks below, and codecs take
away what one copy of a quiet song may have more of than of the song itself (Opus below 20 Hz)."""
_SILENT = 1e-4
"""Power against the stretch's mean up to which there is nothing to hear."""


def residual(read_a: Reader, read_b: Reader, placed: Placed) -> np.ndarray | None:
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
        place, likeness = located(a, b)
        known = known or likeness >= _SURE
        left = _left(a, _moved(b, place, size), likeness)
        starts = np.arange(0, size - _WINDOW + 1, _HOP)
        at = (begin + starts) // _HOP
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
    """``size`` samples from a place between two samples on; zeros outside of the array."""
    whole = int(place)
    first, last = whole - TAPS // 2 + 1, whole + TAPS // 2 + size
    inside = samples[max(0, first) : last]
    padded = np.pad(inside, (max(0, -first), max(0, last - len(samples))))
    return between(padded, place - whole)


def _left(a: np.ndarray, b: np.ndarray, likeness: float) -> np.ndarray:
    """For each window of a piece."""
    a, b = _without_rumble(a), _without_rumble(b)
    if likeness < _SURE:
        gain = float(np.sqrt(np.dot(a, a) / max(float(np.dot(b, b)), 1e-12)))
    else:
        gain = _gain(a, b)
    b = np.float32(gain) * b
    power_a, power_b, rest = _sums(np.square(a)), _sums(np.square(b)), _sums(np.square(a - b))
    greater = np.maximum(power_a, power_b)
    share = np.clip(rest / np.maximum(greater, 1e-12), 0.0, 1.0)
    silent = greater <= max(_SILENT * float(greater.mean()), 1e-9 * _WINDOW)
    share[silent] = np.nan
    return share.astype(np.float32)


def _without_rumble(samples: np.ndarray) -> np.ndarray:
    """What there is of a sound from the deepest voices on."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum *= np.interp(hertz, _RUMBLE, (0.0, 1.0))
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def _sums(values: np.ndarray) -> np.ndarray:
    """Over windows of two hops, one window every hop, float64."""
    hops = len(values) // _HOP
    sums = values[: hops * _HOP].reshape(hops, _HOP).sum(axis=1, dtype=np.float64)
    return np.asarray(sums[:-1] + sums[1:])


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

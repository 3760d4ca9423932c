"""Measure the sound that lies over a shared sound in one of two files: voices, effects.

If two files share a song and one of them has speech over it, subtracting one sound from the other
leaves the speech.
"""

from __future__ import annotations

import numpy as np

from clipping.repeats.refine import RATE, TAPS, Placed, Reader, between, located

VERSION = 2
"""Raised when the same sounds give other values, so that cached values are made again."""
STEP = 0.25
"""Seconds from value to value: ``_HOP`` samples."""
_HOP = RATE // 4
_WINDOW = 2 * _HOP
"""Samples that a value is computed from."""
_PIECE = 15 * RATE
"""Samples that are aligned with one offset and one gain."""
_REACH = RATE // 50
"""Largest error of the given offset, in samples."""
_SURE = 0.15
"""Smallest normalized correlation of two copies of one sound."""
_RUMBLE = 40.0, 80.0
"""Hertz below which nothing counts, and above which everything does; linear between. Speech has
nothing below. A copy of a quiet song may have more rumble than song, and a codec removes it in the
other copy (Opus below 20 Hz)."""
_SILENT = 1e-4
"""A window is silent up to this power, relative to the mean of its piece."""


def residual(read_a: Reader, read_b: Reader, placed: Placed) -> np.ndarray | None:
    """The fraction of energy that two sounds do not share, float32, one value every ``STEP`` s.

    0: both are the same sound; 0.5: in one of them something equally loud lies over it; about 1:
    they are unrelated; NaN: both are silent. None if the waveforms of the stretch do not correlate
    anywhere, or it is shorter than four steps.
    """
    length = placed.end_a - placed.start_a
    count = int(length / STEP)
    if count < 4:
        return None
    first = round(placed.start_a * RATE)
    total = round(length * RATE)
    values = np.full(count, np.nan, np.float32)
    correlated = False
    for begin in range(0, total, _PIECE):
        size = min(_PIECE, total - begin)
        if size < 2 * _WINDOW:
            break
        # The offset drifts from the start of the stretch to its end; take that of the piece.
        fraction = (begin + size / 2) / total
        offset = (placed.start_b - placed.start_a) * (1 - fraction) + (
            placed.end_b - placed.end_a
        ) * fraction
        a = read_a(first + begin, size)
        near = round(first + begin + offset * RATE) - _REACH
        b = read_b(near, size + 2 * _REACH)
        place, likeness = located(a, b)
        correlated = correlated or likeness >= _SURE
        unshared = _unshared(a, _moved(b, place, size), likeness)
        starts = np.arange(0, size - _WINDOW + 1, _HOP)
        at = (begin + starts) // _HOP
        inside = at < count
        values[at[inside]] = unshared[: len(starts)][inside]
    if not correlated:
        return None
    # A window is longer than a step, so the last step of a piece has none: take its neighbour's.
    gaps = np.flatnonzero(np.isnan(values))
    filled = np.flatnonzero(~np.isnan(values))
    for gap in gaps:
        nearest = filled[np.argmin(np.abs(filled - gap))] if len(filled) else gap
        if abs(int(nearest) - int(gap)) <= 2:
            values[gap] = values[nearest]
    return values


def _moved(samples: np.ndarray, place: float, size: int) -> np.ndarray:
    """``size`` samples from a place between two samples on; zeros outside the array."""
    whole = int(place)
    first, last = whole - TAPS // 2 + 1, whole + TAPS // 2 + size
    inside = samples[max(0, first) : last]
    padded = np.pad(inside, (max(0, -first), max(0, last - len(samples))))
    return between(padded, place - whole)


def _unshared(a: np.ndarray, b: np.ndarray, likeness: float) -> np.ndarray:
    """The fraction of energy that is not shared, for each window of an aligned piece.

    Args:
        likeness: normalized correlation of a and b; below ``_SURE`` they are only made equally
            loud, since there is nothing to fit.
    """
    a, b = _without_rumble(a), _without_rumble(b)
    if likeness < _SURE:
        gain = float(np.sqrt(np.dot(a, a) / max(float(np.dot(b, b)), 1e-12)))
    else:
        gain = _gain(a, b)
    b = np.float32(gain) * b
    power_a, power_b, rest = _sums(np.square(a)), _sums(np.square(b)), _sums(np.square(a - b))
    greater = np.maximum(power_a, power_b)
    fraction = np.clip(rest / np.maximum(greater, 1e-12), 0.0, 1.0)
    silent = greater <= max(_SILENT * float(greater.mean()), 1e-9 * _WINDOW)
    fraction[silent] = np.nan
    return fraction.astype(np.float32)


def _without_rumble(samples: np.ndarray) -> np.ndarray:
    """A sound without frequencies below the deepest voices (``_RUMBLE``)."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum *= np.interp(hertz, _RUMBLE, (0.0, 1.0))
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def _sums(values: np.ndarray) -> np.ndarray:
    """Sums of ``values`` over windows of two hops that begin one hop apart, float64."""
    hops = len(values) // _HOP
    sums = values[: hops * _HOP].reshape(hops, _HOP).sum(axis=1, dtype=np.float64)
    return np.asarray(sums[:-1] + sums[1:])


def _gain(a: np.ndarray, b: np.ndarray) -> float:
    """The factor that makes b as loud as a, from the quarter of windows in which they agree best.

    Windows with speech in one of the files would change it.
    """
    parts = max(1, len(a) // _WINDOW)
    pieces_a = a[: parts * _WINDOW].reshape(parts, -1)
    pieces_b = b[: parts * _WINDOW].reshape(parts, -1)
    product = (pieces_a * pieces_b).sum(axis=1)
    power_a, power_b = np.square(pieces_a).sum(axis=1), np.square(pieces_b).sum(axis=1)
    likeness = product / np.sqrt(np.maximum(power_a * power_b, 1e-18))
    best = np.argsort(-likeness)[: max(1, parts // 4)]
    return float(max(1e-3, product[best].sum() / max(power_b[best].sum(), 1e-12)))

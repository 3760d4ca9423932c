"""Find the ends of a shared stretch to the sample, in the waveforms themselves.

Fingerprints give an offset to about 20 ms and an end to some tenths of a second. For each end:

1. Cross-correlation of a piece near the end gives the offset to a part of a sample (``_shift``).
2. One sound is subtracted from the other. Inside the stretch little is left; outside, two unrelated
   sounds leave about all of their energy. The end is the point where that changes
   (``change_point``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RATE = 8000
"""Samples per second (0.125 ms each): low enough that codecs preserve the waveform."""

Reader = Callable[[int, int], np.ndarray]
"""(first sample, count) → float32 mono samples at ``RATE`` Hz; zeros outside the file's sound."""

# In samples:
_REACH = RATE // 4
"""Largest error of the coarse offset."""
_PIECE = 6 * RATE
"""Length of the piece that is correlated."""
_BRIEF = 2 * RATE
"""Length of the piece that is correlated first; it is enough if nothing lies over the sound."""
_INWARD, _OUTWARD = 4 * RATE, 3 * RATE
"""The true end is searched from so far inside to so far outside of the coarse end."""
_EDGE = 3 * RATE // 10
"""If the change is found this near to the outer border of the search, the border is moved on."""
_FRAME = 160
"""Length of a frame of the difference: 20 ms."""
_FINE = 2 * _FRAME
"""The change point is searched sample by sample so far around the frame that was found."""

_MOST_STEPS = 12
"""Most times that the search moves outward."""
_SURE = 0.15
"""Smallest normalized correlation of two copies of one sound."""
_PLAIN, _BESIDE, _ALONE = 0.6, 5, 0.9
"""A brief piece is enough if its peak is at least ``_PLAIN`` and no value more than ``_BESIDE``
samples away exceeds ``_ALONE`` times the peak. A held chord fails: it has a peak at each wave."""
TAPS = 16
"""Samples from which a value between two samples is computed: exact enough up to 3 kHz, where the
fingerprints' bands end."""
_STRANGE = 0.6
"""Two sounds are unrelated if at least this fraction of their energy is left. Voices over quiet
bars of a song leave half of it, unrelated sounds about all."""
_SILENT_POWER = 1e-9
_SILENT_SHARE = 1e-6
"""Both sounds are silent up to this power, relative to the stretch's mean: -60 dB."""


@dataclass(frozen=True)
class Placed:
    """A shared stretch in both files, in seconds."""

    start_a: float
    end_a: float
    start_b: float
    end_b: float
    exact: bool
    """True if the ends were found in the waveforms."""

    @property
    def offset(self) -> float:
        """Seconds to add to a time in a to get the same moment in b, in the stretch's middle."""
        return (self.start_b + self.end_b - self.start_a - self.end_a) / 2


def refine(read_a: Reader, read_b: Reader, coarse: Placed) -> Placed:
    """Move both ends of a stretch to the points where the sounds stop agreeing.

    Each end has an offset of its own: the clocks of two releases may drift by a millisecond per
    minute. If the waveforms do not correlate (another performance, heavy noise, a speed that
    differs by a thousandth), ``coarse`` is returned.
    """
    start = _end(read_a, read_b, coarse, forward=False)
    end = _end(read_a, read_b, coarse, forward=True)
    if start is None or end is None or end[0] <= start[0] or end[0] + end[1] <= start[0] + start[1]:
        return coarse
    return Placed(start[0], end[0], max(0.0, start[0] + start[1]), end[0] + end[1], exact=True)


def _end(
    read_a: Reader, read_b: Reader, coarse: Placed, *, forward: bool
) -> tuple[float, float] | None:
    """(time in a, offset from a to b), in seconds, of the end (``forward``) or the start.

    None if the waveforms do not agree.
    """
    _read_ahead(read_a, read_b, coarse, forward=forward)
    shift = _shift(read_a, read_b, coarse, forward=forward)
    if shift is None:
        return None
    sign = 1 if forward else -1
    about = _samples(coarse.end_a if forward else coarse.start_a)
    inward = min(_INWARD, _samples(coarse.end_a - coarse.start_a) // 2)
    lowest = max(0, math.ceil(-shift))
    for _ in range(_MOST_STEPS):
        first, last = sorted((about - sign * inward, about + sign * _OUTWARD))
        first = max(lowest, first)
        count = last - first
        if count < 4 * _FRAME:
            return None
        a, b = read_a(first, count), _read_between(read_b, first + shift, count)
        if not forward:
            a, b = np.ascontiguousarray(a[::-1]), np.ascontiguousarray(b[::-1])
        agreed = change_point(a, b)
        # The sounds agree down to the first sample of a file: the stretch begins there.
        if not forward and first == lowest and count - agreed <= 2 * _FRAME:
            return lowest / RATE, max(shift, -lowest) / RATE
        if count - agreed > _EDGE or (not forward and first == lowest):
            break
        about += sign * _OUTWARD
    at = first + agreed if forward else last - agreed
    return at / RATE, shift / RATE


def _read_ahead(read_a: Reader, read_b: Reader, coarse: Placed, *, forward: bool) -> None:
    """Read all that is usually needed around an end in one call. Readers cache it, and a seek in a
    file costs as much as reading some seconds of it."""
    inward = RATE // 2 + min(_PIECE, _samples(coarse.end_a - coarse.start_a) * 3 // 5)
    for read, start, end in (
        (read_a, coarse.start_a, coarse.end_a),
        (read_b, coarse.start_b, coarse.end_b),
    ):
        if forward:
            first, last = _samples(end) - inward, _samples(end) + _OUTWARD
        else:
            first, last = _samples(start) - _OUTWARD, _samples(start) + inward
        read(first - _REACH, last - first + 2 * _REACH)


def _shift(read_a: Reader, read_b: Reader, coarse: Placed, *, forward: bool) -> float | None:
    """The offset near an end, in samples with a fraction; None if nothing agrees.

    If the outermost piece is silent or damaged, pieces further inward are tried.
    """
    start, end = _samples(coarse.start_a), _samples(coarse.end_a)
    guess = coarse.end_b - coarse.end_a if forward else coarse.start_b - coarse.start_a
    piece = min(_PIECE, (end - start) * 3 // 5)
    for inward in (RATE // 2, RATE // 2 + piece, RATE // 2 + 3 * piece):
        if inward + piece > end - start:
            break
        first = end - inward - piece if forward else start + inward
        begin = first + _samples(guess) - _REACH
        place, likeness = located(read_a(first, piece), read_b(begin, piece + 2 * _REACH))
        if likeness >= _SURE:
            return begin + place - first
    return None


def _read_between(read: Reader, first: float, count: int) -> np.ndarray:
    """``count`` samples from a place between two samples on."""
    whole = math.floor(first)
    samples = read(whole - TAPS // 2 + 1, count + TAPS - 1)
    return between(samples, first - whole)


def between(samples: np.ndarray, fraction: float) -> np.ndarray:
    """The values at a fraction, 0..1, after each sample, from the ``TAPS`` samples around it.

    Interpolation by a sinc function with a Hann window (J. O. Smith, Digital Audio Resampling Home
    Page, ccrma.stanford.edu/~jos/resample).

    Returns:
        ``TAPS - 1`` values fewer than ``samples``; the first lies after sample ``TAPS // 2 - 1``.
    """
    half, count = TAPS // 2, len(samples) - TAPS + 1
    if fraction < 1e-6:
        return samples[half - 1 : half - 1 + count]
    at = np.arange(1 - half, half + 1) - fraction
    weights = np.sinc(at) * np.square(np.cos(np.pi / 2 * at / half))
    weights = (weights / weights.sum()).astype(np.float32)
    total = weights[0] * samples[:count]
    term = np.empty_like(total)
    for place in range(1, TAPS):
        total += np.multiply(samples[place : place + count], weights[place], out=term)
    return total


def _samples(seconds: float) -> int:
    return round(seconds * RATE)


def located(short: np.ndarray, long: np.ndarray) -> tuple[float, float]:
    """The result of :func:`correlate`, quicker: from the middle two seconds of ``short`` if these
    fit at one place only."""
    spare = (len(short) - _BRIEF) // 2
    if spare > 0:
        reach = len(long) - len(short)
        part = long[spare : spare + _BRIEF + reach]
        likeness = _likeness(short[spare : spare + _BRIEF], part)
        place, peak = _peak(likeness)
        at = round(place)
        others = np.concatenate([likeness[: max(0, at - _BESIDE)], likeness[at + _BESIDE :]])
        if peak >= _PLAIN and others.max(initial=0.0) <= _ALONE * peak:
            return place, peak
    return correlate(short, long)


def correlate(short: np.ndarray, long: np.ndarray) -> tuple[float, float]:
    """(place in ``long`` at which ``short`` begins, with a fraction; normalized correlation)."""
    return _peak(_likeness(short, long))


def _peak(likeness: np.ndarray) -> tuple[float, float]:
    """(place of the greatest value, with a fraction; the value); (0, 0) for an empty array.

    The fraction is that of the top of the parabola through the greatest value and its neighbours.
    """
    if not len(likeness):
        return 0.0, 0.0
    peak = int(np.argmax(likeness))
    place = float(peak)
    if 0 < peak < len(likeness) - 1:
        before, here, after = map(float, likeness[peak - 1 : peak + 2])
        bend = before - 2 * here + after
        if bend < 0:
            place += float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
    return place, float(likeness[peak])


def _likeness(short: np.ndarray, long: np.ndarray) -> np.ndarray:
    """The normalized cross-correlation for each place of ``short`` in ``long``, computed by FFT.

    Empty if an array is too short or ``long`` is silent.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    nothing = np.zeros(0, np.float32)
    if len(long) < len(short) or len(short) < 4 * _FRAME:
        return nothing
    # Correlate differences of neighbouring samples. They weaken low notes, whose peaks are broad
    # and would hide the exact place.
    short, long = np.diff(short).astype(np.float32), np.diff(long).astype(np.float32)
    # FFT gives a circular correlation. With the size of ``long`` only places at which ``short``
    # would not fit any more wrap around, and these are cut off.
    size = next_fast_len(len(long), real=True)
    products = irfft(rfft(long, size) * rfft(short, size).conj(), size)
    products = products[: len(long) - len(short) + 1]
    squares = np.concatenate([[0.0], np.cumsum(np.square(long), dtype=np.float64)])
    energy = squares[len(short) :] - squares[: len(squares) - len(short)]
    energy = energy * np.square(short).sum(dtype=np.float64)
    if energy.max(initial=0.0) <= 0:
        return nothing
    return np.asarray(products / np.sqrt(np.maximum(energy, energy.max() * 1e-6)))


def change_point(a: np.ndarray, b: np.ndarray) -> int:
    """The sample after the last one at which two sounds agree, if they agree at their beginning.

    Every 5 ms, the energy of their difference is divided by the energy of both. The ratio is small
    where they agree (codecs differ a little) and about 1 where they do not. Its logarithm, against
    a limit between the two, is the evidence of a frame for agreement (+) or against it (-). The
    change is where the sum of the evidence is greatest. So a click or a lost packet inside does not
    end the agreement, and a chance likeness outside does not extend it. (Cumulative sums: E. Page,
    "Continuous Inspection Schemes", Biometrika 41, 1954.) Silence in both is no evidence.

    Two passes: frames of 20 ms first, then samples around the frame that was found.
    """
    gain = _gain(a, b)
    hop = _FRAME // 4
    starts = np.arange(0, len(a) - _FRAME + 1, hop)
    frame_rest = _frames(np.square(a - gain * b), hop)
    frame_power = _frames(np.square(a) + gain**2 * np.square(b), hop)
    inner = frame_power[: max(4, len(starts) // 3)]
    silent = frame_power <= max(_SILENT_POWER * _FRAME, _SILENT_SHARE * float(inner.mean()))
    ratio = frame_rest / np.maximum(frame_power, 1e-30)
    # The usual ratio of this stretch, from its inner third; the limit is the geometric mean of that
    # and of 1, the ratio of unrelated sounds.
    inner_ratio = ratio[: len(inner)][~silent[: len(inner)]]
    usual = float(np.clip(np.median(inner_ratio), 1e-3, 0.7)) if len(inner_ratio) else 0.1
    limit = math.sqrt(usual)
    evidence = np.clip(np.log(max(limit, _STRANGE) / np.maximum(ratio, 1e-9)), -1.0, 1.0)
    evidence[silent] = 0.0
    sums = np.concatenate([[0.0], np.cumsum(evidence)])
    frames = int(np.argmax(sums))
    # Second pass: the same by single samples, near the frame that was found.
    near = 0 if frames == 0 else int(starts[frames - 1]) + _FRAME // 2
    low, high = max(0, near - _FINE), min(len(a), near + _FINE)
    own, other = a[low:high].astype(np.float64), gain * b[low:high].astype(np.float64)
    fine = np.cumsum(limit * (np.square(own) + np.square(other)) - np.square(own - other))
    if not len(fine) or fine.max() <= 0:
        return low
    return low + int(np.argmax(fine)) + 1


def _frames(values: np.ndarray, hop: int) -> np.ndarray:
    """Sums of ``values`` over frames of four hops that begin one hop apart, float64."""
    hops = len(values) // hop
    sums = values[: hops * hop].reshape(hops, hop).sum(axis=1, dtype=np.float64)
    return np.asarray(sums[:-3] + sums[1:-2] + sums[2:-1] + sums[3:])


def _gain(a: np.ndarray, b: np.ndarray) -> float:
    """The factor that makes b as loud as a (least squares), from the inner half of both."""
    inner = slice(0, len(a) // 2)
    energy, product = float(np.dot(b[inner], b[inner])), float(np.dot(a[inner], b[inner]))
    return max(1e-3, product / energy) if energy > 0 else 1.0

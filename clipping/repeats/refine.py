"""The ends of a shared stretch to the sample: where two waveforms stop being the same.

A fingerprint knows an offset to some 20 ms and an end to some tenths of a second. Here the two
sounds themselves are laid over each other (cross-correlation), and an end is the change point of
what is left when one is subtracted from the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RATE = 8000
"""Hz: low enough that codecs keep the waveform, 0.125 ms a sample."""

Reader = Callable[[int, int], np.ndarray]
"""(first sample, how many) → so many mono samples at ``RATE`` Hz; zeros where there is no sound."""

# In samples:
_REACH = RATE // 4
"""How far the coarse offset may be off."""
_PIECE = 6 * RATE
"""What is correlated."""
_BRIEF = 2 * RATE
"""What is correlated first: enough where nothing lies over the sound."""
_INWARD, _OUTWARD = 4 * RATE, 3 * RATE
"""About a coarse end, where the true one is looked for."""
_EDGE = 3 * RATE // 10
"""Where the change seems to lie so near the outer border, the border is moved on."""
_FRAME = 160
"""What is compared at once: 20 ms."""
_FINE = 2 * _FRAME

_MOST_STEPS = 12
_SURE = 0.15
"""Normalized correlation from which two sounds count as the same waveform."""
_PLAIN, _BESIDE, _ALONE = 0.6, 5, 0.9
"""The same for a brief piece, and of that what other places may have that are so many samples
away: a chord that is held has a place at every wave of it."""
TAPS = 16
"""Samples from which one between two samples is made: right to 3 kHz, where fingerprints end."""
_STRANGE = 0.6
"""Share of the energy that is left from which two sounds are strangers: voices over a song's
quiet bars leave half of it, two strangers about all."""
_SILENT_POWER = 1e-9
_SILENT_SHARE = 1e-6
"""Power against the stretch's mean up to which both sounds are silent and tell nothing: -60 dB."""


@dataclass(frozen=True)
class Placed:
    """A shared stretch in both files, in seconds."""

    start_a: float
    end_a: float
    start_b: float
    end_b: float
    exact: bool
    """Whether the waveforms agree, so that the ends are the sound's own."""

    @property
    def offset(self) -> float:
        """Seconds to add to a time in a for the same moment in b, in the middle of the stretch."""
        return (self.start_b + self.end_b - self.start_a - self.end_a) / 2


def refine(read_a: Reader, read_b: Reader, coarse: Placed) -> Placed:
    """Move both ends of a stretch to where the sounds stop agreeing.

    Each end has its own offset: the clocks of two releases may run apart by a millisecond a
    minute. Where the waveforms do not correlate (another performance, heavy noise, another speed
    even by a thousandth), what was given comes back.
    """
    start = _end(read_a, read_b, coarse, forward=False)
    end = _end(read_a, read_b, coarse, forward=True)
    if start is None or end is None or end[0] <= start[0] or end[0] + end[1] <= start[0] + start[1]:
        return coarse
    return Placed(start[0], end[0], max(0.0, start[0] + start[1]), end[0] + end[1], exact=True)


def _end(
    read_a: Reader, read_b: Reader, coarse: Placed, *, forward: bool
) -> tuple[float, float] | None:
    """(time in a, offset), in seconds, of the end, or of the start."""
    _read_all_about(read_a, read_b, coarse, forward=forward)
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
        if not forward and first == lowest and count - agreed <= 2 * _FRAME:
            return lowest / RATE, max(shift, -lowest) / RATE
        if count - agreed > _EDGE or (not forward and first == lowest):
            break
        about += sign * _OUTWARD
    at = first + agreed if forward else last - agreed
    return at / RATE, shift / RATE


def _read_all_about(read_a: Reader, read_b: Reader, coarse: Placed, *, forward: bool) -> None:
    """Read at one go what is mostly wanted about an end: readers keep it, and to find the place in
    a file costs as much as to read some seconds of it."""
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
    """The offset near an end in samples, with a fraction; None where nothing agrees.

    Pieces further inward are tried where the outer one is silent or damaged.
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
    whole = math.floor(first)
    samples = read(whole - TAPS // 2 + 1, count + TAPS - 1)
    return between(samples, first - whole)


def between(samples: np.ndarray, fraction: float) -> np.ndarray:
    """Samples a fraction, 0..1, behind those of an array, each from the sixteen about it.

    Returns:
        ``TAPS - 1`` samples fewer: the first lies behind the one at ``TAPS // 2 - 1``.
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
    """As :func:`correlate`, by the middle two seconds where these fit one place only."""
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
    """(where in ``long`` the samples of ``short`` begin, to a fraction; normalized correlation)."""
    return _peak(_likeness(short, long))


def _peak(likeness: np.ndarray) -> tuple[float, float]:
    """(place of the greatest value, to a fraction; the value); both 0 where there is none."""
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
    """The normalized correlation at every place of ``short`` in ``long``; empty where both have
    nothing to compare."""
    from scipy.fft import irfft, next_fast_len, rfft

    nothing = np.zeros(0, np.float32)
    if len(long) < len(short) or len(short) < 4 * _FRAME:
        return nothing
    # Differences instead of samples: low notes have broad peaks.
    short, long = np.diff(short).astype(np.float32), np.diff(long).astype(np.float32)
    # Circular, no longer than ``long``: what wraps around lies behind the last whole overlap.
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
    """The sample behind the last one at which two sounds agree that agree at their beginning.

    What is left of their difference is compared with their energy every 5 ms: a little where they
    agree (codecs, another sound beneath), about all of it where they do not. The change is where
    the sum of that evidence is greatest, so a click or a lost packet inside does not end it, and a
    chance likeness outside does not move it. Silence in both is no evidence.
    """
    gain = _gain(a, b)
    hop = _FRAME // 4
    starts = np.arange(0, len(a) - _FRAME + 1, hop)
    frame_rest = _frames(np.square(a - gain * b), hop)
    frame_power = _frames(np.square(a) + gain**2 * np.square(b), hop)
    inner = frame_power[: max(4, len(starts) // 3)]
    silent = frame_power <= max(_SILENT_POWER * _FRAME, _SILENT_SHARE * float(inner.mean()))
    left = frame_rest / np.maximum(frame_power, 1e-30)
    known = left[: len(inner)][~silent[: len(inner)]]
    usual = float(np.clip(np.median(known), 1e-3, 0.7)) if len(known) else 0.1
    limit = math.sqrt(usual)
    evidence = np.clip(np.log(max(limit, _STRANGE) / np.maximum(left, 1e-9)), -1.0, 1.0)
    evidence[silent] = 0.0
    gained = np.concatenate([[0.0], np.cumsum(evidence)])
    frames = int(np.argmax(gained))
    near = 0 if frames == 0 else int(starts[frames - 1]) + _FRAME // 2
    low, high = max(0, near - _FINE), min(len(a), near + _FINE)
    own, other = a[low:high].astype(np.float64), gain * b[low:high].astype(np.float64)
    fine = np.cumsum(limit * (np.square(own) + np.square(other)) - np.square(own - other))
    if not len(fine) or fine.max() <= 0:
        return low
    return low + int(np.argmax(fine)) + 1


def _frames(values: np.ndarray, hop: int) -> np.ndarray:
    """Sums over frames of four hops, one frame every hop, float64."""
    hops = len(values) // hop
    sums = values[: hops * hop].reshape(hops, hop).sum(axis=1, dtype=np.float64)
    return np.asarray(sums[:-3] + sums[1:-2] + sums[2:-1] + sums[3:])


def _gain(a: np.ndarray, b: np.ndarray) -> float:
    """What b is multiplied with to be as loud as a, from the inner half of both."""
    inner = slice(0, len(a) // 2)
    energy, product = float(np.dot(b[inner], b[inner])), float(np.dot(a[inner], b[inner]))
    return max(1e-3, product / energy) if energy > 0 else 1.0

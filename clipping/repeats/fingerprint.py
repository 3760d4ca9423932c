"""Make fingerprints: a few bytes per second that stay nearly the same in another codec or loudness.

A fingerprint is rows of 32-bit words, one row every ``step`` seconds. Two recordings of the same
thing agree in most bits, two different ones in about half of them.

A word of sound compares 33 frequency bands over a third of a second. Bit n says whether band n
grew in amplitude compared with band n + 1. Equalization, loudness and codecs hardly change that.
The idea is that of Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002,
who compare powers over 12 ms.

A word of a picture says where brightness grows from left to right, another one where it grows from
top to bottom (like dHash: N. Krawetz, "Kind of Like That", hackerfactor.com, 2013).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from clipping.media.container import choose_audio, open_media, translated
from clipping.media.frames import frames_at
from clipping.media.probe import probe
from clipping.media.sound import sound_blocks

Kind = Literal["sound", "picture"]

SOUND_RATE = 8000
"""Samples per second. Bands end at 3 kHz: above it, codecs at low bit rates keep only noise."""
STEP_SAMPLES = 320
"""Samples from row to row (40 ms)."""
WINDOW_SAMPLES = 4096
"""Samples of one spectrum (0.5 s)."""
LAG_STEPS = 8
"""Steps (0.32 s) between the two spectra that a word of sound compares."""
_BANDS = 33
_LOWEST_HERTZ, _HIGHEST_HERTZ = 250.0, 3000.0
_ROWS_AT_ONCE = 256
"""Rows computed at once, to bound the memory."""

_QUIET_BELOW_LOUD = 1e-5
"""A window is silent up to this power, relative to the 95th percentile of the file's windows."""
_SILENT_POWER = 1e-8
"""A window is silent up to this mean square of samples in -1..1, in any file: -80 dB."""
_STEADY = 0.02
"""A window is a constant tone if no more than this fraction of its power moves between bands."""

PICTURE_RATE = 2.0
"""Pictures per second."""
_GRID = (6, 6)
"""Rows and columns of the grid on which brightness is compared."""
_FLAT_GREY = 4.0
"""A picture is blank up to this standard deviation of its brightness (of 255)."""


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """The words of a file's sound or picture, and their times."""

    words: np.ndarray = field(repr=False)
    """uint32 (rows, words per row): 1 word in a row of sound, 2 in a row of picture. A row whose
    first word is 0 is blank: silence, a constant tone, a picture of one colour."""
    step: float
    """Seconds from row to row."""
    centre: float
    """Media time, in seconds, of the first row: the middle of the samples it was made from."""
    kind: Kind

    def time(self, row: float) -> float:
        """Media time in seconds of the middle of a row."""
        return self.centre + row * self.step

    @property
    def bits(self) -> int:
        """Number of bits in a row."""
        return 32 * int(self.words.shape[1])


def sound_fingerprint(
    path: Path | str,
    *,
    start: float = 0.0,
    end: float | None = None,
    stream: int | str | None = None,
) -> Fingerprint:
    """The fingerprint of a file's sound. Of a long file only the words are held in memory.

    Args:
        start: of the region to read, in seconds of media time.
        end: of the region; None: until the sound ends.
        stream: as for :func:`clipping.media.sound.read_audio`.

    Raises:
        MediaError: if the file cannot be read, has no such sound, or none of it decodes.
    """
    path = Path(path)
    duration = None if end is None else end - start
    with translated(path), open_media(path) as container:
        sound = choose_audio(path, container, stream)
        blocks = sound_blocks(
            path, container, sound, rate=SOUND_RATE, start=start, duration=duration
        )
        words = sound_words(blocks)
    reach = LAG_STEPS * STEP_SAMPLES + WINDOW_SAMPLES
    centre = start + reach / 2 / SOUND_RATE
    return Fingerprint(words[:, np.newaxis], STEP_SAMPLES / SOUND_RATE, centre, "sound")


def sound_words(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """The uint32 words (rows,) of mono samples at ``SOUND_RATE`` Hz, in blocks of any size."""
    parts = list(_band_powers(blocks))
    bands = np.concatenate([*parts, np.zeros((0, _BANDS), np.float32)])
    if len(bands) <= LAG_STEPS:
        return np.zeros(0, np.uint32)
    total = bands.sum(axis=1)
    silent = total <= max(_SILENT_POWER, _QUIET_BELOW_LOUD * float(np.percentile(total, 95)))
    moved = np.abs(bands[LAG_STEPS:] - bands[:-LAG_STEPS]).sum(axis=1)
    steady = moved <= _STEADY * (total[LAG_STEPS:] + total[:-LAG_STEPS])
    # Compare amplitudes (square roots), not logarithms: in a nearly silent band the noise of a
    # codec would change a logarithm as much as music changes a loud band.
    loudness = np.sqrt(bands)
    slope = loudness[:, :-1] - loudness[:, 1:]
    grew = slope[LAG_STEPS:] > slope[:-LAG_STEPS]
    words = _packed(grew)[:, 0]
    words[words == 0] = 1  # 0 is kept for blank rows
    words[silent[LAG_STEPS:] | silent[:-LAG_STEPS] | steady] = 0
    return words


def picture_fingerprint(
    path: Path | str,
    *,
    start: float = 0.0,
    end: float | None = None,
    rate: float = PICTURE_RATE,
    threads: int | None = 1,
) -> Fingerprint:
    """The fingerprint of a file's picture, with ``rate`` rows per second.

    Args:
        start: of the region to read, in seconds of media time.
        end: of the region; None: the end of the file.
        threads: of the decoder; None: one per core.

    Raises:
        MediaError: if the file cannot be read, has no picture, or none of it decodes.
    """
    path = Path(path)
    end = probe(path).duration if end is None else end
    times = start + np.arange(max(0, int((end - start) * rate))) / rate
    words = picture_words(path, times.tolist(), threads=threads)
    return Fingerprint(words, 1 / rate, start, "picture")


def picture_words(path: Path, times: list[float], *, threads: int | None = 1) -> np.ndarray:
    """uint32 (times, 2): a row for the picture shown at each time; 0, 0 if none is shown.

    Args:
        times: seconds of media time, ascending.
    """
    rows = np.zeros((len(times), 2), np.uint32)
    last: tuple[float, np.ndarray] | None = None
    for row, frame in zip(rows, frames_at(path, times, threads=threads), strict=True):
        if frame is None:
            continue
        if last is None or frame.time != last[0]:
            last = frame.time, _picture_row(frame.rgb((64, 36)))
        row[:] = last[1]
    return rows


def _band_powers(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Mean square of the samples in each band, float32 (rows, bands), some rows at a time.

    The spectrum of a Hann window, summed over bands that are equally wide in pitch.
    """
    from scipy.fft import rfft

    edges = np.geomspace(_LOWEST_HERTZ, _HIGHEST_HERTZ, _BANDS + 1) * WINDOW_SAMPLES / SOUND_RATE
    bins = np.round(edges).astype(int)
    window = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
    window *= np.float32(np.sqrt(2 / (WINDOW_SAMPLES * np.square(window).sum())))
    at_once = (_ROWS_AT_ONCE - 1) * STEP_SAMPLES + WINDOW_SAMPLES
    for samples in _overlapping(blocks, at_once, _ROWS_AT_ONCE * STEP_SAMPLES):
        if len(samples) < WINDOW_SAMPLES:
            return
        rows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::STEP_SAMPLES]
        spectrum = rfft(rows * window, axis=1)[:, bins[0] : bins[-1]]
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        yield np.add.reduceat(power, bins[:-1] - bins[0], axis=1)


def _overlapping(blocks: Iterable[np.ndarray], length: int, stride: int) -> Iterator[np.ndarray]:
    """Pieces of ``length`` samples that begin ``stride`` samples apart; the last one is shorter."""
    parts: list[np.ndarray] = []
    held = 0
    for block in blocks:
        parts.append(block)
        held += len(block)
        if held >= length:
            samples = np.concatenate(parts)
            while len(samples) >= length:
                yield samples[:length]
                samples = samples[stride:]
            parts, held = [samples], len(samples)
    yield np.concatenate([*parts, np.zeros(0, np.float32)])


def _packed(bits: np.ndarray) -> np.ndarray:
    """bool (rows, 32 n) → uint32 (rows, n)."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").astype(np.uint32)


def _picture_row(rgb: np.ndarray) -> np.ndarray:
    """The two words of a picture, uint8 (height, width, 3); its black borders are ignored."""
    grey = rgb.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    grey = grey[_lit(grey, 1)][:, _lit(grey, 0)]
    if not grey.size or grey.std() <= _FLAT_GREY:
        return np.zeros(2, np.uint32)
    grid = _averaged(_averaged(grey, _GRID[0], 0), _GRID[1], 1)
    right = (grid[:, 1:] > grid[:, :-1]).ravel()[:30]
    down = (grid[1:] > grid[:-1]).ravel()[:30]
    bits = np.zeros((1, 64), bool)
    bits[0, :30], bits[0, 32:62] = right, down
    bits[0, 31] = True  # else a picture that nowhere gets brighter to the right would be blank
    return _packed(bits)[0]


def _lit(grey: np.ndarray, axis: int) -> slice:
    """The rows (or columns) between the black borders of a letterbox."""
    lit = np.flatnonzero(grey.max(axis=axis) > 32)
    return slice(int(lit[0]), int(lit[-1]) + 1) if len(lit) else slice(0, 0)


def _averaged(grey: np.ndarray, count: int, axis: int) -> np.ndarray:
    """The means of ``count`` equal parts along an axis; a row may belong to two parts by fractions.

    The sum up to a fractional place is interpolated in the cumulative sum.
    """
    total = np.concatenate(
        [np.zeros_like(grey.take([0], axis)), np.cumsum(grey, axis, dtype=np.float64)], axis
    )
    at = np.linspace(0, grey.shape[axis], count + 1)
    low = np.minimum(at.astype(int), grey.shape[axis] - 1)
    shape = [1, 1]
    shape[axis] = -1
    part = (at - low).reshape(shape)
    sums = total.take(low, axis) * (1 - part) + total.take(low + 1, axis) * part
    return np.diff(sums, axis=axis)

"""The difference of two sounds shows speech over one of them, not the losses of codecs."""

from __future__ import annotations

import numpy as np
import pytest

from clipping.repeats.refine import RATE, Placed, Reader
from clipping.repeats.residual import STEP, residual

LENGTH = 30
PLACED = Placed(0.0, float(LENGTH), 0.0, float(LENGTH), exact=True)
TIMES = np.arange(LENGTH * RATE) / RATE


def music(seed: int) -> np.ndarray:
    """Chords in noise, with quiet and loud bars; no two seconds are alike."""
    rng = np.random.default_rng(seed)
    notes = rng.uniform(150, 1500, (LENGTH, 4))
    sound = np.zeros(len(TIMES))
    for second, chord in enumerate(notes):
        here = slice(second * RATE, (second + 1) * RATE)
        sound[here] = sum(np.sin(2 * np.pi * note * TIMES[here]) for note in chord)
        sound[here] *= 0.02 if 8 <= second < 20 else 0.2
    return sound + rng.normal(0, 0.002, len(TIMES))


def talk(first: float, last: float) -> np.ndarray:
    """Something like a voice, syllables and all."""
    voiced = sum(np.sin(2 * np.pi * 140 * k * TIMES) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 3 * TIMES), 0, 1)
    return 0.4 * voiced * syllables * ((first <= TIMES) & (last > TIMES))


def reader(sound: np.ndarray) -> Reader:
    def read(first: int, size: int) -> np.ndarray:
        padded = np.zeros(size, np.float32)
        begin, end = max(0, first), min(len(sound), first + size)
        if end > begin:
            padded[begin - first : end - first] = sound[begin:end]
        return padded

    return read


def left(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found = residual(reader(a), reader(b), PLACED)
    assert found is not None
    return found


def test_nothing_is_left_of_a_quieter_copy() -> None:
    assert left(0.25 * music(1), music(1)).max() < 1e-3


@pytest.mark.parametrize("swapped", [False, True])
def test_rumble_that_one_copy_lacks_is_no_talk(swapped: bool) -> None:
    # As in a real season: rumble below 25 Hz, louder than a quiet song, which Opus removes.
    rng = np.random.default_rng(2)
    drift = np.convolve(rng.normal(0, 1, len(TIMES)), np.hanning(2000), "same")
    rumble = 0.05 * drift / drift.std() + 0.05 * np.sin(2 * np.pi * 9 * TIMES)
    copies = [music(1) + rumble, music(1)]
    assert left(*copies[:: -1 if swapped else 1]).max() < 0.05


@pytest.mark.parametrize("swapped", [False, True])
def test_talk_in_one_copy_is_left_where_it_is(swapped: bool) -> None:
    copies = [music(1) + talk(10, 18), music(1)]
    share = left(*copies[:: -1 if swapped else 1])
    seconds = np.arange(len(share)) * STEP
    inside = (seconds >= 10.5) & (seconds <= 17)
    outside = (seconds < 9) | (seconds > 18.5)
    assert np.median(share[inside]) > 0.6
    assert share[outside].max() < 0.05

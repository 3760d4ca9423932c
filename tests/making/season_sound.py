"""The sound of a made season: a track from any second on, the same for the same seed.

Talk and places are endless and made in cells of 8 s, so an excerpt costs no more than its length.
No stretch of them comes twice: syllables are taken at random from what a voice can say, at random
pitch, over noise that is drawn again.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from making.season_material import SYNTHESIZED, Material
from making.season_plan import FRAMES_PER_SECOND, Piece, Track
from scipy.signal import lfilter

from avtnet.synthesis.music import SAMPLE_RATE
from avtnet.synthesis.speech import AMBIENCES

CELL_SECONDS = 8
CELL_SAMPLES = CELL_SECONDS * SAMPLE_RATE
CELLS_A_SCENE = 3
EDGE_SAMPLES = 110
"""5 ms in which a piece starts and stops, so that cuts do not click."""


def sample(frame: int) -> int:
    """The first sample that sounds while a frame is shown."""
    return round(frame * SAMPLE_RATE / FRAMES_PER_SECOND)


def piece_sound(piece: Piece, samples: int, material: Material = SYNTHESIZED) -> np.ndarray:
    """float32 samples at 22050 Hz of a whole piece."""
    mix = np.zeros(samples, np.float32)
    for track in piece.tracks:
        first = sample(round(track.begin * FRAMES_PER_SECOND))
        if track.length is None:
            track = replace(track, length=track.begin + piece.seconds)
        mix += np.float32(track.gain) * _SOURCES[track.kind](material, track, first, samples)
    edge = min(EDGE_SAMPLES, samples // 2)
    ramp = np.linspace(0, 1, edge, dtype=np.float32)
    mix[:edge] *= ramp
    mix[samples - edge :] *= ramp[::-1]
    return np.clip(mix, -1, 1)


def _music(material: Material, track: Track, first: int, samples: int) -> np.ndarray:
    assert track.length is not None
    whole = material.song(track.kind, track.seed, round(track.length * SAMPLE_RATE))
    sound = whole[first : first + samples]
    return np.pad(sound, (0, samples - len(sound)))


def _talk(material: Material, track: Track, first: int, samples: int) -> np.ndarray:
    def cell(number: int) -> np.ndarray:
        return _talk_cell(material, track.voices, track.seed, number)

    return _from_cells(cell, first, samples)


def _place(material: Material, track: Track, first: int, samples: int) -> np.ndarray:
    return _from_cells(lambda cell: _place_cell(track.seed, cell), first, samples)


_SOURCES = {
    "opening": _music,
    "ending": _music,
    "score": _music,
    "jingle": _music,
    "talk": _talk,
    "place": _place,
}


def _from_cells(cell, first: int, samples: int) -> np.ndarray:
    begin, end = first // CELL_SAMPLES, -(-(first + samples) // CELL_SAMPLES)
    sound = np.concatenate([cell(number) for number in range(begin, end)])
    return sound[first - begin * CELL_SAMPLES :][:samples]


@lru_cache(maxsize=8)
def _talk_cell(material: Material, voices: int, seed: int, cell: int) -> np.ndarray:
    rng = np.random.default_rng((seed, cell, 1))
    sayings = material.sayings(voices)
    speakers = rng.integers(len(sayings), size=2)
    sound = np.zeros(CELL_SAMPLES, np.float32)
    at = int(rng.integers(SAMPLE_RATE))
    while True:
        words = sayings[speakers[rng.integers(2)]]
        pause = int(
            SAMPLE_RATE * (rng.uniform(1, 2) if rng.random() < 0.1 else rng.gamma(1.5, 0.2))
        )
        for _ in range(rng.integers(*material.words)):
            size = int(rng.integers(*material.word_samples))
            pitch = np.float32(rng.uniform(0.88, 1.14))
            begin = int(rng.integers(len(words) - 2 * size))
            if at + size > CELL_SAMPLES:
                return sound
            places = (np.arange(size, dtype=np.float32) * pitch).astype(np.int32)
            word = words[begin : begin + 2 * size][places] * _window(size)
            sound[at : at + size] += np.float32(rng.uniform(0.7, 1.2)) * word
            at += size - 300
        at += pause


@lru_cache(maxsize=512)
def _window(size: int) -> np.ndarray:
    window = np.ones(size, np.float32)
    window[:300] = np.linspace(0, 1, 300)
    window[-300:] = np.linspace(1, 0, 300)
    return window


@lru_cache(maxsize=8)
def _place_cell(seed: int, cell: int) -> np.ndarray:
    scene = np.random.default_rng((seed, cell // CELLS_A_SCENE, 3))
    low, high = AMBIENCES[str(scene.choice(list(AMBIENCES)))]
    level = float(np.exp(scene.uniform(np.log(0.006), np.log(0.05))))
    rng = np.random.default_rng((seed, cell, 4))
    noise = rng.standard_normal(CELL_SAMPLES, dtype=np.float32)
    # One pole below and one above: a band of noise, for two multiplications a sample.
    fall, rise = np.exp(-2 * np.pi * np.array([high, low]) / SAMPLE_RATE)
    noise = lfilter([1 - fall, -(1 - fall)], [1, -(fall + rise), fall * rise], noise)
    noise *= level / (np.sqrt(np.mean(np.square(noise[:SAMPLE_RATE]))) + 1e-9)
    for _ in range(rng.poisson(0.5)):  # a blow
        size = int(rng.uniform(0.2, 0.8) * SAMPLE_RATE)
        at = int(rng.integers(CELL_SAMPLES - size))
        blow = rng.standard_normal(size, dtype=np.float32)
        blow *= np.exp(-np.arange(size, dtype=np.float32) * np.float32(6 / size))
        noise[at : at + size] += np.float32(rng.uniform(0.03, 0.25)) * blow
    return noise.astype(np.float32)

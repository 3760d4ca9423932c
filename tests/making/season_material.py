"""The material of a season: songs and voices, synthesized or cut from recordings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from making.season_plan import EpisodePlan
from scipy.ndimage import maximum_filter1d

from avtnet.synthesis.music import SAMPLE_RATE, draw_song, play
from avtnet.synthesis.speech import Cast, draw_voice
from clipping.media.probe import probe
from clipping.media.sound import read_audio

MUSIC = ("opening", "ending", "score", "jingle")
UTTERANCES = 24
"""Of each synthesized voice, from which new talk is put together."""
RECORDINGS = 120
"""Of a speaker, that are listened to."""
LOUDNESS = 0.14
"""Root mean square of a song."""


class Material(Protocol):
    """The origin of songs and voices."""

    word_samples: tuple[int, int]
    """How much is said in one go, at least and at most, at 22050 Hz."""
    words: tuple[int, int]
    """How often, before somebody else may talk."""

    def song(self, kind: str, seed: int, samples: int) -> np.ndarray:
        """Music at 22050 Hz, the same for the same arguments, audible from end to end."""

    def sayings(self, voices: int) -> list[np.ndarray]:
        """Return the words of each speaker of a cast."""


class Synthesized:
    """Songs and voices of :mod:`avtnet.synthesis`; words of one to three syllables."""

    word_samples = (3000, 9000)
    words = (3, 12)

    @lru_cache(maxsize=32)  # noqa: B019 - there is one
    def song(self, kind: str, seed: int, samples: int) -> np.ndarray:
        song = play(draw_song(kind, np.random.default_rng(seed)), samples).copy()
        # The last chord dies away; held up, so that it is heard until the last sample.
        loud, last = _loudness(song), _loudness(song[-SAMPLE_RATE // 5 :])
        chord = min(samples, 4 * SAMPLE_RATE)
        song[-chord:] *= np.geomspace(1, max(1.0, 0.25 * loud / last), chord, dtype=np.float32)
        return song

    @lru_cache(maxsize=8)  # noqa: B019
    def sayings(self, voices: int) -> list[np.ndarray]:
        rng = np.random.default_rng((voices, 2))
        cast = Cast(tuple(draw_voice(rng) for _ in range(4)), rng)
        return [
            np.concatenate([cast.say(who, 2.5, rng) for _ in range(UTTERANCES)]) for who in range(4)
        ]


SYNTHESIZED = Synthesized()


class Recorded:
    """Songs cut from music files, voices from recordings of speakers (a folder each).

    Every song of a season comes from a file of its own while there are enough of them, else from
    a later part of one.
    """

    word_samples = (12_000, 55_000)
    words = (1, 4)

    def __init__(self, music: Path, speech: Path, plans: Sequence[EpisodePlan]) -> None:
        tracks = [
            track for plan in plans for piece in plan.pieces for track in piece.tracks
            if track.kind in MUSIC
        ]  # fmt: skip
        keys = list(dict.fromkeys((track.kind, track.seed) for track in tracks))
        longest = max([piece.seconds for plan in plans for piece in plan.pieces if piece.label])
        files = [path for path in _sounds(music) if probe(path).duration > longest + 15]
        if not files:
            raise ValueError(f"{music}: holds no music of more than {longest + 15:.0f} s")
        order = np.random.default_rng([seed for _, seed in keys]).permutation(len(files))
        self._places = {
            key: (files[order[number % len(files)]], number // len(files))
            for number, key in enumerate(keys)
        }
        self._speakers = [_sounds(folder) for folder in sorted(speech.iterdir())]

    @lru_cache(maxsize=32)  # noqa: B019 - lives as long as a season is made
    def song(self, kind: str, seed: int, samples: int) -> np.ndarray:
        path, part = self._places[kind, seed]
        sound = read_audio(path, rate=SAMPLE_RATE)
        step = SAMPLE_RATE // 2
        loud = _loudness(sound)
        begins = np.arange(0, max(1, len(sound) - samples), step)
        begins = np.roll(begins, -part * (len(begins) // 3))
        edge = SAMPLE_RATE // 5

        def audible(begin: int) -> float:
            song = sound[begin : begin + samples]
            return min(_loudness(song[:edge]), _loudness(song[-edge:])) / loud

        begin = next((each for each in begins if audible(each) > 0.6), max(begins, key=audible))
        song = sound[begin : begin + samples]
        song = np.pad(song, (0, samples - len(song)))
        return np.tanh(song * np.float32(LOUDNESS / _loudness(song)))

    def sayings(self, voices: int) -> list[np.ndarray]:
        count = len(self._speakers)
        cast = [(voices + number) % count for number in range(max(1, count // 2))]
        return [self._all_said[number] for number in cast]

    @cached_property
    def _all_said(self) -> list[np.ndarray]:
        everybody = []
        for files in self._speakers:
            said = np.concatenate(
                [read_audio(path, rate=SAMPLE_RATE) for path in files[:RECORDINGS]]
            )
            loud = np.abs(said) > 0.02  # without the pauses around what is said
            heard = maximum_filter1d(loud.view(np.uint8), 4001) > 0
            said = said[heard].astype(np.float32)
            everybody.append(said * np.float32(0.1 / _loudness(said)))
        return everybody


def _sounds(folder: Path) -> list[Path]:
    suffixes = {".wav", ".ogg", ".flac", ".mp3", ".opus", ".m4a"}
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)


def _loudness(sound: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(sound)))) + 1e-9

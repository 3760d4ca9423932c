"""Seasons of sound alone that cost a twentieth of a second an episode: tones that jump, in FLAC."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from clipping.segments import Segment

RATE = 8000
SONG_SECONDS = 20.0


def tones(seconds: float, seed: int) -> np.ndarray:
    """Three voices that jump from tone to tone, and a little noise; float32 at ``RATE``."""
    rng = np.random.default_rng(seed)
    count = round(seconds * RATE)
    sound = rng.normal(0, 0.02, count)
    for _ in range(3):
        hold = int(rng.integers(1200, 2600))
        steps = count // hold + 1
        hertz = np.repeat(np.exp(rng.uniform(np.log(250), np.log(3000), steps)), hold)[:count]
        gain = np.repeat(rng.uniform(0.2, 1, steps), hold)[:count]
        sound += gain * np.sin(2 * np.pi * np.cumsum(hertz) / RATE) / 4
    return sound.astype(np.float32)


_song = lru_cache(maxsize=2)(tones)


def _lengths(number: int, season: int, song: float, story: float) -> list[float]:
    """Seconds of the parts: story, opening, story, ending, story."""
    rng = np.random.default_rng((season, number))
    before, behind = rng.uniform(2, 9), rng.uniform(2, 6)
    return [round(each * RATE) / RATE for each in (before, song, story, song, behind)]


def places(
    number: int, season: int = 1, *, song: float = SONG_SECONDS, story: float = 15.0
) -> list[Segment]:
    """The truth about an episode."""
    at = np.cumsum(_lengths(number, season, song, story)).tolist()
    return [Segment(at[0], at[1], "opening"), Segment(at[2], at[3], "ending")]


def make_episode(
    path: Path, number: int, season: int = 1, *, song: float = SONG_SECONDS, story: float = 15.0
) -> list[Segment]:
    """An episode of about 65 s with its season's opening and ending; what is true of it."""
    before, _, between, _, behind = _lengths(number, season, song, story)
    seed = 10_000 * season + 10 * number
    songs = [_song(song, 1_000_000 * season + each) for each in (1, 2)]
    parts = [tones(before, seed), songs[0], tones(between, seed + 1), songs[1]]
    parts.append(tones(behind, seed + 2))
    rng = np.random.default_rng((season, number, 1))
    samples = np.clip(np.concatenate(parts) * rng.uniform(0.5, 0.9), -1, 1)
    whole = (samples * 32000).astype(np.int16)[np.newaxis]
    with av.open(str(path), "w", format="matroska") as container:
        options = {"compression_level": "0"}
        stream = container.add_stream("flac", rate=RATE, layout="mono", options=options)
        for first in range(0, whole.shape[1], 10 * RATE):
            block = np.ascontiguousarray(whole[:, first : first + 10 * RATE])
            frame = av.AudioFrame.from_ndarray(block, "s16", "mono")
            frame.rate, frame.pts = RATE, first
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return places(number, season, song=song, story=story)


def make_season(folder: Path, episodes: int, season: int = 1) -> dict[str, list[Segment]]:
    """``Show S01E01.mka`` and so on, and their truth by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"Show S{season:02}E{number:02}.mka" for number in range(1, episodes + 1)]
    return {
        name: make_episode(folder / name, number, season) for number, name in enumerate(names, 1)
    }

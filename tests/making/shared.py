"""Sounds with a stretch in common: songs and story of ``avtnet.synthesis``, in real codecs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soxr
from making.media import make_media
from PIL import Image

from avtnet.synthesis.music import draw_song, play
from avtnet.synthesis.speech import Cast, ambience, draw_voice

RATE = 22050
CHEAP = {"rate": 16000, "layout": "mono"}
"""How :func:`write` is told to take a quarter of the time."""


def song(seconds: float, seed: int, kind: str = "opening") -> np.ndarray:
    """A song of so many seconds that is the same for the same seed."""
    return play(draw_song(kind, np.random.default_rng(seed)), round(seconds * RATE)).copy()


def story(seconds: float, seed: int) -> np.ndarray:
    """Talk in a place, for so many seconds."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * RATE)
    cast = Cast(tuple(draw_voice(rng) for _ in range(2)), rng)
    sound, at = ambience(samples, rng).copy(), 0
    while at < samples:
        talk = cast.say(int(rng.integers(2)), 3.0, rng)[: samples - at]
        sound[at : at + len(talk)] += talk
        at += len(talk) + int(rng.integers(RATE // 10, RATE // 2))
    return sound


def spliced(*parts: np.ndarray) -> np.ndarray:
    """One after another."""
    return np.concatenate(parts).astype(np.float32)


def write(
    path: Path, sound: np.ndarray, *, rate: int = 44100, codec: str = "aac", **kwargs
) -> Path:
    """Encode a sound; without a picture unless ``video_codec`` is given."""
    exact = soxr.resample(sound, RATE, rate, "VHQ")

    def at(times: np.ndarray, track: int) -> np.ndarray:
        return exact[np.minimum(np.round(times * rate).astype(int), len(exact) - 1)]

    kwargs.setdefault("video_codec", None)
    return make_media(
        path,
        duration=len(exact) / rate,
        audio_codec=codec,
        audio_rate=rate,
        sound=at,
        **kwargs,
    )


def film(
    path: Path,
    shots: Sequence[tuple[float, int]],
    *,
    size: tuple[int, int] = (320, 180),
    codec: str = "libx264",
    rate: int = 24,
    letterbox: int = 0,
) -> Path:
    """A film without sound, of shots (seconds, seed) that change their picture every second.

    Args:
        letterbox: black rows above and below, within ``size``.
    """
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        number = 0
        for seconds, seed in shots:
            for index in range(round(seconds * rate)):
                coarse = np.random.default_rng((seed, index // rate)).integers(0, 256, (5, 7, 3))
                inner = Image.fromarray(coarse.astype(np.uint8)).resize(
                    (width, height - 2 * letterbox), Image.Resampling.BICUBIC
                )
                picture = np.zeros((height, width, 3), np.uint8)
                picture[letterbox : height - letterbox] = np.asarray(inner)
                frame = av.VideoFrame.from_ndarray(picture, "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, rate)
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode(None))
    return path

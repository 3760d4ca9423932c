"""What is compared of a file: made once, kept as a small file, compared with any number of others.

Making it costs the decoding of the file; with it at hand, a comparison decodes only some seconds
about the ends of what is found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from clipping.errors import ConfigError, FeatureError, MediaError
from clipping.files import atomic_path
from clipping.media.probe import probe
from clipping.media.sound import read_audio
from clipping.repeats.fingerprint import (
    LAG_STEPS,
    PICTURE_RATE,
    SOUND_RATE,
    STEP_SAMPLES,
    WINDOW_SAMPLES,
    Fingerprint,
    picture_fingerprint,
    picture_words,
    sound_fingerprint,
)
from clipping.repeats.matching import Index, Tolerance
from clipping.repeats.memory_cache import MemoryCache
from clipping.repeats.refine import RATE, Reader
from clipping.repeats.refine_picture import Look
from clipping.tensor_file import Form, open_tensor_file, to_bytes

MOST_BYTES = 1 << 26
"""No file of prints is larger: a day of sound and picture takes 10 MB."""
FORM = Form("clipping.repeats.file_fingerprint", 1, MOST_BYTES, "prints", "; delete it")
"""Another version where the same sound gives other words, too."""
_BLOCK = 2 * RATE
_EDGE = RATE // 10
"""Samples read beyond a block, which a resampler's edges would spoil otherwise."""
_HEARD: MemoryCache[np.ndarray] = MemoryCache(3 << 27, lambda block: block.nbytes)
"""The sound that was read last of all files: two songs take 6 MB of each."""


@dataclass(frozen=True)
class SharedSettings:
    """What counts as shared, and where it is looked for: by default everywhere, since one opening
    in 60 ends after 400 s (docs/measured/shared.md).
    """

    shortest: float = 10.0
    """seconds that a shared stretch has at least"""
    by: Literal["both", "sound", "picture"] = "both"
    """compare the sounds, the pictures, or both where a file has them"""
    region_start: float = 0.0
    """seconds of each file before which nothing is looked for"""
    region_end: float | None = None
    """seconds of each file after which nothing is looked for; left out: to the end"""
    audio: str | None = None
    """language or index of the sound stream; left out: the default one"""
    sound: Tolerance = field(default_factory=Tolerance)
    picture: Tolerance = field(default_factory=lambda: Tolerance(errors=0.22, smooth=3.0))

    def __post_init__(self) -> None:
        if not self.shortest >= 2:
            raise ConfigError(f"a shared stretch has 2 s at least, got shortest {self.shortest}")
        end = self.region_end
        if self.region_start < 0 or (end is not None and end <= self.region_start):
            raise ConfigError(
                f"0 <= region_start < region_end is needed, got {self.region_start} and {end}"
            )

    @property
    def stream(self) -> int | str | None:
        """The sound stream as :func:`clipping.media.sound.read_audio` takes it."""
        number = self.audio is not None and self.audio.isdecimal()
        return int(self.audio) if number and self.audio is not None else self.audio

    def fingerprint_settings(self) -> dict[str, Any]:
        """Those settings that decide what the prints of a file are, as plain JSON values."""
        keys = ("by", "region_start", "region_end", "audio")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True, eq=False)
class FileFingerprint:
    """What is compared of a file."""

    path: Path
    duration: float
    """Seconds of media time."""
    sound: Index | None
    picture: Index | None
    read: Reader | None = None
    """A few seconds of the sound at any place; there where ``sound`` is."""
    look: Look | None = None
    """The pictures' words at any times; there where ``picture`` is."""


class SoundReader:
    """The sound of a file at ``RATE`` Hz, a few seconds at any place; what was read is kept."""

    def __init__(self, path: Path, end: float, stream: int | str | None) -> None:
        """``end``: seconds of media time behind which nothing is read."""
        self.path, self.end, self.stream = path, end, stream
        self._samples = round(end * RATE)

    def __call__(self, first: int, count: int) -> np.ndarray:
        """``count`` samples from ``first`` on, zeros before 0 and behind the end.

        Raises:
            MediaError: where the file can no longer be read.
        """
        samples = np.zeros(count, np.float32)
        begin, end = max(0, first), min(self._samples, first + count)
        if begin >= end:
            return samples
        numbers = range(begin // _BLOCK, -(-end // _BLOCK))
        for number, block in zip(numbers, self._blocks(numbers), strict=True):
            low, high = max(begin, number * _BLOCK), min(end, (number + 1) * _BLOCK)
            piece = block[low - number * _BLOCK : high - number * _BLOCK]
            samples[low - first : high - first] = piece
        return samples

    def _blocks(self, numbers: range) -> list[np.ndarray]:
        """Blocks side by side; those that are not kept are read at one go: to open a file and find
        the place costs as much as some seconds of sound."""
        kept = ((number, _HEARD.get(self, number)) for number in numbers)
        known = {number: block for number, block in kept if block is not None}
        missing = [number for number in numbers if number not in known]
        if missing:
            first = missing[0]
            read = self._read(first, missing[-1] + 1)
            for place in range(missing[-1] + 1 - first):
                block = read[place * _BLOCK : (place + 1) * _BLOCK].copy()
                known[first + place] = block
                _HEARD.keep(self, first + place, block)
        return [known[number] for number in numbers]

    def _read(self, first: int, behind: int) -> np.ndarray:
        """The samples of some blocks."""
        start, end = first * _BLOCK, behind * _BLOCK
        edge = min(start, _EDGE)
        samples = read_audio(
            self.path,
            rate=RATE,
            start=(start - edge) / RATE,
            end=(end + _EDGE) / RATE,
            stream=self.stream,
        )
        return samples[edge : edge + end - start]


def make_fingerprint(path: Path | str, settings: SharedSettings | None = None) -> FileFingerprint:
    """Look at, or listen to, a whole file (or the region of the settings).

    Raises:
        MediaError: where the file cannot be read, or has nothing of what is to be compared.
    """
    path, settings = Path(path), settings or SharedSettings()
    info = probe(path)
    start, end = settings.region_start, settings.region_end
    sound = picture = None
    read = None
    if info.audio and settings.by != "picture":
        sound = sound_fingerprint(path, start=start, end=end, stream=settings.stream)
        read = SoundReader(path, _heard_until(sound, start), settings.stream)
    if info.video is not None and settings.by != "sound":
        until = info.duration if end is None else min(end, info.duration)
        picture = picture_fingerprint(path, start=start, end=until)
    if sound is None and picture is None:
        raise MediaError(f"{path}: has no {settings.by if settings.by != 'both' else 'sound'}")
    return FileFingerprint(
        path,
        info.duration,
        None if sound is None else Index(sound),
        None if picture is None else Index(picture),
        read,
        None if picture is None else partial(picture_words, path),
    )


def _heard_until(sound: Fingerprint, start: float) -> float:
    """Seconds of media time up to which there is sound, to a step."""
    rows = len(sound.words) + LAG_STEPS
    return start + (rows * STEP_SAMPLES + WINDOW_SAMPLES) / SOUND_RATE


def save_fingerprint(fingerprint: FileFingerprint, file: Path, origin: str = "") -> None:
    """Write the prints of a media file as one safetensors file, whole or not at all.

    Args:
        origin: what the caller wants to find in it again, such as who the media file is; its path
            is not in it.

    Raises:
        ClippingError: where it cannot be written.
        FeatureError: where it would be larger than ``MOST_BYTES``.
    """
    tensors: dict[str, np.ndarray] = {}
    about: dict[str, Any] = {"duration": fingerprint.duration, "origin": origin}
    for kind, index in (("sound", fingerprint.sound), ("picture", fingerprint.picture)):
        if index is not None:
            tensors[kind] = index.words
            about[kind] = {"centre": index.fingerprint.centre}
    if isinstance(fingerprint.read, SoundReader):
        about["sound"] |= {"end": fingerprint.read.end, "stream": fingerprint.read.stream}
    try:
        data = to_bytes(FORM, about, tensors)
    except FeatureError as error:
        raise FeatureError(f"{fingerprint.path}: {error}") from error
    with atomic_path(file) as temporary:
        temporary.write_bytes(data)


def load_fingerprint(file: Path, media: Path, origin: str = "") -> FileFingerprint:
    """Read what :func:`save_fingerprint` wrote, trusting nothing in it.

    Args:
        media: where the media file is now; it is opened when its sound or pictures are asked for.
        origin: what :func:`save_fingerprint` was given.

    Raises:
        FeatureError: naming the file, where it is missing, damaged, or of another version or
            origin.
    """
    with open_tensor_file(file, FORM) as told:
        about = told.about
        if about["origin"] != origin:
            raise FeatureError("they are those of another file, or of other settings")
        kinds = set(told.stored.keys())
        named = set(about) - {"duration", "origin"}
        if not kinds or not kinds <= {"sound", "picture"} or kinds != named:
            raise FeatureError(f"it holds {sorted(kinds)} and tells of {sorted(about)}")
        sound = _index(told.stored, "sound", about) if "sound" in kinds else None
        picture = _index(told.stored, "picture", about) if "picture" in kinds else None
        both = (("sound", sound), ("picture", picture))
        told.check({kind: index.words for kind, index in both if index is not None})
        read = None
        if sound is not None:
            stream = about["sound"]["stream"]
            if isinstance(stream, bool) or not isinstance(stream, int | str | None):
                raise FeatureError(f"its stream is {stream!r}")
            read = SoundReader(media, _seconds(about["sound"], "end"), stream)
        look = None if picture is None else partial(picture_words, media)
        return FileFingerprint(media, _seconds(about, "duration"), sound, picture, read, look)


_STEPS = {"sound": STEP_SAMPLES / SOUND_RATE, "picture": 1 / PICTURE_RATE}
_WORDS_A_ROW = {"sound": 1, "picture": 2}


def _index(stored: Any, kind: Literal["sound", "picture"], about: dict[str, Any]) -> Index:
    """The words of one kind: their shape is looked at before memory is taken."""
    piece = stored.get_slice(kind)
    shape, made_of = piece.get_shape(), piece.get_dtype()
    if made_of != "U32" or len(shape) != 2 or shape[1] != _WORDS_A_ROW[kind]:
        raise FeatureError(
            f"{kind} must be U32 (rows, {_WORDS_A_ROW[kind]}), got {made_of} {shape}"
        )
    words = np.asarray(stored.get_tensor(kind))
    return Index(Fingerprint(words, _STEPS[kind], _seconds(about[kind], "centre"), kind))


def _seconds(values: dict[str, Any], key: str) -> float:
    value = float(values[key])
    if not (math.isfinite(value) and value >= 0):
        raise FeatureError(f"{key} must be 0 or more seconds, got {value}")
    return value

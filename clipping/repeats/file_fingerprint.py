"""Make, save and load the fingerprints of a media file, for comparing it with any other file.

Making them means decoding the whole file. Comparing two files that have fingerprints decodes only
a few seconds around the ends of each stretch that is found.
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
from clipping.repeats.index import Index
from clipping.repeats.matching import Tolerance
from clipping.repeats.memory_cache import MemoryCache
from clipping.repeats.refine import RATE, Reader
from clipping.repeats.refine_picture import Look
from clipping.tensor_file import Form, open_tensor_file, to_bytes

MOST_BYTES = 1 << 26
"""Largest file of fingerprints; a day of sound and picture takes 10 MB."""
FORM = Form("clipping.repeats.file_fingerprint", 1, MOST_BYTES, "prints", "; delete it")
"""The file format. Its version is also raised when the same sound gives other words."""
_BLOCK = 2 * RATE
"""Samples in a block of :class:`SoundReader`."""
_EDGE = RATE // 10
"""Samples read on both sides of the wanted ones and dropped: the resampler distorts the edges."""
_SOUND_BLOCKS: MemoryCache[np.ndarray] = MemoryCache(3 << 27, lambda block: block.nbytes)
"""The blocks of sound that were read last, of all files; two songs of a file take 6 MB."""


@dataclass(frozen=True)
class SharedSettings:
    """Settings of a comparison: what counts as shared, and the region that is searched.

    The whole file is searched by default, since one opening in 60 ends after 400 s
    (docs/measured/shared.md).
    """

    shortest: float = 10.0
    """smallest length of a shared stretch in seconds"""
    by: Literal["both", "sound", "picture"] = "both"
    """compare sound, picture, or both as far as a file has them"""
    region_start: float = 0.0
    """start of the searched region of each file, in seconds"""
    region_end: float | None = None
    """end of the searched region of each file, in seconds; default: the end of the file"""
    audio: str | None = None
    """language or index of the sound stream; default: the default stream"""
    sound: Tolerance = field(default_factory=Tolerance)
    picture: Tolerance = field(default_factory=lambda: Tolerance(errors=0.22, smooth=3.0))

    def __post_init__(self) -> None:
        if not self.shortest >= 2:
            raise ConfigError(f"shortest is at least 2 s, got {self.shortest}")
        end = self.region_end
        if self.region_start < 0 or (end is not None and end <= self.region_start):
            raise ConfigError(
                f"0 <= region_start < region_end is needed, got {self.region_start} and {end}"
            )

    @property
    def stream(self) -> int | str | None:
        """The sound stream as an argument of :func:`clipping.media.sound.read_audio`."""
        number = self.audio is not None and self.audio.isdecimal()
        return int(self.audio) if number and self.audio is not None else self.audio

    def fingerprint_settings(self) -> dict[str, Any]:
        """The settings that a file's fingerprints depend on, as JSON values."""
        keys = ("by", "region_start", "region_end", "audio")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True, eq=False)
class FileFingerprint:
    """The fingerprints of a media file, and ways to read more of it at the ends of a match."""

    path: Path
    duration: float
    """Seconds."""
    sound: Index | None
    """None if the file has no sound, or it is not compared; so for ``picture``."""
    picture: Index | None
    read: Reader | None = None
    """Reads a few seconds of sound at any place; None if ``sound`` is."""
    look: Look | None = None
    """Returns the words of the pictures at any times; None if ``picture`` is."""


class SoundReader:
    """Reads a few seconds of a file's sound at any place, at ``RATE`` Hz, and caches them."""

    def __init__(self, path: Path, end: float, stream: int | str | None) -> None:
        """Nothing is read after ``end``, in seconds of media time."""
        self.path, self.end, self.stream = path, end, stream
        self._samples = round(end * RATE)

    def __call__(self, first: int, count: int) -> np.ndarray:
        """``count`` samples from sample ``first`` on; zeros before 0 and after the end.

        Raises:
            MediaError: if the file can no longer be read.
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
        """The blocks of consecutive numbers. All that are not cached are read in one call, because
        opening a file and seeking costs as much as reading some seconds of sound."""
        cached = ((number, _SOUND_BLOCKS.get(self, number)) for number in numbers)
        blocks = {number: block for number, block in cached if block is not None}
        missing = [number for number in numbers if number not in blocks]
        if missing:
            first = missing[0]
            read = self._read(first, missing[-1] + 1)
            for place in range(missing[-1] + 1 - first):
                block = read[place * _BLOCK : (place + 1) * _BLOCK].copy()
                blocks[first + place] = block
                _SOUND_BLOCKS.keep(self, first + place, block)
        return [blocks[number] for number in numbers]

    def _read(self, first: int, last: int) -> np.ndarray:
        """The samples of blocks ``first`` to ``last - 1``."""
        start, end = first * _BLOCK, last * _BLOCK
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
    """Decode a file (or the region of the settings) and make its fingerprints.

    Raises:
        MediaError: if the file cannot be read, or has neither of what is compared.
    """
    path, settings = Path(path), settings or SharedSettings()
    info = probe(path)
    start, end = settings.region_start, settings.region_end
    sound = picture = None
    read = None
    if info.audio and settings.by != "picture":
        sound = sound_fingerprint(path, start=start, end=end, stream=settings.stream)
        read = SoundReader(path, _sound_end(sound, start), settings.stream)
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


def _sound_end(sound: Fingerprint, start: float) -> float:
    """Media time, in seconds, at which the sound ends, to a step of its fingerprint."""
    rows = len(sound.words) + LAG_STEPS
    return start + (rows * STEP_SAMPLES + WINDOW_SAMPLES) / SOUND_RATE


def save_fingerprint(fingerprint: FileFingerprint, file: Path, origin: str = "") -> None:
    """Write the fingerprints of a media file to one safetensors file, atomically.

    After a power cut it may be damaged, which :func:`load_fingerprint` sees.

    Args:
        origin: a text that is stored too and checked when the file is loaded, such as the media
            file's identity. The media file's path is not stored.

    Raises:
        ClippingError: if the file cannot be written.
        FeatureError: if it would be larger than ``MOST_BYTES``.
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
    with atomic_path(file, durable=False) as temporary:
        temporary.write_bytes(data)


def load_fingerprint(file: Path, media: Path, origin: str = "") -> FileFingerprint:
    """Read a file of :func:`save_fingerprint`; all values are checked.

    Args:
        media: the present path of the media file; it is opened only when its sound or pictures are
            read.
        origin: must equal that of :func:`save_fingerprint`.

    Raises:
        FeatureError: if the file is missing, damaged, or of another version or origin; the message
            names it.
    """
    with open_tensor_file(file, FORM) as tensors:
        about = tensors.about
        if about["origin"] != origin:
            raise FeatureError("they are those of another file, or of other settings")
        kinds = set(tensors.stored.keys())
        named = set(about) - {"duration", "origin"}
        if not kinds or not kinds <= {"sound", "picture"} or kinds != named:
            raise FeatureError(f"it holds {sorted(kinds)} but describes {sorted(about)}")
        sound = _index(tensors.stored, "sound", about) if "sound" in kinds else None
        picture = _index(tensors.stored, "picture", about) if "picture" in kinds else None
        both = (("sound", sound), ("picture", picture))
        tensors.check({kind: index.words for kind, index in both if index is not None})
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
    """The words of one kind; their shape is checked before memory is taken."""
    piece = stored.get_slice(kind)
    shape, dtype = piece.get_shape(), piece.get_dtype()
    if dtype != "U32" or len(shape) != 2 or shape[1] != _WORDS_A_ROW[kind]:
        raise FeatureError(f"{kind} must be U32 (rows, {_WORDS_A_ROW[kind]}), got {dtype} {shape}")
    words = np.asarray(stored.get_tensor(kind))
    return Index(Fingerprint(words, _STEPS[kind], _seconds(about[kind], "centre"), kind))


def _seconds(values: dict[str, Any], key: str) -> float:
    value = float(values[key])
    if not (math.isfinite(value) and value >= 0):
        raise FeatureError(f"{key} must be 0 or more seconds, got {value}")
    return value

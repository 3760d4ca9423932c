"""A theme: sound and pictures of an opening or an ending, kept to search other files for it.

A file of the library holds the sound itself (8 kHz, 16 bits, packed: about 0.9 MB for 90 s), so
that found ends are exact to the sample, and fingerprints of the pictures, 25 a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clipping.errors import FeatureError, MediaError
from clipping.files import atomic_path
from clipping.media.probe import probe
from clipping.media.sound import read_audio
from clipping.packing import pack_samples, packed, unpack_samples
from clipping.repeats.file_fingerprint import FileFingerprint
from clipping.repeats.fingerprint import (
    LAG_STEPS,
    PICTURE_RATE,
    SOUND_RATE,
    STEP_SAMPLES,
    WINDOW_SAMPLES,
    Fingerprint,
    picture_words,
    sound_words,
)
from clipping.repeats.index import Index
from clipping.repeats.refine import RATE
from clipping.repeats.refine_picture import RATE as LOOKS_A_SECOND
from clipping.tensor_file import Form, open_tensor_file, to_bytes

SUFFIX = ".theme"
SHORTEST, LONGEST = 3.0, 600.0
"""Seconds of the shortest and the longest theme."""
MOST_BYTES = 16 << 20
FORM = Form("avtnet theme", 1, MOST_BYTES, "a theme")
_LOUDEST = 32767
_LONGEST_NAME = 200


@dataclass(frozen=True, eq=False)
class Theme:
    """An opening, an ending or another piece that is remembered.

    Raises:
        FeatureError: if it has neither sound nor pictures, or its length or name is impossible.
    """

    name: str
    """Its name, one line of text."""
    role: str
    """Label of the places where it is found: ``"opening"``, ``"ending"`` …"""
    duration: float
    """Seconds."""
    sound: np.ndarray | None = field(repr=False)
    """int16 (samples,) mono at ``clipping.repeats.refine.RATE`` Hz; None without sound."""
    looks: np.ndarray | None = field(repr=False)
    """uint32 (looks, 2): fingerprints of the pictures, 25 a second; None without pictures."""
    source: Mapping[str, Any]
    """Its origin: file, start, end, when."""

    def __post_init__(self) -> None:
        if not SHORTEST <= self.duration <= LONGEST:
            raise FeatureError(
                f"a theme lasts {SHORTEST:g} to {LONGEST:g} s, got {self.duration:.3f}"
            )
        if not (0 < len(self.name) <= _LONGEST_NAME and self.name.isprintable()):
            raise FeatureError(f"a theme's name is one line of text, got {self.name!r}")
        if self.sound is None and self.looks is None:
            raise FeatureError(f"{self.name}: there is neither sound nor picture")

    @cached_property
    def fingerprint(self) -> FileFingerprint:
        """The theme as if it were a media file that begins with its first sample."""
        sound = picture = None
        if self.sound is not None:
            words = sound_words([self.sound.astype(np.float32) / _LOUDEST])
            reach = LAG_STEPS * STEP_SAMPLES + WINDOW_SAMPLES
            step, centre = STEP_SAMPLES / SOUND_RATE, reach / 2 / SOUND_RATE
            sound = Index(Fingerprint(words[:, np.newaxis], step, centre, "sound"))
        if self.looks is not None:
            rows = np.arange(int(self.duration * PICTURE_RATE)) * (LOOKS_A_SECOND / PICTURE_RATE)
            words = self.looks[np.minimum(rows.astype(int), len(self.looks) - 1)]
            picture = Index(Fingerprint(words, 1 / PICTURE_RATE, 0.0, "picture"))
        return FileFingerprint(
            Path(self.name), self.duration, sound, picture, self._read, self._look
        )

    def _read(self, first: int, count: int) -> np.ndarray:
        """Return samples of the sound; zeros outside."""
        assert self.sound is not None
        samples = np.zeros(count, np.float32)
        begin, end = max(0, first), min(len(self.sound), first + count)
        if begin < end:
            samples[begin - first : end - first] = self.sound[begin:end]
        return samples / _LOUDEST

    def _look(self, times: list[float]) -> np.ndarray:
        """Return the fingerprints of the pictures at these times; zeros outside."""
        assert self.looks is not None
        at = np.floor(np.asarray(times) * LOOKS_A_SECOND + 1e-6).astype(int)
        inside = (at >= 0) & (at < len(self.looks))
        rows = np.zeros((len(times), 2), np.uint32)
        rows[inside] = self.looks[at[inside]]
        return rows


def make_theme(
    path: Path,
    start: float,
    end: float,
    *,
    name: str,
    role: str | None = None,
    stream: int | str | None = None,
    pictures: bool = True,
) -> Theme:
    """Make a theme of a span of a file.

    Args:
        role: None: an opening in the first half of the file, else an ending.
        stream: as for :func:`clipping.media.sound.read_audio`.
        pictures: keep the pictures too, if the file has any.

    Raises:
        ClippingError: if the file cannot be read, or the span is outside of it, too short or long.
    """
    info = probe(path)
    if not 0 <= start < end <= info.duration + 1:
        raise MediaError(f"{path}: {start:g} to {end:g} is no span of {info.duration:.3f} s")
    end = min(end, info.duration)
    if not SHORTEST <= end - start <= LONGEST:
        raise MediaError(
            f"{path}: a theme lasts {SHORTEST:g} to {LONGEST:g} s, got {end - start:.3f}"
        )
    sound = looks = None
    if info.audio:
        samples = read_audio(path, rate=RATE, start=start, end=end, stream=stream)
        whole = np.rint(np.clip(samples, -1, 1) * _LOUDEST).astype(np.int16)
        sound = whole if whole.any() else None
    if info.video is not None and pictures:
        times = start + np.arange(int((end - start) * LOOKS_A_SECOND)) / LOOKS_A_SECOND
        looks = picture_words(path, times.tolist())
    if role is None:
        role = "opening" if start + end < info.duration else "ending"
    source = {
        "file": path.name,
        "start": start,
        "end": end,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return Theme(name, role, end - start, sound, looks, source)


def theme_path(library: Path, name: str) -> Path:
    """Return the path of a theme's file: a hash, because a name may hold any characters."""
    named = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16)
    return library / f"{named.hexdigest()}{SUFFIX}"


def save_theme(theme: Theme, library: Path) -> Path:
    """Write a theme into a library, whole or not at all; one of the same name is replaced.

    Raises:
        ClippingError: if it cannot be written.
    """
    tensors = {}
    if theme.sound is not None:
        tensors["sound"] = pack_samples(theme.sound)
    if theme.looks is not None:
        tensors["looks"] = theme.looks
    about = {
        "name": theme.name,
        "role": theme.role,
        "duration": theme.duration,
        "samples": None if theme.sound is None else len(theme.sound),
        "source": dict(theme.source),
    }
    data = to_bytes(FORM, about, tensors)
    path = theme_path(library, theme.name)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return path


def load_theme(path: Path) -> Theme:
    """Read a theme without trusting its file.

    Raises:
        FeatureError: naming the file, if it is missing, damaged or of another version.
    """
    with open_tensor_file(path, FORM) as file:
        stored, about = file.stored, file.about
        count, duration = about["samples"], float(about["duration"])
        if not SHORTEST <= duration <= LONGEST:
            raise FeatureError(f"it claims to last {duration} s")
        tensors = {}
        if count is not None:
            if not (type(count) is int and abs(count - duration * RATE) <= RATE):
                raise FeatureError(f"it claims {count!r} samples")
            tensors["sound"] = packed(stored, "sound", 2 * count)
        if "looks" in stored.keys():  # noqa: SIM118 - it is no dict
            piece = stored.get_slice("looks")
            shape, kind = piece.get_shape(), piece.get_dtype()
            if kind != "U32" or len(shape) != 2 or shape[1] != 2 or not shape[0]:
                raise FeatureError(f"looks must be U32 (looks, 2), got {kind} {shape}")
            tensors["looks"] = stored.get_tensor("looks")
        file.check(tensors)
        sound = None
        if count is not None:
            sound = np.empty(count, np.int16)
            unpack_samples(tensors["sound"], sound)
        looks = tensors.get("looks")
        name, role, source = str(about["name"]), str(about["role"]), dict(about["source"])
        return Theme(name, role, duration, sound, looks, source)

"""Features of a whole episode in one file: its sound, and frames and text masks of all seconds.

The file is made in one pass over the media file and written block by block. It is read in parts: a
window anywhere in the episode (:meth:`Episode.window`) can be made without the media file.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from clipping.errors import ClippingError, FeatureError, MediaError
from clipping.files import atomic_path
from clipping.identity import Source, identify
from clipping.media.one_pass import OnePass, open_one_pass
from clipping.media.probe import MediaInfo
from clipping.packing import (
    FRAMES_A_BLOCK,
    Unpack,
    join_blocks,
    pack_frames,
    pack_masks,
    pack_samples,
    packed,
    unpack_frames,
    unpack_masks,
    unpack_samples,
)
from clipping.tensor_file import DAMAGE, check_header
from clipping.windows import Side
from preprocess.audio import mfcc
from preprocess.extraction import FrameFeatures, checked, notes
from preprocess.features import Features, named_file, parse_settings
from preprocess.settings import FeatureSettings

FORMAT = "preprocess.episode"
VERSION = 1
LONGEST = 12 * 3600
"""Seconds of the longest episode."""
_LOUDEST = 32767


def episode_path(folder: Path, name: str) -> Path:
    """Return the path of an episode's file: ``FOLDER/NAME.episode``, in the format safetensors.

    Raises:
        ClippingError: if the name leads out of the folder, or is too long for a file.
    """
    return named_file(folder, name, ".episode")


@dataclass(frozen=True)
class Episode:
    """An open file of :func:`extract_episode`; its arrays are read when they are needed."""

    path: Path
    name: str
    duration: float
    source: Source
    settings: FeatureSettings
    notes: tuple[str, ...]

    @property
    def seconds(self) -> int:
        """Number of frames, and of masks: those shown at 0, 1, 2, … s."""
        return math.ceil(self.duration - 1e-6)

    def frames(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Return the thumbnails of the seconds ``[first, last)``: uint8 (seconds, 3, h, w)."""
        shape = self.settings.shapes["frames"][1:]
        return self._read("frames", first, last, 1, shape, np.uint8, unpack_frames)

    def text(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Return the text masks of the seconds ``[first, last)``: bool (seconds, rows, columns)."""
        shape = self.settings.shapes["text"][1:]
        return self._read("text", first, last, 1, shape, np.bool_, unpack_masks)

    def samples(self, first: int = 0, last: int | None = None) -> np.ndarray:
        """Return float32 mono samples in -1..1 of these seconds, zeros after the end."""
        rate = self.settings.sample_rate
        sound = self._read("sound", first, last, rate, (), np.int16, unpack_samples)
        return sound.astype(np.float32) / _LOUDEST

    def window(self, start: int, side: Side, length: int | None = None) -> Features:
        """Return the features of ``length`` seconds from a whole second on.

        They equal those of the media file, except for the rounding of the sound to 16 bits.

        Args:
            start: 0 up to the episode's last second.
            side: side that the features name, ``"start"`` or ``"end"``.
            length: in seconds; None: the settings' window.

        Raises:
            FeatureError: if the file is damaged.
            ValueError: if the start is outside of the episode.
        """
        if not 0 <= start < self.seconds:
            raise ValueError(f"a window starts at 0 to {self.seconds - 1} s, got {start}")
        settings = self.settings if length is None else replace(self.settings, window=length)
        covered = min(settings.window, self.duration - start)
        last = min(start + settings.seconds, self.seconds)
        frames = np.zeros(settings.shapes["frames"], np.uint8)
        text = np.zeros(settings.shapes["text"], np.bool_)
        frames[: last - start] = self.frames(start, last)
        text[: last - start] = self.text(start, last)
        samples = self.samples(start, last)[: round(covered * settings.sample_rate)]
        return Features(
            mfcc=mfcc(samples if samples.any() else samples[:0], settings),
            frames=frames,
            text=text,
            name=self.name,
            side=side,
            start=float(start),
            covered=covered,
            duration=self.duration,
            source=self.source,
            settings=settings,
            notes=self.notes,
        )

    def windows(self) -> tuple[Features, Features]:
        """Return the first and the last window; the last one begins at a whole second.

        Raises:
            FeatureError: if the file is damaged.
        """
        begin = max(0, math.ceil(self.duration - self.settings.window))
        return self.window(0, "start"), self.window(begin, "end")

    def _read(
        self,
        key: str,
        first: int,
        last: int | None,
        rate: int,
        shape: tuple[int, ...],
        kind: type[np.generic],
        unpack: Unpack,
    ) -> np.ndarray:
        """Read the seconds ``[first, last)`` of an array with ``rate`` rows for each second."""
        from safetensors import SafetensorError, safe_open

        last = self.seconds if last is None else last
        if not 0 <= first <= last <= self.seconds:
            raise ValueError(f"{first} to {last} s is not within 0 to {self.seconds} s")
        out = np.empty(((last - first) * rate, *shape), kind)
        step = FRAMES_A_BLOCK * rate
        most = step * math.prod(shape) * np.dtype(kind).itemsize
        try:
            with safe_open(self.path, framework="numpy") as file:
                total = self.seconds * rate
                join_blocks(
                    key,
                    lambda name: packed(file, name, most),
                    out,
                    unpack,
                    step,
                    total=total,
                    first=first * rate,
                )
        except (OSError, SafetensorError, *DAMAGE, ClippingError) as error:
            raise _damaged(self.path, error) from error
        return out


def extract_episode(
    path: Path | str,
    output: Path,
    settings: FeatureSettings | None = None,
    *,
    name: str | None = None,
    easyocr_models: Path | None = None,
    threads: int | None = None,
) -> Episode:
    """Write the features of all seconds of a media file into one file, whole or not at all.

    Memory does not grow with the length. The sound is kept with 16 bits (as on a CD), so the MFCC
    of a window differ from those of :func:`preprocess.extract` by rounding (docs/speed.md).

    Args:
        output: the file to write, as :func:`episode_path` names it.
        settings, name, easyocr_models, threads: as for :func:`preprocess.extract_sides`.

    Raises:
        MediaError: if the file is no media, has neither sound nor picture, or is too long.
        ClippingError: if it cannot be written, or the text engine is not installed.
    """
    path, settings = Path(path), settings or FeatureSettings()
    source = identify(path)
    with open_one_pass(path, threads=threads) as scan, atomic_path(output) as temporary:
        info = checked(scan.info)
        if info.duration > LONGEST:
            raise MediaError(f"{path}: lasts {info.duration:.0f} s, above {LONGEST} s")
        with tempfile.TemporaryFile(dir=temporary.parent) as data:
            blocks = _Blocks(data)
            remarks = _fill(
                blocks, scan, info, FrameFeatures(settings, easyocr_models, None), settings
            )
            episode_name = path.stem if name is None else name
            episode = Episode(output, episode_name, info.duration, source, settings, tuple(remarks))
            blocks.write(temporary, episode)
    return episode


def open_episode(path: Path | str) -> Episode:
    """Open an episode's file without trusting it; its arrays are read later.

    Raises:
        FeatureError: naming the file, if it is missing, damaged or of another version.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    try:
        check_header(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        if (metadata.get("format"), metadata.get("version")) != (FORMAT, str(VERSION)):
            raise FeatureError("these are other tensors, or of another version")
        about = json.loads(metadata["about"])
        duration = float(about["duration"])
        if not 0 < duration <= LONGEST:
            raise FeatureError(f"it claims to last {duration} s")
        return Episode(
            path=path,
            name=str(about["name"]),
            duration=duration,
            source=Source(**about["source"]),
            settings=parse_settings(about["settings"]),
            notes=tuple(map(str, about["notes"])),
        )
    except FileNotFoundError as error:
        raise FeatureError(f"{path}: there is no such file") from error
    except (OSError, SafetensorError, *DAMAGE, ClippingError) as error:
        raise _damaged(path, error) from error


def _fill(
    blocks: _Blocks,
    scan: OnePass,
    info: MediaInfo,
    frame_features: FrameFeatures,
    settings: FeatureSettings,
) -> Iterable[str]:
    """Write all seconds of a media file, block by block; return remarks for the user."""
    count = math.ceil(info.duration - 1e-6)
    seconds = scan.seconds(
        [float(second) for second in range(count)],
        end=info.duration,
        rate=settings.sample_rate,
        audio=settings.audio,
    )
    missing, audible = 0, False
    for number, first in enumerate(range(0, count, FRAMES_A_BLOCK)):
        length = min(FRAMES_A_BLOCK, count - first)
        frames = np.zeros((length, *settings.shapes["frames"][1:]), np.uint8)
        text = np.zeros((length, *settings.shapes["text"][1:]), np.bool_)
        sound = np.zeros(length * settings.sample_rate, np.int16)
        for index, (frame, samples) in zip(range(length), seconds, strict=False):
            if frame is not None:
                text[index], _ = frame_features.look(first + index, frame, frames[index])
            # Sound may end a little after the picture.
            missing += frame is None and first + index + 1 <= info.duration
            begin = index * settings.sample_rate
            sound[begin : begin + len(samples)] = _to_16_bits(samples)
        audible = audible or bool(sound.any())
        blocks.add(f"frames.{number}", pack_frames(frames))
        blocks.add(f"text.{number}", pack_masks(text))
        blocks.add(f"sound.{number}", pack_samples(sound))
    return notes(info, audible=audible, missing=missing)


def _to_16_bits(samples: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(samples, -1, 1) * _LOUDEST).astype(np.int16)


class _Blocks:
    """A safetensors file that is written block by block.

    The header stands at the front of the file, but is known only at the end: so the blocks go into
    a temporary file, which is copied behind the header.
    """

    def __init__(self, data: IO[bytes]) -> None:
        self._data, self._places = data, dict[str, dict[str, Any]]()

    def add(self, name: str, block: np.ndarray) -> None:
        begin = self._data.tell()
        self._data.write(block.tobytes())
        span = [begin, begin + block.size]
        self._places[name] = {"dtype": "U8", "shape": [block.size], "data_offsets": span}

    def write(self, path: Path, episode: Episode) -> None:
        about = {key: value for key, value in asdict(episode).items() if key != "path"}
        metadata = {"about": json.dumps(about), "format": FORMAT, "version": str(VERSION)}
        header = json.dumps({"__metadata__": metadata, **self._places}).encode()
        header += b" " * (-len(header) % 8)
        self._data.seek(0)
        with open(path, "wb") as whole:
            whole.write(len(header).to_bytes(8, "little") + header)
            shutil.copyfileobj(self._data, whole, 1 << 20)


def _damaged(path: Path, error: Exception) -> FeatureError:
    reason = f"{error!r}" if isinstance(error, KeyError) else str(error)
    return FeatureError(
        f"{path}: not an episode's file of this version, or damaged: {reason}; "
        "make it again with python -m preprocess --episodes"
    )

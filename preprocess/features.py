"""Features of one window, and the file that holds them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from clipping.errors import ClippingError, FeatureError
from clipping.files import atomic_path
from clipping.identity import Source
from clipping.packing import (
    FRAMES_A_BLOCK,
    Unpack,
    join_blocks,
    pack_floats,
    pack_frames,
    pack_masks,
    packed,
    split_blocks,
    unpack_floats,
    unpack_frames,
    unpack_masks,
)
from clipping.tensor_file import DAMAGE, check_header, in_order
from clipping.windows import Side
from preprocess.settings import EasyOCRSettings, FeatureSettings, PPOCRSettings

SIDES: tuple[Side, Side] = ("start", "end")
Part = Side | Literal["whole"]
"""Part of an episode in a feature file: a window, or all of it (:mod:`preprocess.episode`)."""

FORMAT = "preprocess.features"
VERSION = 2
"""Raised when the layout of the file changes, or equal settings give other features."""
_UNPACKED = 1
"""The version before, which is still read: the same arrays uncompressed, masks as bits."""
MOST_BYTES = 1 << 29
"""Bytes of the largest window in memory; with the default settings 200 s take 4.4 MB, an hour
79 MB."""
KINDS: dict[str, np.dtype[Any]] = {
    "mfcc": np.dtype(np.float32),
    "frames": np.dtype(np.uint8),
    "text": np.dtype(np.bool_),
}
"""Data type of each array of a window."""


@dataclass(frozen=True)
class Features:
    """Input of the networks for one window of an episode (200 s, one step for each second)."""

    mfcc: np.ndarray
    """float32 (20, 8616): MFCC of the sound, zeros where there is none."""
    frames: np.ndarray
    """uint8 (200, 3, 66, 88): RGB 0..255 of the frame shown at each whole second of the window."""
    text: np.ndarray
    """bool (200, 27, 36): True where text stands on that frame."""
    name: str
    """The episode's name, unique in its batch: ``S1/01``."""
    side: Side
    start: float
    """Media time of the window's second 0."""
    covered: float
    """Seconds of the window that exist in the file; the rest is zeros."""
    duration: float
    """Length of the file."""
    source: Source
    settings: FeatureSettings
    notes: tuple[str, ...] = ()
    """Remarks for the user: missing sound or picture, a file cut short."""

    def __post_init__(self) -> None:
        for key, shape in self.settings.shapes.items():
            array = getattr(self, key)
            if array.shape != shape or array.dtype != KINDS[key]:
                raise FeatureError(
                    f"{self.name}: {key} must be {KINDS[key]} {shape}, "
                    f"got {array.dtype} {array.shape}"
                )
        if self.side not in SIDES:
            raise FeatureError(f"{self.name}: the side must be start or end, got {self.side!r}")
        for key in ("start", "covered", "duration"):
            value = getattr(self, key)
            if not (math.isfinite(value) and value >= 0):
                raise FeatureError(f"{self.name}: {key} must be 0 or more seconds, got {value}")


def feature_path(folder: Path, name: str, side: Side) -> Path:
    """Return the path of a window's feature file: ``FOLDER/NAME_start.safetensors``.

    Raises:
        ClippingError: if the name leads out of the folder, or is too long for a file.
    """
    return named_file(folder, name, f"_{side}.safetensors")


def named_file(folder: Path, name: str, ending: str) -> Path:
    """Return ``FOLDER/NAME`` with an ending, after a check that it is inside the folder.

    Raises:
        ClippingError: as :func:`feature_path`.
    """
    parts = PurePosixPath(name)
    if not parts.name or parts.is_absolute() or ".." in parts.parts or "\0" in name:
        raise ClippingError(f"{name!r} cannot be the name of a feature file")
    path = folder / parts.with_name(parts.name + ending)
    if len(path.name.encode(errors="surrogateescape")) > 255:
        raise ClippingError(f"{name!r} is too long for the name of a feature file")
    return path


def save(features: Features, path: Path | str) -> None:
    """Write features as one safetensors file, whole or not at all.

    The arrays are packed without loss (:mod:`clipping.packing`); everything else about the window
    is JSON in the metadata.

    Raises:
        FeatureError: if the window is larger than ``MOST_BYTES``.
        ClippingError: if the folder cannot be written or the disk is full.
    """
    from safetensors.numpy import save as serialize

    _check_size(features.settings)
    about = {
        "name": features.name,
        "side": features.side,
        "start": features.start,
        "covered": features.covered,
        "duration": features.duration,
        "source": asdict(features.source),
        "settings": asdict(features.settings),
        "notes": features.notes,
    }
    tensors = {
        "mfcc": pack_floats(features.mfcc),
        "text": pack_masks(features.text),
        **split_blocks("frames", features.frames, pack_frames, FRAMES_A_BLOCK),
    }
    # File names that are not UTF-8 hold lone surrogates, which JSON keeps as escapes.
    metadata = {"format": FORMAT, "version": str(VERSION), "about": json.dumps(about)}
    data = in_order(serialize(tensors, metadata))
    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(data)


def load(path: Path | str, into: dict[str, np.ndarray] | None = None) -> Features:
    """Read a feature file of version 1 or 2, without trusting it.

    Args:
        into: arrays to fill, by their names in :class:`Features`; None: new ones. After an error
            their contents are undefined.

    Raises:
        FeatureError: naming the file, if it is missing, damaged, cut short, of another version, or
            its arrays do not fit its settings.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    try:
        check_header(path)
        with safe_open(path, framework="numpy") as file:
            version, about = _about(file.metadata())
            settings = parse_settings(about["settings"])
            _check_size(settings)
            read = _read_unpacked if version == _UNPACKED else _read_packed
            arrays = read(file, settings, into)
        if not np.isfinite(arrays["mfcc"]).all():
            raise FeatureError("mfcc holds values that are not finite")
        return Features(
            **arrays,
            name=str(about["name"]),
            side=about["side"],
            start=float(about["start"]),
            covered=float(about["covered"]),
            duration=float(about["duration"]),
            source=Source(**about["source"]),
            settings=settings,
            notes=tuple(map(str, about["notes"])),
        )
    except FileNotFoundError as error:
        raise FeatureError(f"{path}: there is no such file") from error
    except _OtherSettings as error:
        raise FeatureError(f"{path}: made with other settings: {error}") from error
    except (OSError, SafetensorError, *DAMAGE, ClippingError) as error:
        reason = f"{error!r}" if isinstance(error, KeyError) else str(error)
        raise FeatureError(
            f"{path}: not a feature file of this version, or damaged: {reason}; "
            "make it again with python -m preprocess"
        ) from error


def features_of(window: Path | Features) -> Features:
    """Return the features of a window, read if their file is given.

    Raises:
        FeatureError: as :func:`load`.
    """
    return load(window) if isinstance(window, Path) else window


def _read_packed(
    file: Any, settings: FeatureSettings, into: dict[str, np.ndarray] | None
) -> dict[str, np.ndarray]:
    blocks = range(-(-settings.seconds // FRAMES_A_BLOCK))
    _check_keys(file, ["mfcc", "text", *(f"frames.{block}" for block in blocks)])
    arrays = _room(settings, into)
    unpacks: dict[str, Unpack] = {"mfcc": unpack_floats, "text": unpack_masks}
    for key, unpack in unpacks.items():
        unpack(packed(file, key, arrays[key].nbytes), arrays[key])
    frames = arrays["frames"]
    join_blocks(
        "frames",
        lambda key: packed(file, key, frames[:FRAMES_A_BLOCK].nbytes),
        frames,
        unpack_frames,
        FRAMES_A_BLOCK,
        total=settings.seconds,
    )
    return arrays


def _read_unpacked(
    file: Any, settings: FeatureSettings, into: dict[str, np.ndarray] | None
) -> dict[str, np.ndarray]:
    count = math.prod(settings.shapes["text"])
    stored = {**settings.shapes, "text": (math.ceil(count / 8),)}
    _check_keys(file, stored)
    # Checked before memory is taken: the settings bound the shapes, the shapes bound the bytes.
    for key, shape in stored.items():
        found = file.get_slice(key)
        kind = "F32" if key == "mfcc" else "U8"
        if tuple(found.get_shape()) != shape or found.get_dtype() != kind:
            raise FeatureError(
                f"{key} must be {kind} {shape}, got {found.get_dtype()} {tuple(found.get_shape())}"
            )
    arrays = _room(settings, into)
    arrays["mfcc"][...] = file.get_tensor("mfcc")
    arrays["frames"][...] = file.get_tensor("frames")
    bits = np.unpackbits(file.get_tensor("text"), count=count)
    arrays["text"][...] = bits.reshape(settings.shapes["text"])
    return arrays


class _OtherSettings(FeatureError):
    """The file is valid, but its arrays have other shapes than the caller's."""


def _room(settings: FeatureSettings, into: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    """Return the arrays to fill: the caller's, after a check of their shapes, or new ones."""
    shapes = settings.shapes
    if into is None:
        return {key: np.empty(shape, KINDS[key]) for key, shape in shapes.items()}
    for key, shape in shapes.items():
        if into[key].shape != shape:
            raise _OtherSettings(f"its {key} is {shape}, not {into[key].shape}")
    return {key: into[key] for key in shapes}


def _check_keys(file: Any, wanted: Iterable[str]) -> None:
    if sorted(file.keys()) != sorted(wanted):
        raise FeatureError(f"it holds {sorted(file.keys())}, not {sorted(wanted)}")


def _check_size(settings: FeatureSettings) -> None:
    size = sum(math.prod(shape) * KINDS[key].itemsize for key, shape in settings.shapes.items())
    if size > MOST_BYTES:
        raise FeatureError(f"a window of these settings takes {size} bytes, above {MOST_BYTES}")


def _about(metadata: dict[str, str] | None) -> tuple[int, dict[str, Any]]:
    """Return the version of a file, and its description of the window."""
    metadata = metadata or {}
    if metadata.get("format") != FORMAT:
        raise FeatureError("these are other tensors")
    if metadata.get("version") not in (str(_UNPACKED), str(VERSION)):
        raise FeatureError(f"it is of version {metadata.get('version')}, not {VERSION}")
    about = json.loads(metadata["about"])
    if not isinstance(about, dict):
        raise FeatureError("its metadata are no JSON object")
    return int(metadata["version"]), about


def parse_settings(values: dict[str, Any]) -> FeatureSettings:
    """Return settings from the plain values in a file."""
    nested = {
        "ppocr": PPOCRSettings(**values["ppocr"]),
        "easyocr": EasyOCRSettings(**values["easyocr"]),
    }
    return FeatureSettings(**{**values, **nested})

"""Pieces of episodes as features, of which training examples are composed.

Rendering is slow, so openings, endings, stories and cards are rendered once, and each training
example is a new outline filled with random pieces (:mod:`avtnet.synthesis.composer`). Loudness,
colours and borders, which in a real file are the same from start to end, are changed later for the
whole example (:mod:`avtnet.synthesis.treatment`); if each piece had its own, every boundary would
show a change that real episodes do not have.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from avtnet.synthesis.detector import Detector
from avtnet.synthesis.film import PLAIN, Film
from avtnet.synthesis.material import SPLITS, Material
from avtnet.synthesis.outline import single, song_length
from avtnet.synthesis.script import stream
from avtnet.synthesis.settings import Split
from clipping.errors import FeatureError
from clipping.files import atomic_path
from clipping.tensor_file import check_header
from preprocess.audio import FLOOR_POWER, mel_decibels
from preprocess.settings import FeatureSettings
from preprocess.text.engine import fill

FORMAT = "avtnet.library.2"
SIZE = (142, 80)
"""Width and height of the pictures of which thumbnails are made."""
QUIETEST = 10 * math.log10(FLOOR_POWER)
"""dB of a mel band that is stored as 0."""
STEP_DB = 0.6
"""dB of one step of the stored mel bands: 255 steps reach 53 dB, more than full scale."""
KINDS = ("opening", "ending", "story", "preview", "card")
SHARD = ("opening",) * 14 + ("ending",) * 14 + ("story",) * 15 + ("preview",) * 3 + ("card",) * 6
"""Kinds of the pieces of one file."""
CARDS = ("title", "sponsor", "eyecatch", "logo", "warning")
MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Piece:
    """A stretch of an episode as features."""

    kind: str
    length: float
    """Length in seconds."""
    phase: float
    """Time of its first picture, 0..1 s."""
    frames: np.ndarray
    """uint8 (n, 3, 33, 44): pictures at phase, phase + 1, …, stretched from 16:9 to this shape."""
    text: np.ndarray
    """bool (n, 27, 36): text masks, stretched like the pictures."""
    mel: np.ndarray
    """uint8 (columns, 128): mel bands in steps of STEP_DB from QUIETEST on."""


def make_piece(kind: str, seed: int, material: Material) -> Piece:
    """Render one piece; equal arguments give equal pieces."""
    settings = FeatureSettings()
    rng = np.random.default_rng([seed, SPLITS[material.split], 19])
    length = LENGTHS[kind](rng)
    shown = str(rng.choice(CARDS)) if kind == "card" else kind
    outline = single(shown, length, (seed * len(SPLITS) + SPLITS[material.split]) % 2**31)
    film = Film(outline, SIZE, material, replace(PLAIN, subtitled=bool(rng.random() < 0.4)))
    phase, detector = (
        float(rng.uniform(0, 1)),
        Detector(false_boxes=float(rng.choice([0.0, 0.03, 0.1]))),
    )
    width, height = settings.frame_width // 2, settings.frame_height // 2
    cells = (settings.mask_width, settings.mask_height)
    count = max(1, math.ceil(length - phase))
    frames = np.zeros((count, 3, height, width), np.uint8)
    text = np.zeros((count, cells[1], cells[0]), bool)
    for number in range(count):
        image, boxes = film.picture(min(phase + number, length - 1e-3))
        small = image.resize((width, height), Image.Resampling.BOX)
        frames[number] = np.asarray(small).transpose(2, 0, 1)
        # Without a letterbox: the picture fills the whole mask.
        text[number] = fill(detector.see(boxes, image.size, seed, number), cells, cells)
    sound = film.sound(0.0, length)
    decibels = mel_decibels(sound, settings)[: len(sound) // settings.hop_samples]
    mel = np.clip(np.rint((decibels - QUIETEST) / STEP_DB), 0, 255).astype(np.uint8)
    return Piece(kind, length, phase, frames, text, mel)


LENGTHS = {
    "opening": song_length,
    "ending": song_length,
    "story": lambda rng: float(rng.uniform(70, 110)),
    "preview": lambda rng: float(rng.uniform(12, 34)),
    "card": lambda rng: float(rng.uniform(3, 11)),
}


def shard_path(folder: Path, split: Split, number: int) -> Path:
    """Return the path of a file of pieces."""
    return folder / f"{split}-{number:04d}.safetensors"


def make_shard(path: Path, number: int, seed: int, material: Material) -> None:
    """Render the pieces of one file and write it, whole or not at all.

    Raises:
        ClippingError: where it cannot be written.
    """
    from safetensors.numpy import save

    rng = stream(seed, SPLITS[material.split], 20, number)
    pieces = [make_piece(kind, int(rng.integers(2**40)), material) for kind in SHARD]
    arrays, about = {}, []
    for index, piece in enumerate(pieces):
        arrays[f"{index}.frames"], arrays[f"{index}.mel"] = piece.frames, piece.mel
        arrays[f"{index}.text"] = np.packbits(piece.text)
        about.append({"kind": piece.kind, "length": piece.length, "phase": piece.phase})
    metadata = {"format": FORMAT, "pieces": json.dumps(about)}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(arrays, metadata))


def read_pieces(path: Path) -> list[Piece]:
    """Read the pieces of a file.

    Raises:
        FeatureError: if it is damaged, or no file of pieces.
    """
    from safetensors import SafetensorError, safe_open

    try:
        check_header(path)
        if path.stat().st_size > MOST_BYTES:
            raise FeatureError(f"it is larger than {MOST_BYTES} bytes")
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise FeatureError("it holds no pieces")
            return [
                _read_piece(file, index, about)
                for index, about in enumerate(json.loads(metadata["pieces"]))
            ]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, FeatureError) as error:
        raise FeatureError(
            f"{path}: cannot be used: {error}; remove it, to be made again"
        ) from error


def _read_piece(file: object, index: int, about: dict[str, object]) -> Piece:
    get = file.get_tensor  # type: ignore[attr-defined]
    frames, bits = get(f"{index}.frames"), get(f"{index}.text")
    count = len(frames)
    text = np.unpackbits(bits, count=count * 27 * 36).reshape(count, 27, 36).astype(bool)
    kind, length, phase = str(about["kind"]), float(about["length"]), float(about["phase"])  # type: ignore[arg-type]
    if kind not in KINDS or not (0 <= phase <= 1 and 0 < length < 3600):
        raise FeatureError(f"piece {index} is a {kind} of {length} s, its first picture at {phase}")
    return Piece(kind, length, phase, frames, text, get(f"{index}.mel"))

"""Find free material that a user adds to the generator: music, speech, pictures and fonts.

A folder holds any of ``music/``, ``speech/``, ``pictures/`` and ``fonts/``, with any files below
them. The generator makes whatever is missing. The files are divided into training, validation and
test, so that no voice, song, picture or font is in two of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from avtnet.synthesis.lettering import find_cjk_font, latin_fonts
from avtnet.synthesis.music import SAMPLE_RATE, Sound
from avtnet.synthesis.settings import Split
from clipping.errors import ClippingError

SPLITS: dict[Split, int] = {"train": 0, "val": 1, "test": 2}
"""Number of each split, which keeps their random streams apart."""
SHARES: dict[Split, tuple[float, float]] = {
    "train": (0.0, 0.7),
    "val": (0.7, 0.8),
    "test": (0.8, 1.0),
}
"""Range of the hashes, 0..1, that belong to each split."""
SOUND_SUFFIXES = frozenset(".ogg .opus .mp3 .flac .wav .m4a".split())
PICTURE_SUFFIXES = frozenset(".jpg .jpeg .png .webp".split())
FONT_SUFFIXES = frozenset(".ttf .otf .ttc".split())
SUFFIXES = {
    "music": SOUND_SUFFIXES,
    "speech": SOUND_SUFFIXES,
    "pictures": PICTURE_SUFFIXES,
    "fonts": FONT_SUFFIXES,
}
"""Suffixes of the files of each kind of material."""
MOST_PIXELS = 40_000_000
"""Pixels of the largest picture that is used."""
LONGEST_MUSIC = 600.0
"""Most seconds of a file of music that are used."""
CJK = re.compile(r"cjk|ipa|vl-|wqy|takao|hans|gothic.*jp", re.IGNORECASE)
KOREAN = re.compile(r"nanum|cjk|unfont", re.IGNORECASE)


@dataclass(frozen=True)
class Material:
    """The files of one split, sorted by name."""

    split: Split = "train"
    music: tuple[Path, ...] = ()
    speakers: tuple[tuple[Path, ...], ...] = ()
    """The utterances of each voice."""
    pictures: tuple[Path, ...] = ()
    latin: tuple[Path, ...] = ()
    """Fonts with Latin letters; never empty."""
    cjk: tuple[Path, ...] = ()
    """Fonts with Japanese and Chinese letters."""
    korean: tuple[Path, ...] = ()


def find_material(
    folder: Path | None, split: Split, elsewhere: Mapping[str, Path | None] | None = None
) -> Material:
    """Return the files of a folder that belong to a split; None: only installed fonts.

    Speech is divided by folder (one for each language or speaker), fonts by family, music and
    pictures by file.

    Args:
        elsewhere: folders of ``music``, ``speech``, ``pictures`` or ``fonts`` outside of it.

    Raises:
        ClippingError: if a folder does not exist.
    """
    if folder is not None and not folder.is_dir():
        raise ClippingError(f"{folder}: no folder with music/, speech/, pictures/ and fonts/")
    places = {kind: None if folder is None else folder / kind for kind in SUFFIXES}
    for kind, each in (elsewhere or {}).items():
        if each is not None:
            if not each.is_dir():
                raise ClippingError(f"{each}: no folder with {kind}")
            places[kind] = each
    music, speech, pictures, fonts = (_files(places[kind], SUFFIXES[kind]) for kind in SUFFIXES)
    folders = sorted({path.parent for path in speech})
    held = _split_evenly(folders, split)
    speakers = tuple(lines for each in held for lines in _voices(each, speech))
    families = sorted({_family(path) for path in fonts})
    mine = {family for family in families if _belongs(family, split)}
    faces = [path for path in fonts if _family(path) in mine]
    latin = tuple(path for path in faces if not CJK.search(path.name)) or tuple(latin_fonts())
    installed = find_cjk_font()
    cjk = tuple(path for path in faces if CJK.search(path.name))
    return Material(
        split=split,
        music=tuple(path for path in music if _belongs(path.name, split)),
        speakers=speakers,
        pictures=tuple(path for path in pictures if _belongs(path.name, split)),
        latin=latin,
        cjk=cjk or ((installed,) if installed else ()),
        korean=tuple(path for path in faces if KOREAN.search(path.name)),
    )


@lru_cache(maxsize=256)
def music(path: Path) -> Sound:
    """Decode a file of music: mono float16 at ``SAMPLE_RATE``, root mean square 0.14.

    Raises:
        MediaError: if it cannot be decoded.
    """
    return _normal(_decoded(path), 0.14)


@lru_cache(maxsize=6000)
def utterance(path: Path) -> Sound:
    """Decode a recording of speech: mono float16, root mean square 0.1."""
    return _normal(_decoded(path), 0.1)


@lru_cache(maxsize=512)
def picture(path: Path) -> Image.Image | None:
    """Read a picture, reduced to at most 640x400 pixels; None if it is none, or too large."""
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                return None
            opened.draft("RGB", (640, 400))
            opened.thumbnail((640, 400))
            return opened.convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _decoded(path: Path) -> Sound:
    from clipping.media.probe import probe
    from clipping.media.sound import read_audio

    end = min(LONGEST_MUSIC, probe(path).duration)
    return read_audio(path, rate=SAMPLE_RATE, end=end).astype(np.float16)


def _normal(sound: Sound, level: float) -> Sound:
    loud = sound.astype(np.float32)
    return (loud * (level / (float(np.sqrt(np.mean(loud**2))) + 1e-6))).astype(np.float16)


def _files(folder: Path | None, suffixes: Iterable[str]) -> list[Path]:
    if folder is None:
        return []
    known = frozenset(suffixes)
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in known)


def _split_evenly(folders: Sequence[Path], split: Split) -> list[Path]:
    """Deal folders to the splits in turn, the largest first.

    Three folders give one to each split; of more, most go to train.
    """
    order = sorted(folders, key=lambda path: (-sum(1 for _ in path.iterdir()), path.name))
    turn: tuple[Split, ...] = ("train", "test", "val", "train", "train")
    return [path for index, path in enumerate(order) if turn[index % len(turn)] == split]


def _voices(folder: Path, speech: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Return the files of each voice in a folder; a letter in few of the names is no voice."""
    files = [path for path in speech if path.parent == folder]
    by_voice = {
        voice: tuple(path for path in files if _voice(path) == voice)
        for voice in sorted({_voice(path) for path in files})
    }
    return [lines for lines in by_voice.values() if len(lines) >= 0.02 * len(files)]


def _voice(path: Path) -> str:
    """Return the letter of the speaker in a file's name (``room-m-hello.ogg``), or nothing."""
    found = re.search(r"[-_]([mvf])[-_.]", path.name)
    return found[1] if found else ""


def _family(path: Path) -> str:
    """Return the family of a font: ``LiberationSans-Bold.ttf`` → ``liberation``."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.split(r"[-_.]", path.stem)[0]).split()[0]
    return name.lower().rstrip("0123456789")


def _belongs(name: str, split: Split) -> bool:
    value = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big") / 2**32
    low, high = SHARES[split]
    return low <= value < high

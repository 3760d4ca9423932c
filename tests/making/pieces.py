"""Pieces of episodes as features: some that count their seconds, some that are rendered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avtnet.synthesis import library
from avtnet.synthesis.film import PLAIN
from avtnet.synthesis.library import Piece
from avtnet.synthesis.material import find_material
from avtnet.synthesis.treatment import Treatment

UNTREATED = Treatment(PLAIN, 4 / 3, 0.0, None, None)
"""A copy to which nothing happens."""


def counted(kind: str, length: float, phase: float, level: int) -> Piece:
    """A piece whose pictures and sound say which second of it they are."""
    count = int(np.ceil(length - phase))
    frames = np.zeros((count, 3, 33, 44), np.uint8)
    frames[:, 0], frames[:, 1] = np.arange(count)[:, None, None], level
    times = np.arange(int(length * 22050 / 512)) / (22050 / 512)
    levels = (100 + np.rint(times * 4) % 100).astype(np.uint8)  # 100 of them a 25 s
    return Piece(
        kind,
        length,
        phase,
        frames,
        np.broadcast_to((np.arange(count) % 2 == 1)[:, None, None], (count, 27, 36)),
        np.broadcast_to(levels[:, None], (len(levels), 128)),
    )


COUNTED = [
    counted("opening", 88.6, 0.37, 1),
    counted("ending", 91.2, 0.81, 2),
    counted("story", 100.0, 0.0, 3),
    counted("preview", 20.0, 0.5, 4),
    counted("card", 6.0, 0.2, 5),
]
"""One of each kind."""


def render_pieces(folder: Path, seconds: float = 8.0) -> Path:
    """A folder of files of the splits train and val, with one rendered piece of each kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "SHARD", ("opening", "ending", "story", "preview", "card"))
        patch.setattr(library, "LENGTHS", {kind: lambda rng: seconds for kind in library.KINDS})
        for split in ("train", "val"):
            path = library.shard_path(folder, split, 0)
            library.make_shard(path, 0, 0, find_material(None, split))
    return folder

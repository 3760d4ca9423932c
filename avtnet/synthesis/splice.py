"""Replace the inside of songs, so that a network cannot learn each song by heart.

A network that predicts one boundary can learn each song of its material: one picture from the
middle of an opening then tells it, to the second, how long that opening still lasts. In a spliced
song only the first and the last seconds stay in place. The pictures between are cut out of other
songs of its kind, so they have no fixed distance to either end; all of the sound is of other songs.
"""

from __future__ import annotations

import numpy as np

from avtnet.dense.inputs import COLUMNS_A_SECOND
from avtnet.synthesis.library import Piece

KEPT = (2.0, 15.0)
"""Shortest and longest part that stays at each end, in seconds."""
PICTURES_CUT = (4, 40)
"""Shortest and longest cut of pictures, in whole seconds: there is one picture for each second."""
SOUND_CUT = (8.0, 60.0)
"""Shortest and longest cut of sound, in seconds."""
OWN = 0.5
"""Share of the cuts of pictures that are taken from the song itself."""
OTHER_LENGTH = 0.3
"""Share of songs that become longer or shorter, by at most LONGER."""
LONGER = 25
SHORTEST = 12
"""Seconds of the shortest song that is spliced."""


def spliced(piece: Piece, others: list[Piece], rng: np.random.Generator) -> Piece:
    """Return a song that begins and ends with the pictures of ``piece``, with sound of others.

    Args:
        piece: an opening or an ending.
        others: songs of its kind.
    """
    if piece.length < SHORTEST:
        return piece
    change = 0
    if rng.random() < OTHER_LENGTH:
        change = int(rng.integers(-min(LONGER, int(piece.length) - SHORTEST), LONGER + 1))
    length = piece.length + change
    shown = _pictures(piece, others, len(piece.frames) + change, rng)
    return Piece(
        kind=piece.kind,
        length=length,
        phase=piece.phase,
        frames=np.concatenate([one.frames[part] for one, part in shown]),
        text=np.concatenate([one.text[part] for one, part in shown]),
        mel=np.concatenate([one.mel[part] for one, part in _sound(others, length, rng)]),
    )


_Cuts = list[tuple[Piece, slice]]


def _pictures(piece: Piece, others: list[Piece], count: int, rng: np.random.Generator) -> _Cuts:
    """Draw cuts for ``count`` pictures, in whole seconds, so that phase and end stay right."""
    first, last = (int(rng.uniform(*KEPT)) for _ in range(2))
    first = min(first, count // 2, len(piece.frames))
    last = min(last, count - first, len(piece.frames))
    cuts: _Cuts = [(piece, slice(0, first))]
    left = count - first - last
    while left > 0:
        one = piece if rng.random() < OWN else others[rng.integers(len(others))]
        size = min(left, len(one.frames), int(rng.integers(*PICTURES_CUT)))
        begin = int(rng.integers(len(one.frames) - size + 1))
        cuts.append((one, slice(begin, begin + size)))
        left -= size
    cuts.append((piece, slice(len(piece.frames) - last, len(piece.frames))))
    return cuts


def _sound(others: list[Piece], length: float, rng: np.random.Generator) -> _Cuts:
    """Draw cuts for ``length`` seconds of sound: first the start of a song, last an end."""
    count = round(length * COLUMNS_A_SECOND)
    opens, closes = (others[rng.integers(len(others))] for _ in range(2))
    first, last = (round(rng.uniform(*KEPT) * COLUMNS_A_SECOND) for _ in range(2))
    first = min(first, count // 2, len(opens.mel))
    last = min(last, count - first, len(closes.mel))
    cuts: _Cuts = [(opens, slice(0, first))]
    left = count - first - last
    while left > 0:
        one = others[rng.integers(len(others))]
        size = min(left, len(one.mel), round(rng.uniform(*SOUND_CUT) * COLUMNS_A_SECOND))
        begin = int(rng.integers(len(one.mel) - size + 1))
        cuts.append((one, slice(begin, begin + size)))
        left -= size
    cuts.append((closes, slice(len(closes.mel) - last, len(closes.mel))))
    return cuts

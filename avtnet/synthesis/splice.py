"""Songs whose inside is put together anew, so that a network cannot know them by heart.

A network that names one boundary learns each song of its material: a picture from the middle of
an opening tells it to the second how long that opening still goes on. Here only the first and the
last seconds of a song stay where they are. What lies between is cut out of other songs of its kind
and has no fixed distance to either end; its sound is that of other songs altogether.
"""

from __future__ import annotations

import numpy as np

from avtnet.dense.inputs import COLUMNS_A_SECOND
from avtnet.synthesis.library import Piece

KEPT = (2.0, 15.0)
"""Seconds that stay at each end, as drawn."""
PICTURES_CUT = (4, 40)
"""Seconds of pictures in one go: whole ones, or pictures would miss their second."""
SOUND_CUT = (8.0, 60.0)
"""Seconds of sound in one go."""
OWN = 0.5
"""Share of the cuts of pictures that come from the song itself."""
OTHER_LENGTH = 0.3
"""Share of songs that become longer or shorter, by at most LONGER."""
LONGER = 25
SHORTEST = 12
"""Seconds; shorter songs stay as they are."""


def spliced(piece: Piece, others: list[Piece], rng: np.random.Generator) -> Piece:
    """A song that begins and ends with the pictures of ``piece``, and sounds like others.

    Args:
        piece: an opening or an ending.
        others: of its kind.
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
    """``count`` pictures; whole seconds are put in and left out, so phase and end stay right."""
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
    """So many seconds, the beginning of one song first and the end of another one last."""
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

"""Episodes composed of pieces whose pictures and text were encoded before, as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avtnet.dense.inputs import COLUMNS_A_SECOND, Example
from avtnet.synthesis.composer import SONGS, Composer
from avtnet.synthesis.library import Piece
from avtnet.synthesis.treatment import Treatment

SPLICED = 0.5
"""Share of songs whose inside is put together of several."""
SHORTENED = 0.3
"""Share of songs that lose some seconds."""
SHORTEST = 6
"""Seconds that are left of a shortened song."""


class VectorComposer(Composer):
    """Composes of pieces whose pictures and text are vectors, each example of one copy of them.

    Args:
        copies: the same pieces, encoded as several copies of their episodes show them.
    """

    def __init__(self, copies: Sequence[Sequence[Piece]], seed: int) -> None:
        super().__init__(copies[0], seed, spliced=SPLICED)
        self._copies = []
        for pieces in copies:
            kinds: dict[str, list[Piece]] = {}
            for piece in pieces:
                kinds.setdefault(piece.kind, []).append(piece)
            self._copies.append(kinds)

    def example(self, index: int, manner: str | None = None) -> Example:
        rng = np.random.default_rng([self.seed, 25, index])
        self._by_kind = self._copies[rng.integers(len(self._copies))]
        return super().example(index, manner)

    def _pick(self, kind: str, rng: np.random.Generator) -> Piece:
        piece = super()._pick(kind, rng)
        if kind in SONGS and SHORTENED and rng.random() < SHORTENED:
            return shortened(piece, rng)
        return piece

    def seen(
        self, frames: np.ndarray, text: np.ndarray, treatment: Treatment, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        return frames, text  # treated before they were encoded


def shortened(piece: Piece, rng: np.random.Generator) -> Piece:
    """Return a song without some whole seconds of its inside; its beginning and end are kept.

    Most songs last 90 s. A network that knows that names an opening of 7 s as one of 90.
    """
    most = int(piece.length) - SHORTEST
    if most < 1:
        return piece
    gone = int(rng.integers(1, most + 1))
    first = int(rng.integers(2, len(piece.frames) - gone - 1))
    kept = np.delete(np.arange(len(piece.frames)), slice(first, first + gone))
    # The columns of the same time: picture number n is that of second phase + n.
    columns = [round((piece.phase + second) * COLUMNS_A_SECOND) for second in (first, first + gone)]
    return replace(
        piece,
        length=piece.length - gone,
        frames=piece.frames[kept],
        text=piece.text[kept],
        mel=np.delete(piece.mel, slice(*columns), axis=0),
    )

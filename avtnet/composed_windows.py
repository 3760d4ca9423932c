"""Compose windows of pieces whose pictures and text the frozen encoders have encoded before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from avtnet.classic.augment import HIDDEN, changed_sound
from avtnet.classic.dataset import scale_frames, to_targets
from avtnet.classic.model import AVTNet, AVTNet_YOLT
from avtnet.dense.augment import MISSED
from avtnet.dense.inputs import Example
from avtnet.synthesis.library import Piece
from avtnet.synthesis.treatment import draw_treatment, treat_pictures
from avtnet.synthesis.vectors import VectorComposer
from avtnet.window_files import truth_of
from clipping.files import atomic_path
from clipping.windows import Side

Network = AVTNet | AVTNet_YOLT
KEPT = ("frames", "text")
"""Arrays of a piece that a file of copies holds, as vectors."""
COPIES_SEED = 7
"""Seed of the copies; that of a training is another, so that trainings share them."""
AT_ONCE = 512
"""Pictures that are encoded at once."""


def encode_copy(network: Network, pieces: Sequence[Piece], seed: int, copy: int) -> list[Piece]:
    """Return the pieces as copy number ``copy`` shows them, their pictures and text as vectors."""
    rng = np.random.default_rng([seed, 26, copy])
    treatment = draw_treatment(rng)
    encoded = []
    for piece in pieces:
        frames, text = treat_pictures(piece.frames, piece.text, treatment, rng)
        if copy % 2:
            frames, text = frames[..., ::-1].copy(), text[..., ::-1].copy()
        vectors = encode_pictures(network, torch.from_numpy(frames), torch.from_numpy(text))
        shown, written = (each.half().numpy() for each in vectors)
        encoded.append(replace(piece, frames=shown, text=written))
    return encoded


@torch.no_grad()
def encode_pictures(network: Network, frames: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """Return the vectors that the frozen encoders make of bytes of pictures, and of masks."""
    assert network.video is not None
    assert network.video.text is not None
    parts = []
    for some, masks in zip(frames.split(AT_ONCE), text.split(AT_ONCE), strict=True):
        pictures = network.video.frames(scale_frames(some, if_normal=False))
        parts.append((pictures, network.video.text(masks.float())))
    shown, written = zip(*parts, strict=True)
    return torch.cat(shown), torch.cat(written)


def empty_vectors(network: Network) -> tuple[Tensor, Tensor]:
    """Return the vectors of a black picture and of an empty mask, one row each."""
    black = torch.zeros(1, 3, 33, 44, dtype=torch.uint8)
    return encode_pictures(network, black, torch.zeros(1, 27, 36, dtype=torch.bool))


def read_copies(
    folder: Path, network: Network, pieces: Sequence[Piece], count: int
) -> list[list[Piece]]:
    """Return so many copies, read from their folder if they were made before."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for copy in range(count):
        path = folder / f"copy-{len(pieces)}-{COPIES_SEED}-{copy:03d}.safetensors"
        if not path.is_file():
            made = encode_copy(network, pieces, COPIES_SEED, copy)
            arrays = {name: np.concatenate([getattr(p, name) for p in made]) for name in KEPT}
            with atomic_path(path) as temporary:
                save_file(arrays, temporary)
        held = load_file(path)
        ends = np.cumsum([len(piece.frames) for piece in pieces])
        split = {name: np.split(held[name], ends[:-1]) for name in KEPT}
        copies.append(
            [
                replace(piece, frames=split["frames"][index], text=split["text"][index])
                for index, piece in enumerate(pieces)
            ]
        )
    return copies


class Rows(NamedTuple):
    """A batch of composed windows, endings backwards."""

    sound: Tensor
    frames: Tensor
    """Vectors of pictures."""
    text: Tensor
    """Vectors of masks."""
    target: Tensor
    """Boundaries as shares of the window."""
    song: Tensor
    """(B, 2): songs as shares of the window."""
    next: int
    """Number of the first example of the next batch."""


class Windows:
    """Composes batches of fresh windows and changes them as avtnet.classic.augment does.

    Args:
        nothing: the vectors of a black picture and of an empty mask (:func:`empty_vectors`).
        openings: share of a batch's windows that are asked for the end of an opening.
    """

    def __init__(
        self, composer: VectorComposer, nothing: tuple[Tensor, Tensor], openings: float = 0.5
    ) -> None:
        self.composer, self.openings = composer, openings
        self.nothing = tuple(each[0] for each in nothing)

    def compose(self, count: int, first: int) -> Rows:
        """Return a batch of the first examples, from number ``first`` on, that have a boundary."""
        rows: list[tuple[Tensor, ...]] = []
        while len(rows) < count:
            side: Side = "start" if len(rows) < round(self.openings * count) else "end"
            example = self.composer.example(first, side)
            first += 1
            if (row := self.row(example, side)) is not None:
                rows.append(row)
        sound, frames, text, target, song = map(torch.stack, zip(*rows, strict=True))
        return Rows(sound, frames, text, target, song, first)

    def row(self, example: Example, side: Side) -> tuple[Tensor, ...] | None:
        """Return sound, vectors, boundary and song of a window; None if it has no boundary."""
        truth = truth_of(example, side)
        if truth is None:
            return None
        sound, frames, text = map(torch.from_numpy, (example.sound, example.frames, example.text))
        gone = torch.arange(len(frames)) + example.start >= example.duration
        frames, text = frames.float(), text.float()
        frames[gone], text[gone] = self.nothing
        song, target = to_targets(truth.song), to_targets([truth.label])[0]
        if side == "end":
            sound, frames, text = sound.flip(1), frames.flip(0), text.flip(0)
            song, target = 1 - song.flip(0), 1 - target
        return sound, frames, text, target, song

    def changed(self, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """Return sound, pictures and text with what chance, by torch's generator, does to them."""
        count, frames, text = len(rows.sound), rows.frames, rows.text
        hidden = (torch.rand(count) / HIDDEN).long()
        sound = changed_sound(rows.sound, torch.rand(count) < 0.8, torch.rand(count) < 0.3)
        sound[hidden == 0] = 0
        frames[hidden == 1] = self.nothing[0]
        missed = torch.tensor(MISSED)[torch.randint(len(MISSED), (count,))]
        unseen = torch.rand(text.shape[:2]) < missed[:, None]
        text[unseen | (hidden == 2)[:, None]] = self.nothing[1]
        return sound, frames, text


@contextmanager
def encoded(video: Any) -> Iterator[None]:
    """Bypass the encoders of pictures and text within the block: inputs are encoded already."""
    encoders = video.frames, video.text
    video.frames, video.text = nn.Identity(), nn.Identity()
    try:
        yield
    finally:
        video.frames, video.text = encoders

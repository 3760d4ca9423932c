"""Train AVTNet, AVTNet2 or AVTNet_YOLT (size seeing) on windows composed anew in each step.

    python benchmarks/classic_composed.py --library LIBRARY --banks BANKS --val VAL --save RUN
        --kind avtnet_yolt --looks 20000 [--weights CHECKPOINT] [--seed 0] [--freeze-sound]

As ``python -m avtnet.train --config configs/X_seeing.yaml`` on a folder of ``python -m
avtnet.compose``, but that no window is seen twice and none is written: two thirds of that
training's time on a CPU go into composing windows and into the encoders of pictures and text, which
are frozen and look at single seconds. So here every second of every piece is encoded once in each
of some copies (--copies; colours, grain, bars, shape as drawn for each, half of them mirrored), and
windows are composed of vectors. Their sound is composed and encoded as always.

Written are best.safetensors and epochNNN.safetensors of each validation, as ``avtnet.train`` does.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from clipping.learning.checkpoints import versions

sys.path.insert(0, str(Path(__file__).parents[1]))

from avtnet.classic import checkpoints
from avtnet.classic.augment import HIDDEN, changed_sound
from avtnet.classic.checkpoints import Checkpoint, CheckpointInfo
from avtnet.classic.config import ModelConfig, TrainConfig
from avtnet.classic.dataset import read_windows, scale_frames, to_targets
from avtnet.classic.fit import first_weights, part_of
from avtnet.classic.losses import loss_terms, mean_loss, song_term
from avtnet.classic.model import AVTNet, AVTNet_YOLT, WithSongLoss, build
from avtnet.classic.positions import predict_windows
from avtnet.classic.scores import score_windows, summary_line
from avtnet.compose import SETTINGS, truth_of
from avtnet.dense.augment import MISSED
from avtnet.dense.inputs import COLUMNS_A_SECOND, Example
from avtnet.synthesis.composer import SONGS, Composer
from avtnet.synthesis.library import Piece, read_pieces
from avtnet.synthesis.treatment import Treatment, draw_treatment, treat_pictures
from clipping.files import atomic_path
from clipping.windows import Side

Network = AVTNet | AVTNet_YOLT
SPLICED = 0.5
SHORTENED = 0.3
"""Share of songs, too."""
SHORTEST = 6
"""Seconds that are left of one."""
WARM = 60
AT_ONCE = 512
"""Pictures that are encoded at a go."""


class Vectors(Composer):
    """Composes of pieces whose pictures and text are vectors, each example of one copy of them."""

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
    """A song without some whole seconds of its inside; how a song begins and ends is kept.

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


def encode(network: Network, pieces: Sequence[Piece], seed: int, copy: int) -> list[Piece]:
    """The pieces as copy number ``copy`` shows them, their pictures and text as vectors."""
    rng = np.random.default_rng([seed, 26, copy])
    treatment = draw_treatment(rng)
    encoded = []
    for piece in pieces:
        frames, text = treat_pictures(piece.frames, piece.text, treatment, rng)
        if copy % 2:
            frames, text = frames[..., ::-1].copy(), text[..., ::-1].copy()
        vectors = looked_at(network, torch.from_numpy(frames), torch.from_numpy(text))
        shown, written = (each.half().numpy() for each in vectors)
        encoded.append(replace(piece, frames=shown, text=written))
    return encoded


@torch.no_grad()
def looked_at(network: Network, frames: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """Bytes of pictures and masks → the vectors that the frozen encoders make of them."""
    assert network.video is not None
    assert network.video.text is not None
    parts = []
    for some, masks in zip(frames.split(AT_ONCE), text.split(AT_ONCE), strict=True):
        pictures = network.video.frames(scale_frames(some, if_normal=False))
        parts.append((pictures, network.video.text(masks.float())))
    shown, written = zip(*parts, strict=True)
    return torch.cat(shown), torch.cat(written)


def read_copies(
    banks: Path, network: Network, pieces: Sequence[Piece], seed: int, count: int
) -> list[list[Piece]]:
    """All copies, from ``banks`` where they were made before."""
    banks.mkdir(parents=True, exist_ok=True)
    copies = []
    for copy in range(count):
        path = banks / f"copy-{len(pieces)}-{seed}-{copy:03d}.safetensors"
        if not path.is_file():
            made = encode(network, pieces, seed, copy)
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
        print(f"copy {copy}: {path}", flush=True)
    return copies


KEPT = ("frames", "text")


class Windows:
    """Batches of fresh windows, endings backwards, changed as in avtnet.classic.augment."""

    def __init__(
        self, composer: Vectors, nothing: tuple[Tensor, Tensor], openings: float = 0.5
    ) -> None:
        self.composer, self.openings = composer, openings
        self.nothing = tuple(each[0] for each in nothing)
        self.next = 0

    def batch(self, count: int) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, Tensor]:
        """mfcc, picture and text vectors; boundaries and songs as shares of the window."""
        rows: list[tuple[Tensor, ...]] = []
        while len(rows) < count:
            side: Side = "start" if len(rows) < round(self.openings * count) else "end"
            example = self.composer.example(self.next, side)
            self.next += 1
            if (row := self._row(example, side)) is not None:
                rows.append(row)
        sound, frames, text, target, song = map(torch.stack, zip(*rows, strict=True))
        return self._changed(sound, frames, text), target, song

    def _row(self, example: Example, side: Side) -> tuple[Tensor, ...] | None:
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

    def _changed(
        self, sound: Tensor, frames: Tensor, text: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = len(sound)
        hidden = (torch.rand(rows) / HIDDEN).long()
        sound = changed_sound(sound, torch.rand(rows) < 0.8, torch.rand(rows) < 0.3)
        sound[hidden == 0] = 0
        frames[hidden == 1] = self.nothing[0]
        missed = torch.tensor(MISSED)[torch.randint(len(MISSED), (rows,))]
        unseen = torch.rand(text.shape[:2]) < missed[:, None]
        text[unseen | (hidden == 2)[:, None]] = self.nothing[1]
        return sound, frames, text


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--banks", type=Path, required=True, help="folder of encoded pieces")
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--save", type=Path, required=True)
    parser.add_argument("--kind", default="avtnet_yolt")
    parser.add_argument("--weights", type=Path, help="a checkpoint; of another kind: but its head")
    parser.add_argument("--looks", type=int, default=20000)
    parser.add_argument("--validate", type=int, default=10000, help="after so many looks")
    parser.add_argument("--copies", type=int, default=12)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--openings", type=float, default=0.5, help="share of a batch's windows")
    parser.add_argument("--freeze-sound", action="store_true")
    parser.add_argument("--dropout", type=float, default=0.0, help="share of the original's")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    model = ModelConfig(kind=arguments.kind, size="seeing")
    network, first = build(model).eval(), arguments.weights
    if first is not None and checkpoints.read_info(first).model == model:
        config = TrainConfig(model=model, weights=first)
    else:
        config = TrainConfig(model=model, pretrained=str(first or "shipped"))
    print(first_weights(network, config))
    soften(network, arguments.dropout)
    pieces = [p for path in sorted(arguments.library.glob("train-*")) for p in read_pieces(path)]
    copies = read_copies(arguments.banks, network, pieces, 7, arguments.copies)
    black = torch.zeros(1, 3, 33, 44, dtype=torch.uint8)
    nothing = looked_at(network, black, torch.zeros(1, 27, 36, dtype=torch.bool))
    windows = Windows(Vectors(copies, arguments.seed), nothing, arguments.openings)
    train(network, windows, arguments)
    return 0


def train(network: Network, windows: Windows, arguments: argparse.Namespace) -> None:
    """The steps, and a validation now and then."""
    video: Any = network.video  # its encoders make room for what takes vectors as they are
    encoders, sound = (video.frames, video.text), part_of(network, "audio.sound")
    for part in (*encoders, *([sound] if arguments.freeze_sound else [])):
        part.requires_grad_(False)
    taught = WithSongLoss(network)
    moving = [each for each in taught.parameters() if each.requires_grad]
    adam = torch.optim.Adam(moving, lr=arguments.lr)
    steps = max(1, arguments.looks // arguments.batch)
    count = max(1, round(arguments.looks / arguments.validate))
    marks = {round(steps * part / count): part - 1 for part in range(1, count + 1)}
    best, loss_sum, begun = math.inf, 0.0, time.monotonic()
    for step in range(steps):
        if step == 0 or step in marks:
            video.frames, video.text = nn.Identity(), nn.Identity()
            taught.train()
            if arguments.freeze_sound:
                sound.eval()
        torch.manual_seed(arguments.seed * 1_000_003 + step)
        for group in adam.param_groups:
            group["lr"] = arguments.lr * rate(step, steps)
        inputs, target, songs = windows.batch(arguments.batch)
        out = taught(*inputs)
        terms = loss_terms(out, target, network.config, 1.0)
        loss = mean_loss([*terms, song_term(out.song, songs, 1.0)])
        loss.backward()
        adam.step()
        adam.zero_grad()
        loss_sum += float(loss.detach())
        if (step + 1) % 25 == 0:
            passed = (time.monotonic() - begun) / (step + 1) / arguments.batch * 1000
            print(f"{step + 1}/{steps} loss {loss_sum / 25:.1f} {passed:.0f} ms", flush=True)
            loss_sum = 0.0
        if step + 1 in marks:
            video.frames, video.text = encoders
            best = min(best, validated(network, arguments, marks[step + 1], best))


def soften(network: Network, share: float) -> None:
    """Let dropout leave out that share of what it does.

    It helps who sees few windows often. Here none is seen twice, and it only blurs the answer.
    """
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p *= share
        elif isinstance(module, nn.GRU):
            module.dropout *= share


def rate(step: int, steps: int) -> float:
    """A share of --lr: up in WARM steps, as Adam's first ones know no scale, then a cosine."""
    return min(1.0, (step + 1) / WARM) * 0.5 * (1 + math.cos(math.pi * step / steps))


def validated(network: Network, arguments: argparse.Namespace, epoch: int, best: float) -> float:
    """Score on the windows of --val; keeps the checkpoint."""
    info = CheckpointInfo(network.config, False, SETTINGS, reverse_ends=True)
    found, _ = read_windows(arguments.val)
    network.eval()
    checkpoint = Checkpoint(arguments.save, network, info)
    row = score_windows(found, predict_windows(checkpoint, [each.path for each in found]))
    print(f"epoch {epoch}: {summary_line(row)}", flush=True)
    info = replace(
        info,
        epoch=epoch,
        metrics={name: float(value) for name, value in row.items()},
        training={name: str(value) for name, value in vars(arguments).items()},
        trained_on="windows composed of made-up pieces (benchmarks/classic_composed.py)",
        versions=versions(),
    )
    arguments.save.mkdir(parents=True, exist_ok=True)
    checkpoints.save(arguments.save / f"epoch{epoch:03d}.safetensors", network, info)
    if row["score"] < best:
        checkpoints.save(arguments.save / "best.safetensors", network, info)
    return float(row["score"])


if __name__ == "__main__":
    sys.exit(main())

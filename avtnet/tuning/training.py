"""AVTNetDense moved a little towards a few labelled episodes, and no further than helps others.

A handful of episodes is soon learned by heart, and what was known before soon forgotten. So

* the episodes are divided into folds, each of which is held back from one training; this stops
  where the held-back ones gain no more (at once, where they never do), and says what was gained;
* the weights of these trainings, which all began with the same ones, are averaged: all labels
  count, and an average of such weights is known to forget less than any of them;
* the rate is a seventh of the first training's, and the batch norms keep their statistics; what
  sees and hears a second by itself is moved too, for a song is known by its sound (docs/tune.md);
* windows are cut anywhere and changed as composed ones are (other colours, other loudness, senses
  hidden);
* with a library of pieces, composed episodes are mixed in.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense import inference
from avtnet.dense.checkpoint import DenseCheckpoint
from avtnet.dense.decode import by_place, decode
from avtnet.dense.info import DenseInfo, calibrated
from avtnet.dense.inputs import Example, Examples
from avtnet.dense.losses import dense_loss
from avtnet.dense.model import AVTNetDense
from avtnet.dense.tensors import collate
from avtnet.dense.train_settings import DenseTrainConfig
from avtnet.dense.training import CLIP_NORM, DenseTraining
from avtnet.synthesis.composer import Composer
from avtnet.synthesis.library import Piece, read_pieces
from avtnet.tuning.episodes import Mixed, OwnEpisode, OwnWindows, own_part, window
from avtnet.tuning.labels import KINDS
from clipping.config import dump
from clipping.errors import CheckpointError, ClippingError
from clipping.judging.judgement import RIGHT_SECONDS
from clipping.learning import loop
from clipping.learning.checkpoints import versions
from clipping.learning.processes import Process
from clipping.learning.progress import Log
from clipping.learning.training import Plan, Row, marks_every
from clipping.windows import WINDOW_SECONDS

if TYPE_CHECKING:
    from avtnet.tuning.settings import TuneConfig

EVERY = 10
"""Steps between two validations on the held-back episodes."""
PATIENCE = 4
"""Validations without a gain after which a training ends."""
AVERAGING = 0.9
"""Share of the averaged weights that a step keeps."""
BLIND = 3
"""Divisor of the number of steps if no episode can be held back: nothing tells when to stop."""
LEAST = 0.5
"""Lowest score of a segment that counts, as in locate."""


@dataclass(frozen=True)
class Tuned:
    """A tuned network, and its figures on the held-back episodes."""

    network: AVTNetDense
    info: DenseInfo
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    """Figures by trainings that had not seen these episodes; the averaged weights have seen all."""


@dataclass(frozen=True)
class HeldOutAnswer:
    """The true span and the answer for one kind in one episode; None: there is none."""

    truth: tuple[float, float] | None
    said: tuple[float, float] | None


def tune(
    config: TuneConfig, start: DenseCheckpoint, episodes: Sequence[OwnEpisode], console: Console
) -> Tuned:
    """Tune on all episodes.

    Raises:
        ClippingError: where the pieces cannot be read, or a fold cannot be written.
    """
    torch.set_num_threads(config.threads)
    pieces = _pieces(config)
    parts = divided(len(episodes), config.folds, config.seed)
    before: list[HeldOutAnswer] = []
    after: list[HeldOutAnswer] = []
    made: list[DenseCheckpoint] = []
    for number, held in enumerate(parts):
        judged = [episodes[index] for index in held]
        trained = [each for index, each in enumerate(episodes) if index not in held]
        console.print(
            f"training {number + 1}/{len(parts)}: {len(trained)} episodes, {len(judged)} held back"
        )
        fold = _fold(config, start, trained, judged, pieces, number, console)
        made.append(fold)
        for episode in judged:
            before += answers(start, episode)
            after += answers(fold, episode)
    network = averaged([fold.network for fold in made])
    was, now = (figures(each) if each else {} for each in (before, after))
    metrics = {f"{when} {name}": value for when, each in (("before", was), ("after", now))
               for name, value in each.items() if math.isfinite(value)}  # fmt: skip
    if all(fold.info.training["step"] == 0 for fold in made):
        console.print(
            "the held-back episodes gained nothing: these are the weights it began with",
            style="yellow",
        )
    names = ", ".join(episode.name for episode in episodes[:8])
    more = f" and {len(episodes) - 8} more" if len(episodes) > 8 else ""
    info = DenseInfo(
        model=start.info.model,
        features=start.info.features,
        # Too few answers to calibrate again.
        scale=start.info.scale,
        offset=start.info.offset,
        trained_on=f"{start.info.trained_on}; then tuned on {len(episodes)} labelled episodes: "
        f"{names}{more}",
        training={
            **dump(config),
            "labels": {episode.name: episode.labels.origin for episode in episodes},
            "stopped at steps": [fold.info.training["step"] for fold in made],
        },
        metrics=metrics,
        versions=versions(),
    )
    return Tuned(network, info, was, now)


def divided(count: int, folds: int, seed: int) -> list[tuple[int, ...]]:
    """Return the episodes that each training holds back; none of a single one, or with one fold."""
    folds = min(folds, count)
    if folds < 2:
        return [()]
    order = np.random.default_rng([seed, 28]).permutation(count)
    return [tuple(sorted(int(each) for each in order[first::folds])) for first in range(folds)]


def _fold(
    config: TuneConfig,
    start: DenseCheckpoint,
    trained: Sequence[OwnEpisode],
    judged: Sequence[OwnEpisode],
    pieces: Sequence[Piece],
    number: int,
    console: Console,
) -> DenseCheckpoint:
    """Return one training: that of an earlier run, if it was the same, else a new one."""
    key = _key(config, start, trained, judged, pieces, number)
    path = config.output / "folds" / f"{number + 1}.safetensors"
    try:
        kept = dense_checkpoint.load(path)
        if kept.info.training.get("key") == key:
            console.print(f"  done by an earlier run: {path}")
            return kept
    except CheckpointError:
        pass  # it is not there yet, or of another kind
    source: Examples = OwnWindows(trained, config.seed + number)
    if pieces:
        composed = Composer(pieces, config.seed + number)
        source = Mixed(composed, source, config.own_share, config.seed + number)
    network, step = _trained(config, start, source, held_windows(judged), number, console)
    info = DenseInfo(
        model=start.info.model,
        features=start.info.features,
        scale=start.info.scale,
        offset=start.info.offset,
        trained_on=f"{len(trained)} labelled episodes",
        training={"key": key, "step": step},
    )
    dense_checkpoint.save(path, network, info)
    return DenseCheckpoint(path, network.eval(), info)


def _trained(
    config: TuneConfig,
    start: DenseCheckpoint,
    source: Examples,
    held: Sequence[Example],
    number: int,
    console: Console,
) -> tuple[AVTNetDense, int]:
    """Return the weights with the least loss on the held-back windows, and their step."""
    steps = config.steps if held else max(1, config.steps // BLIND)
    training = TuneTraining(config, start, source, held, steps, number)
    plan = Plan(
        marks=marks_every(EVERY, steps) if held else (steps,),
        clip_norm=CLIP_NORM,
        averaging=AVERAGING,
        at_start=bool(held),
        best="held_back" if held else "",
        patience=PATIENCE if held else 0,
    )
    ended = loop.fit(training, plan, log=Log(training.process, console=console))
    assert isinstance(ended.average, AVTNetDense)
    if training.best is not None:
        ended.average.load_state_dict(training.best)
    return ended.average, training.best_step if held else steps


class TuneTraining(DenseTraining):
    """One of the trainings: a few steps from ``start``, the norms' statistics kept."""

    def __init__(
        self,
        config: TuneConfig,
        start: DenseCheckpoint,
        source: Examples,
        held: Sequence[Example],
        steps: int,
        number: int,
    ) -> None:
        settings = DenseTrainConfig(
            steps=steps, batch_size=config.batch_size, lr=config.lr, seed=config.seed + number
        )
        super().__init__(Process(), settings, source, held, copy.deepcopy(start.network))
        self.best: dict[str, Any] | None = None
        """Averaged weights of the best step."""
        self.best_step = 0
        if not config.senses:
            network = self.network
            assert isinstance(network, AVTNetDense)
            for sense in (network.sound, network.frames, network.text):
                sense.requires_grad_(False)

    def optimizer(self) -> torch.optim.Optimizer:
        moved = [each for each in self.network.parameters() if each.requires_grad]
        return torch.optim.AdamW(moved, lr=self.config.lr, weight_decay=0.0)

    def train_mode(self) -> None:
        self.network.train()
        for part in self.network.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.eval()

    def validate(self, network: nn.Module) -> dict[str, float]:
        assert isinstance(network, AVTNetDense)
        if not self.held:
            return {}
        return {"held_back": held_out_loss(network, self.held, self.config.batch_size)}

    def after_validation(self, network: nn.Module, row: Row, *, better: bool) -> None:
        if better:
            self.best, self.best_step = copy.deepcopy(network.state_dict()), int(row["step"])

    def summary(self, row: Row) -> str:
        held = f"held back {row['held_back']:.4f}" if self.held else "nothing held back"
        return f"loss {row['train_loss']:.4f}, {held}" if row["step"] else held


def held_windows(episodes: Sequence[OwnEpisode]) -> list[Example]:
    """Return the first and the last window of each episode, and two between."""
    found = []
    for episode in episodes:
        latest = max(0.0, episode.duration - WINDOW_SECONDS)
        for start in sorted({0.0, latest / 3, 2 * latest / 3, latest}):
            found.append(window(episode, start))
    return found


def held_out_loss(network: AVTNetDense, examples: Sequence[Example], batch_size: int) -> float:
    """Return the mean loss over unchanged windows; not a number if there are none."""
    network.eval()
    losses = []
    with torch.inference_mode():
        for first in range(0, len(examples), batch_size):
            batch = examples[first : first + batch_size]
            inputs, targets = collate(batch)
            losses += [float(dense_loss(network(*inputs.numbers()), targets))] * len(batch)
    return float(np.mean(losses)) if losses else math.nan


def averaged(networks: Sequence[AVTNetDense]) -> AVTNetDense:
    """Return a network with the mean of weights that began as the same (Wortsman et al., 2022)."""
    result = copy.deepcopy(networks[0])
    states = [network.state_dict() for network in networks]
    with torch.no_grad():
        for name, value in result.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.stack([state[name] for state in states]).mean(0))
    return result.eval()


def answers(checkpoint: DenseCheckpoint, episode: OwnEpisode) -> Iterator[HeldOutAnswer]:
    """Yield a network's answer for a whole episode, for each kind with a known truth."""
    probabilities = inference.evidence(checkpoint, partial(own_part, episode), episode.seconds)
    evidence = by_place(probabilities, 0.0, episode.duration)
    found = {
        each.label: (each.start, each.end)
        for each in decode(evidence, covered=episode.duration)
        if calibrated(each.score, checkpoint.info) >= LEAST
    }
    for kind in KINDS:
        spans = episode.labels.of(kind)
        if kind in episode.labels.known and len(spans) < 2:
            truth = (spans[0].start, spans[0].end) if spans else None
            yield HeldOutAnswer(truth, found.get(kind))


def figures(given: Sequence[HeldOutAnswer]) -> dict[str, float]:
    """Return the figures of whole episodes; NaN if no episode has such a thing.

    found: share of segments of which both ends are within RIGHT_SECONDS; within 0.5 and 1 s: of all
    ends, a missing one is not; error: mean of those said; f1: of seconds; false: share where there
    is none.
    """
    pairs = [(each.truth, each.said) for each in given if each.truth is not None]
    errors = [
        [abs(mark - time) for mark, time in zip(said, truth, strict=True)]
        if said is not None
        else [math.inf] * 2
        for truth, said in pairs
    ]
    ends = np.array(errors).ravel()
    known = ends[np.isfinite(ends)]
    shared = sum(
        max(0.0, min(truth[1], said[1]) - max(truth[0], said[0]))
        for truth, said in pairs
        if said is not None
    )
    total = sum(
        span[1] - span[0] for each in given for span in (each.truth, each.said) if span is not None
    )
    without = [each.said is not None for each in given if each.truth is None]
    return {
        "found": _mean([max(each) <= RIGHT_SECONDS for each in errors]),
        "within 0.5 s": _mean(ends <= 0.5),
        "within 1 s": _mean(ends <= 1),
        "error of ends (s)": _mean(known),
        "f1 of seconds": 2 * shared / total if total else math.nan,
        "said where there is none": _mean(without),
    }


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _pieces(config: TuneConfig) -> list[Piece]:
    """Return the pieces to mix in.

    Raises:
        ClippingError: where the folder has none.
    """
    if config.library is None:
        return []
    files = sorted(config.library.glob("train-*.safetensors"))
    if not files:
        raise ClippingError(
            f"{config.library}: has no train-0000.safetensors: avtnet dense_train renders them"
        )
    return [piece for file in files for piece in read_pieces(file)]


def _key(
    config: TuneConfig,
    start: DenseCheckpoint,
    trained: Sequence[OwnEpisode],
    judged: Sequence[OwnEpisode],
    pieces: Sequence[Piece],
    number: int,
) -> str:
    """Return a digest of everything that a fold depends on."""
    digest = hashlib.blake2b(digest_size=16)
    names = ("folds", "steps", "batch_size", "lr", "seed", "own_share", "senses")
    settings: Mapping[str, Any] = {name: getattr(config, name) for name in names}
    digest.update(json.dumps([number, settings], sort_keys=True).encode())
    for tensor in start.network.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    for episode in (*trained, *judged):
        digest.update(repr((episode.name, episode.duration, episode.labels)).encode())
        digest.update(episode.mfcc.tobytes())
        digest.update(episode.frames.tobytes())
    for piece in pieces:
        digest.update(repr((piece.kind, piece.length, piece.phase)).encode())
    return digest.hexdigest()

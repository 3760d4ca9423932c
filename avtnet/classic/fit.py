"""The training of the original's networks, as the loop takes it (clipping.learning.loop)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from avtnet.classic import checkpoints
from avtnet.classic.augment import augmented
from avtnet.classic.checkpoints import Checkpoint, CheckpointInfo
from avtnet.classic.config import TrainConfig
from avtnet.classic.dataset import Window, WindowDataset
from avtnet.classic.first_weights import first_weights, part_of
from avtnet.classic.losses import loss_terms, mean_loss, song_term
from avtnet.classic.model import AVTNet, AVTNet_YOLT, WithSongLoss, build
from avtnet.classic.positions import predict_windows
from avtnet.classic.scores import score_windows, summary_line
from avtnet.classic.sources import BatchSource, FolderSource, Taught
from avtnet.classic.stream import ShardSource
from clipping.config import dump
from clipping.learning import loop
from clipping.learning.checkpoints import versions
from clipping.learning.processes import Process
from clipping.learning.progress import Log
from clipping.learning.run_folder import RunFolder
from clipping.learning.schedules import warm_cosine
from clipping.learning.training import Plan, Row, Training

MAY_DIFFER = (
    "save_prefix",
    "data_root",
    "shards",
    "gpus",
    "processes",
    "backend",
    "num_workers",
    "resume",
    "overwrite",
)
"""Settings that may change between the parts of one run: where it computes, not what."""


def classic_run_folder(config: TrainConfig) -> RunFolder:
    """Return the folder of a training."""
    return RunFolder(config.save_prefix, dump(config), MAY_DIFFER, "--save-prefix")


def fit_windows(
    process: Process, config: TrainConfig, trained: Sequence[Window], validated: Sequence[Window]
) -> None:
    """Train in one of the training's processes, from the first epoch or from the run's last.pt.

    Args:
        trained: windows to train on; empty with shards.
    """
    source = source_of(process, config, trained)
    run, log = classic_run_folder(config), Log(process, config.save_prefix)
    state = run.read(loop.State) if config.resume else None
    training = WindowTraining(source, process, config, validated)
    if state is None:
        log.say(first_weights(training.inner, config))
    loop.fit(training, classic_plan(config, source.epoch_steps), run=run, log=log, state=state)


def source_of(process: Process, config: TrainConfig, trained: Sequence[Window]) -> BatchSource:
    """Return the batches to train on: of windows in a folder, or of the shards that are named."""
    batch_size, seed, threads = config.batch_size, config.seed, config.num_workers
    if config.shards is not None:
        return ShardSource(
            config.shards,
            process,
            batch_size=batch_size,
            seed=seed,
            threads=threads,
            reverse_ends=config.reverse_ends,
        )
    data = WindowDataset(trained, reverse_ends=config.reverse_ends)
    return FolderSource(data, process, batch_size=batch_size, seed=seed, threads=threads)


def classic_plan(config: TrainConfig, epoch_steps: int) -> Plan:
    """Return the course of a training whose epochs have so many steps."""
    return Plan(
        marks=tuple(range(epoch_steps, config.max_epoch * epoch_steps + 1, epoch_steps)),
        counted="epoch",
        accumulation=config.accumulation_step,
        mixed=config.use_amp,
        best="score",
        late=config.late_epochs,
        seed=config.seed,
        curves=("score", "score_start", "score_end"),
        unit="s",
    )


class WindowTraining(Training):
    """Windows, a network of the AVTNet family, and how far its positions are off, in seconds."""

    def __init__(
        self,
        source: BatchSource,
        process: Process,
        config: TrainConfig,
        validated: Sequence[Window],
    ) -> None:
        super().__init__(process)
        self.source, self.config, self.validated = source, config, list(validated)
        torch.manual_seed(config.seed)
        self.inner = build(config.model)
        self.network = WithSongLoss(self.inner) if config.song_loss else self.inner
        self.frozen = [part_of(self.inner, name) for name in config.frozen_parts]
        for part in self.frozen:
            part.requires_grad_(False)

    def batches(self, first: int) -> Generator[Taught, None, None]:
        return self.source.batches(first)

    def loss(self, forward: Callable[..., Any], batch: Taught) -> Tensor:
        config, device = self.config, self.process.device
        moved = batch.batch.to(device)
        if config.augment:
            moved = augmented(moved)
        out = forward(*moved.inputs(if_normal=config.if_normal))
        terms = loss_terms(out, batch.target.to(device), config.model, config.steps_loss)
        if out.song is not None:
            terms.append(song_term(out.song, batch.songs.to(device), config.song_loss))
        return mean_loss(terms, self.process.ranks)

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.network.parameters(), lr=self.config.lr)

    def rate(self, step: int) -> float:
        epoch, batch = divmod(step, self.source.epoch_steps)
        return learning_rate(self.config, epoch + batch / self.source.epoch_steps)

    def seed(self, step: int) -> int:
        epoch, batch = divmod(step, self.source.epoch_steps)
        place = [self.config.seed, epoch, batch, self.process.rank]
        return int(np.random.SeedSequence(place).generate_state(1)[0])

    def train_mode(self) -> None:
        self.network.train()
        for part in self.frozen:
            part.eval()  # else its batch norms would go on averaging

    def validate(self, network: nn.Module) -> dict[str, float]:
        return validated_by(self.process, self._checkpoint(network), self.validated)

    def write(self, path: Path, network: nn.Module, row: Row) -> None:
        metrics = {name: float(value) for name, value in row.items()}
        info = replace(
            self._info(),
            epoch=int(row["epoch"]),
            metrics=metrics,
            training=dump(self.config),
            versions=versions(),
        )
        checkpoints.save(path, without_song_loss(network), info)

    def summary(self, row: Row) -> str:
        return f"loss {row['train_loss']:.2f} s, {summary_line(row)}"

    def _checkpoint(self, network: nn.Module) -> Checkpoint:
        return Checkpoint(self.config.save_prefix, without_song_loss(network), self._info())

    def _info(self) -> CheckpointInfo:
        """Return what a checkpoint says of the windows that its network was trained on."""
        config = self.config
        return CheckpointInfo(
            config.model, config.if_normal, self.source.settings, config.reverse_ends
        )


def without_song_loss(network: nn.Module) -> AVTNet | AVTNet_YOLT:
    """Return the network alone, without the layer that only training needs."""
    inner = network.network if isinstance(network, WithSongLoss) else network
    return cast(AVTNet | AVTNet_YOLT, inner)  # or a plugin's, which is like them


def validated_by(
    process: Process, checkpoint: Checkpoint, windows: Sequence[Window]
) -> dict[str, float]:
    """Return a network's figures on windows; each process predicts its share of them."""
    paths = [window.path for window in process.share(windows)]
    shares = process.gather(predict_windows(checkpoint, paths))
    count = process.ranks
    positions = [shares[index % count][index // count] for index in range(len(windows))]
    return score_windows(windows, positions)


def learning_rate(config: TrainConfig, epochs: float) -> float:
    """Return the rate after some (fractional) epochs: up from lr/10 in the warm-up, a cosine."""
    return warm_cosine(config.lr, epochs, warm=config.warmup_epoch, total=config.max_epoch)

"""The training of AVTNetDense, as the loop takes it (clipping.learning.loop)."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense.augment import augment_inputs
from avtnet.dense.info import DenseInfo
from avtnet.dense.inputs import Example, Examples
from avtnet.dense.losses import dense_loss
from avtnet.dense.measure import calibrate, measure
from avtnet.dense.model import AVTNetDense
from avtnet.dense.tensors import Targets, collate
from avtnet.dense.train_settings import NAME, DenseTrainConfig
from clipping.config import dump
from clipping.learning.checkpoints import versions
from clipping.learning.loading import made_by_processes
from clipping.learning.processes import Process
from clipping.learning.run_folder import RunFolder
from clipping.learning.schedules import warm_cosine
from clipping.learning.training import Plan, Row, Training, marks_every

AVERAGING = 0.998
"""Share of the averaged weights that a step keeps."""
CLIP_NORM = 2.0
"""Largest norm of all gradients of a step."""
LINES_EVERY = 50
"""Steps between two lines about the loss where there is no terminal to draw a bar on."""


MAY_DIFFER = (
    "output",
    "threads",
    "num_workers",
    "device",
    "processes",
    "backend",
    "resume",
    "overwrite",
    "validate_every",
)
"""Settings that may change between the parts of one run: where it computes, not what."""
Batch = tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor, Targets]
"""The network's inputs, a mask of the inputs that each row gets, and the true answers."""


def dense_run_folder(config: DenseTrainConfig) -> RunFolder:
    """Return the folder of a training."""
    return RunFolder(config.output, dump(config), MAY_DIFFER)


def dense_plan(config: DenseTrainConfig) -> Plan:
    """Return the course of a training."""
    return Plan(
        marks=marks_every(config.validate_every, config.steps),
        clip_norm=CLIP_NORM,
        averaging=AVERAGING,
        latest=NAME,
        seed=config.seed,
        curves=("f1", "hit1", "hit0.5"),
        lines_every=LINES_EVERY,
    )


@dataclass(frozen=True)
class Compositions:
    """Batch after batch of examples: the batch of step n depends only on n and the seed."""

    source: Examples
    config: DenseTrainConfig
    process: Process = field(default_factory=Process)

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        """Return this process's rows of the batch of a step."""
        first = step * self.config.batch_size
        rows = self.process.share(range(first, first + self.config.batch_size))
        inputs, targets = collate([self.source.example(row) for row in rows])
        key = (self.process.rank << 80) + (self.config.seed << 32) + step
        return augment_inputs(inputs, key), _shown(len(rows), key), targets


class DenseTraining(Training):
    """AVTNetDense on examples, validated on others.

    Args:
        source: what it is trained on.
        held: what it is validated and calibrated on; may be empty.
        network: with its first weights.
    """

    def __init__(
        self,
        process: Process,
        config: DenseTrainConfig,
        source: Examples,
        held: Sequence[Example],
        network: AVTNetDense,
    ) -> None:
        super().__init__(process)
        self.config, self.source, self.held, self.network = config, source, held, network
        self._measured: dict[str, float] = {}
        self._calibration = 1.0, 0.0

    def batches(self, first: int) -> Generator[Batch, None, None]:
        compositions = Compositions(self.source, self.config, self.process)
        return made_by_processes(compositions, first, self.config.num_workers)

    def loss(self, forward: Callable[..., Any], batch: Batch) -> Tensor:
        numbers, shown, targets = batch
        device = self.process.device
        out = forward(*(tensor.to(device) for tensor in numbers), shown.to(device))
        loss = dense_loss(out, Targets(*(tensor.to(device) for tensor in targets)))
        if self.process.ranks > 1:  # the mean over the processes weighs every row alike
            loss = loss * (len(shown) * self.process.ranks / self.config.batch_size)
        return loss

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.network.parameters(), lr=self.config.lr, weight_decay=0.02)

    def rate(self, step: int) -> float:
        config = self.config
        warm = max(1, config.steps // 20)
        return warm_cosine(config.lr, step, warm=warm, total=config.steps, least=0.01)

    def seed(self, step: int) -> int | None:
        return (self.config.seed << 32) + step if self.process.first else None

    def validate(self, network: nn.Module) -> dict[str, float]:
        assert isinstance(network, AVTNetDense)
        if self.held:
            self._measured = measure(network, self.held)
            self._calibration = calibrate(network, self.held)
        return self._measured

    def write(self, path: Path, network: nn.Module, row: Row) -> None:
        assert isinstance(network, AVTNetDense)
        config, (scale, offset) = self.config, self._calibration
        windows = f"{int(row['step']) * config.batch_size} composed windows of 200 s"
        own = f"{config.own_share:.0%} own labelled ones" if config.own else "all made up"
        info = DenseInfo(
            model=config.model,
            scale=scale,
            offset=offset,
            trained_on=f"{windows}, {own}",
            training=dump(config),
            metrics={name: each for name, each in self._measured.items() if math.isfinite(each)},
            versions=versions(),
        )
        dense_checkpoint.save(path, network, info)

    def summary(self, row: Row) -> str:
        figures = {"loss": row["train_loss"], **self._measured}
        return ", ".join(f"{name} {value:.3f}" for name, value in figures.items())


def _shown(rows: int, key: int) -> Tensor:
    """Return which of sound, picture, text and place each row sees: float32 (rows, 4).

    Mostly all are 1; sound or picture always is.
    """
    rng = np.random.default_rng([key, 23])
    shown = rng.random((rows, 4)) > (0.08, 0.12, 0.15, 0.25)
    shown[~shown[:, :2].any(1), :2] = True
    return torch.from_numpy(shown.astype(np.float32))

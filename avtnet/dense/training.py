"""The training of AVTNetDense, as the loop takes it (clipping.learning.loop)."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

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
from avtnet.dense.settings import DenseConfig
from avtnet.dense.tensors import Targets, collate
from clipping.config import dump
from clipping.errors import ConfigError
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
NAME = "dense.safetensors"
"""The checkpoint in a run's folder."""
LINES_EVERY = 50
"""Steps between two lines about the loss where there is no terminal to draw a bar on."""


@dataclass(frozen=True)
class DenseTrainConfig:
    """Train AVTNetDense on composed episodes, and keep the averaged weights.

    The run's folder receives config.yaml, metrics.csv, dense.safetensors and last.pt, from which an
    interrupted run continues exactly (--resume); library/ in it holds what was rendered.
    """

    output: Path = Path("runs/dense")
    """Folder of the run."""
    library: Path | None = None
    """Folder of the rendered pieces; absent: library/ in the run's."""
    material: Path | None = None
    """Folder with music/, speech/, pictures/ and fonts/; absent, all is made up."""
    shards: int = 24
    """Files of 52 pieces to train on: 20 to 50 CPU seconds each."""
    validation_shards: int = 2
    """Files of pieces to validate on."""
    validation: int = 96
    """Composed windows to validate on."""
    validate_every: int = 250
    """Steps between two validations, at which the weights are kept."""
    steps: int = 4000
    """Steps of the training."""
    batch_size: int = 8
    """Windows of 200 s in a step, over all processes together."""
    lr: float = 2e-3
    """Peak learning rate of AdamW; up from a tenth over the first twentieth, then a cosine."""
    seed: int = 0
    """Seed of pieces, compositions and first weights."""
    threads: int = 1
    """Threads of the processor for the network."""
    num_workers: int = 0
    """Processes that compose the next batches meanwhile, and that render the pieces before."""
    device: str = "cpu"
    """Device to train on: cpu, cuda, cuda:1, mps, or auto. Under torchrun, cuda gives each process
    a GPU of its own."""
    processes: int = 1
    """Training processes on the CPU. Under torchrun, which starts them by itself, leave it out."""
    backend: Literal["nccl", "gloo"] | None = None
    """Way in which several processes talk: nccl on GPUs, gloo on CPUs, where it is not named."""
    init: Path | None = None
    """A checkpoint to start from."""
    own: tuple[str, ...] = ()
    """Your own labelled episodes to mix in: media files, or folders of them. Which labels count:
    avtnet tune --help."""
    own_labels: Path | None = None
    """A table of their labels, or a folder of files; absent, these are next to the media."""
    own_features: Path | None = None
    """Folder to keep their features in; absent, OUTPUT/features."""
    own_share: float = 0.3
    """The share of the windows that are your own."""
    resume: bool = False
    """Go on from last.pt in the run's folder (start again where there is none)."""
    overwrite: bool = False
    """Start again where the run's folder already holds a run."""
    model: DenseConfig = field(default_factory=DenseConfig)
    """The network."""

    def __post_init__(self) -> None:
        lows = {"shards": 1, "validation_shards": 0, "validate_every": 1, "steps": 1, "threads": 1}
        for name, low in lows.items():
            if not low <= getattr(self, name) <= 1_000_000:
                raise ConfigError(f"{name} is {low} to 1000000, got {getattr(self, name)}")
        if not 0 <= self.own_share <= 1:
            raise ConfigError(f"--own-share is 0 to 1, got {self.own_share}")
        if not 0 <= self.num_workers <= 256:
            raise ConfigError(f"--num-workers is 0 to 256, got {self.num_workers}")
        if not 1 <= self.processes <= 256 or self.processes > self.batch_size:
            raise ConfigError(
                f"processes is 1 to 256, and at most batch_size: {self.processes}, "
                f"{self.batch_size}"
            )
        if not 1 <= self.batch_size <= 4096 or not 0 < self.lr < 1:
            raise ConfigError(
                f"--batch-size is 1 to 4096, --lr 0 to 1; got {self.batch_size}, {self.lr}"
            )
        if self.resume and self.overwrite:
            raise ConfigError("--resume and --overwrite contradict each other")


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

"""Steps of the training of AVTNetDense: batches of examples, learning rate, averaged weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from avtnet.dense.augment import augmented
from avtnet.dense.inputs import Examples
from avtnet.dense.losses import dense_loss
from avtnet.dense.model import AVTNetDense
from avtnet.dense.settings import DenseConfig
from avtnet.dense.tensors import Targets, collate
from clipping.errors import ConfigError

AVERAGING = 0.998
"""Of the weights: what is kept at each step."""


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
    """Windows of 200 s in a step."""
    lr: float = 2e-3
    """Peak learning rate of AdamW; up from a tenth over the first twentieth, then a cosine."""
    seed: int = 0
    """Decides pieces, compositions and first weights."""
    threads: int = 1
    """Of the processor, for the network."""
    num_workers: int = 0
    """Processes that compose the next batches meanwhile, and that render the pieces before."""
    device: str = "cpu"
    """Where to train: cpu, cuda, cuda:1, mps, or auto."""
    init: Path | None = None
    """A checkpoint to start from."""
    own: tuple[str, ...] = ()
    """Your own labelled episodes to mix in: media files, or folders of them. Which labels count:
    avtnet tune --help."""
    own_labels: Path | None = None
    """A table of their labels, or a folder of files; absent, these are beside the media."""
    own_features: Path | None = None
    """Folder to keep their features in; absent, OUTPUT/features."""
    own_share: float = 0.3
    """The share of the windows that are your own."""
    resume: bool = False
    """Go on from last.pt in the run's folder (start anew where there is none)."""
    overwrite: bool = False
    """Start anew where the run's folder already holds a run."""
    model: DenseConfig = field(default_factory=DenseConfig)
    """The network."""

    def __post_init__(self) -> None:
        lows = {"shards": 1, "validation_shards": 0, "validate_every": 1, "steps": 1, "threads": 1}
        for name, low in lows.items():
            if not low <= getattr(self, name) <= 1_000_000:
                raise ConfigError(f"{name} is {low} to 1000000, got {getattr(self, name)}")
        if not 0 <= self.own_share <= 1:
            raise ConfigError(f"own_share is 0 to 1, got {self.own_share}")
        if not 0 <= self.num_workers <= 256:
            raise ConfigError(f"num_workers is 0 to 256, got {self.num_workers}")
        if not 1 <= self.batch_size <= 4096 or not 0 < self.lr < 1:
            raise ConfigError(f"batch_size 1 to 4096, lr 0 to 1: {self.batch_size}, {self.lr}")
        if self.resume and self.overwrite:
            raise ConfigError("--resume and --overwrite contradict each other")


@dataclass(frozen=True)
class Compositions:
    """Batch after batch of composed examples: what step n sees hangs on n and the seed alone."""

    composer: Examples
    config: DenseTrainConfig

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        first = step * self.config.batch_size
        rows = range(first, first + self.config.batch_size)
        inputs, targets = collate([self.composer.example(row) for row in rows])
        key = (self.config.seed << 32) + step
        return augmented(inputs, key), _shown(self.config.batch_size, key), targets


Batch = tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor, Targets]
"""What the network is given, which of it each row sees, and what it should say."""


def fit_step(
    network: AVTNetDense,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: DenseTrainConfig,
    step: int,
) -> float:
    """One batch forwards and backwards; returns its loss."""
    device = next(network.parameters()).device
    numbers, shown, targets = batch
    for group in optimizer.param_groups:
        group["lr"] = rate(config, step)
    # Dropout hangs on the step alone: a resumed run repeats it.
    torch.manual_seed((config.seed << 32) + step)
    out = network(*(tensor.to(device) for tensor in numbers), shown.to(device))
    loss = dense_loss(out, Targets(*(tensor.to(device) for tensor in targets)))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimizer.step()
    return float(loss.detach())


def _shown(rows: int, key: int) -> Tensor:
    """Which of sound, picture, text and place each row sees: mostly all, at least one sense."""
    rng = np.random.default_rng([key, 23])
    shown = rng.random((rows, 4)) > (0.08, 0.12, 0.15, 0.25)
    shown[~shown[:, :2].any(1), :2] = True
    return torch.from_numpy(shown.astype(np.float32))


def rate(config: DenseTrainConfig, step: int) -> float:
    """The learning rate of a step."""
    warm = max(1, config.steps // 20)
    if step < warm:
        return config.lr * (0.1 + 0.9 * step / warm)
    share = (step - warm) / max(1, config.steps - warm)
    return config.lr * max(0.01, 0.5 * (1 + math.cos(math.pi * share)))


def blend(average: AVTNetDense, network: AVTNetDense, kept: float) -> None:
    """Move the averaged weights, and the norms' statistics, towards the network's."""
    with torch.no_grad():
        state = network.state_dict()
        for name, value in average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(state[name], 1 - kept)
            else:
                value.copy_(state[name])

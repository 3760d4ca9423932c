"""The settings of a training of AVTNetDense."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from avtnet.dense.settings import DenseConfig
from clipping.errors import ConfigError

NAME = "dense.safetensors"
"""The checkpoint in a run's folder."""


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

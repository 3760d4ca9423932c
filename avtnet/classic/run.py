"""The run folder of a training of the original's networks: its state, and whether it may go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from avtnet.classic.config import TrainConfig
from clipping.config import dump
from clipping.errors import ConfigError
from clipping.learning.run_folder import read_last, write_head, write_last

# What may differ between the parts of one run: where it computes, not what.
_MAY_DIFFER = (
    "save_prefix",
    "data_root",
    "gpus",
    "processes",
    "num_workers",
    "resume",
    "overwrite",
)


@dataclass
class RunState:
    """Where a run stands; all that an exact continuation needs beside the config."""

    network: dict[str, Any]
    optimizer: dict[str, Any]
    precision: dict[str, Any]
    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that are done."""
    loss_sum: float = 0.0
    """Their losses, added up."""
    rows: Sequence[dict[str, Any]] = ()
    """The figures of the epochs that are done."""

    def __post_init__(self) -> None:
        for name in ("network", "optimizer", "precision"):
            if not isinstance(getattr(self, name), dict):
                raise ValueError(f"{name} is no table")
        if min(self.epoch, self.batch) < 0:
            raise ValueError(f"epoch {self.epoch}, batch {self.batch}")


def open_run(config: TrainConfig) -> None:
    """Make the run's folder ready for this training.

    Raises:
        ConfigError: where the folder holds a run and neither --resume nor --overwrite is given,
            or where the run to resume has other settings (they are named).
        CheckpointError: where last.pt is damaged.
    """
    folder = config.save_prefix
    if (folder / "config.yaml").exists():
        if config.overwrite:
            for pattern in ("*.safetensors", "events.*", "last.pt", "metrics.csv", "curve.png"):
                for path in folder.glob(pattern):
                    path.unlink()
        elif not config.resume:
            raise ConfigError(
                f"{folder} already holds a run: go on with --resume, start anew with --overwrite, "
                "or name another --save_prefix"
            )
        else:
            read_state(config)
    write_head(folder, dump(config))


def save_state(config: TrainConfig, state: RunState) -> None:
    """Write last.pt, whole or not at all."""
    write_last(config.save_prefix, _decisive(config), state)


def read_state(config: TrainConfig) -> RunState | None:
    """The state in the run's last.pt; None where there is none yet.

    Raises:
        ConfigError, CheckpointError: as :func:`open_run`.
    """
    return read_last(config.save_prefix, _decisive(config), RunState)


def _decisive(config: TrainConfig) -> dict[str, Any]:
    return {name: value for name, value in dump(config).items() if name not in _MAY_DIFFER}

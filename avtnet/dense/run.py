"""A training of AVTNetDense as a folder: its config, versions, figures, and where to go on from.

``config.yaml``, ``versions.json``, ``metrics.csv`` (a row a validation), ``dense.safetensors`` (the
averaged weights) and ``last.pt``, from which an interrupted run continues exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipping.errors import ConfigError
from clipping.learning.run_folder import read_last, write_head, write_last

MAY_DIFFER = ("output", "threads", "num_workers", "device", "resume", "overwrite", "validate_every")
"""Settings that may change between the parts of one run: where it computes, not what."""


@dataclass
class DenseState:
    """Where a run stands."""

    network: dict[str, Any]
    average: dict[str, Any]
    optimizer: dict[str, Any]
    step: int = 0
    """Steps that are done."""
    loss: float = 0.0
    """Running mean of their losses."""
    rows: list[dict[str, float]] = field(default_factory=list)
    """The figures of the validations that are done."""

    def __post_init__(self) -> None:
        if self.step < 0 or not all(
            isinstance(each, dict) for each in (self.network, self.average, self.optimizer)
        ):
            raise ValueError(f"step {self.step}, or its weights are no tables")


def open_run(folder: Path, config: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Make a folder ready for a training with these settings.

    Raises:
        ConfigError: where it holds a run and neither resume nor overwrite is wanted.
    """
    if (folder / "config.yaml").exists():
        if overwrite:
            for name in ("dense.safetensors", "last.pt", "metrics.csv"):
                (folder / name).unlink(missing_ok=True)
        elif not resume:
            raise ConfigError(
                f"{folder} already holds a run: go on with --resume, start anew with --overwrite, "
                "or name another --output"
            )
    write_head(folder, config)


def save_state(folder: Path, config: Mapping[str, Any], state: DenseState) -> None:
    """Write last.pt, whole or not at all."""
    write_last(folder, _decisive(config), state)


def read_state(folder: Path, config: Mapping[str, Any]) -> DenseState | None:
    """The state in last.pt; None where there is none yet.

    Raises:
        ConfigError: where the run was begun with other settings (they are named).
        CheckpointError: where the file is damaged.
    """
    return read_last(folder, _decisive(config), DenseState)


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in MAY_DIFFER}

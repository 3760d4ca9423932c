"""A training run's folder: its config, its figures, its curve, and where to go on from."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml

from clipping.config import differences
from clipping.errors import CheckpointError, ConfigError
from clipping.files import atomic_path, write_text
from clipping.learning.checkpoints import read_pickle, versions
from clipping.learning.training import Plan

State = TypeVar("State")
STATE_FORMAT = 2
"""Version of last.pt; 1, which had none in it, was that of three loops before this one."""
MADE = ("*.safetensors", "events.*", "last.pt", "metrics.csv", "curve.png", "rank-*.log")
"""Files that a run writes besides config.yaml and versions.json."""


@dataclass(frozen=True)
class RunFolder:
    """A folder with a training's settings, figures, checkpoints, and the state to go on from."""

    path: Path
    settings: Mapping[str, Any]
    """All settings of the training, as :func:`clipping.config.dump` returns them."""
    may_differ: Collection[str] = ()
    """Settings that may change between the parts of one run: where it computes, not what."""
    option: str = "--output"
    """Option that names the folder, for messages."""

    def open(self, *, resume: bool = False, overwrite: bool = False) -> None:
        """Make the folder ready; write config.yaml and versions.json. One process alone does this.

        Raises:
            ConfigError: it holds a run and neither ``resume`` nor ``overwrite`` is set, or the run
                to go on with has other settings (they are named).
            CheckpointError: its last.pt is damaged.
        """
        if (self.path / "config.yaml").exists():
            if overwrite:
                for pattern in MADE:
                    for path in self.path.glob(pattern):
                        path.unlink()
            elif not resume:
                raise ConfigError(
                    f"{self.path} already holds a run: go on with --resume, start again with "
                    f"--overwrite, or name another {self.option}"
                )
            else:
                self._values()
        text = yaml.safe_dump(dict(self.settings), sort_keys=False)
        write_text(self.path / "config.yaml", text)
        write_text(self.path / "versions.json", json.dumps(versions(), indent=1) + "\n")

    def save(self, state: object) -> None:
        """Write a dataclass as last.pt, whole or not at all, with the settings that decide."""
        head = {"format": STATE_FORMAT, "config": self._decisive()}
        with atomic_path(self.path / "last.pt") as temporary:
            torch.save({**head, **vars(state)}, temporary)

    def read(self, kind: type[State]) -> State | None:
        """Return what :meth:`save` wrote, as ``kind``; None if there is none yet.

        Raises:
            ConfigError: the run was begun with other settings (they are named), or by a version
                whose state is not read.
            CheckpointError: the file is damaged.
        """
        values = self._values()
        if values is None:
            return None
        try:
            return kind(**values)
        except (TypeError, ValueError) as error:
            raise self._damaged(error) from error

    def _values(self) -> dict[str, Any] | None:
        path = self.path / "last.pt"
        if not path.exists():
            return None
        try:
            values = dict(read_pickle(path))
            then = dict(values.pop("config"))
            version = values.pop("format", 1)
        except (CheckpointError, TypeError, ValueError, AttributeError, KeyError) as error:
            raise self._damaged(error) from error
        if version != STATE_FORMAT:
            raise ConfigError(
                f"{path}: written by another version of this program, which alone can go on from "
                "it; start again with --overwrite (the run's checkpoints can be first weights)"
            )
        if changed := differences(then, self._decisive()):
            raise ConfigError(f"{path}: the run to resume has other settings: {changed}")
        return values

    def _damaged(self, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"{self.path / 'last.pt'}: damaged, the run cannot go on from it ({error}); start "
            "again with --overwrite"
        )

    def _decisive(self) -> dict[str, Any]:
        return {name: value for name, value in self.settings.items() if name not in self.may_differ}


def write_metrics(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write metrics.csv: a row a mark (an epoch, or a validation)."""
    text = io.StringIO()
    # A run that goes on may have begun with a version that knew fewer figures.
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "metrics.csv", text.getvalue())


class TensorBoard:
    """Event files next to the metrics, or nothing if tensorboard is not installed."""

    def __init__(self, folder: Path, purge_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError:
            self.writer = None
            return
        self.writer = SummaryWriter(str(folder), purge_step=purge_step)

    def add(self, count: int, row: Mapping[str, float]) -> None:
        """Add the figures of a mark, by its number."""
        if self.writer is not None:
            for name, value in row.items():
                self.writer.add_scalar(name, value, count)
            self.writer.flush()

    def close(self) -> None:
        """Finish the file."""
        if self.writer is not None:
            self.writer.close()


def draw_curve(folder: Path, rows: Sequence[Mapping[str, float]], plan: Plan) -> Path:
    """Write curve.png: loss and validation figures over epochs or steps; returns its path."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()

    def line(name: str, label: str, colour: str | None) -> None:
        found = [(row[plan.counted], row[name]) for row in rows if name in row]
        if found:
            axes.plot(*zip(*found, strict=True), label=label, color=colour)

    line("train_loss", "training loss", "#999999")
    for name, colour in zip(plan.curves or (plan.best,), COLOURS, strict=False):
        line(name, f"validation {name}", colour)
    if known := [row for row in rows if math.isfinite(row.get(plan.best, math.nan))]:
        best = (max if plan.higher else min)(known, key=lambda row: row[plan.best])
        place = (best[plan.counted], best[plan.best])
        axes.plot(*place, "o", color=COLOURS[0])
        axes.annotate(
            f"best {best[plan.best]:.2f} {plan.unit}".rstrip(),
            place,
            textcoords="offset points",
            xytext=(0, 10),
            ha="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    axes.set(xlabel=plan.counted, ylabel=UNITS.get(plan.unit, plan.unit), ylim=(0, None))
    axes.set_title(folder.name, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    path = folder / "curve.png"
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return path


COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e")
UNITS = {"s": "seconds", "": "loss and figures"}

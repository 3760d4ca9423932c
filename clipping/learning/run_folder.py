"""A training run's folder: its config, its figures, its curve, and where to go on from."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
import yaml

from clipping.config import differences
from clipping.errors import CheckpointError, ConfigError
from clipping.files import atomic_path, write_text
from clipping.learning.checkpoints import read_pickle, versions

State = TypeVar("State")


def write_head(folder: Path, config: Mapping[str, Any]) -> None:
    """config.yaml and versions.json of a run."""
    write_text(folder / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False))
    write_text(folder / "versions.json", json.dumps(versions(), indent=1) + "\n")


def write_last(folder: Path, decisive: Mapping[str, Any], state: object) -> None:
    """Write a dataclass as last.pt, with the settings that decide what a run gives."""
    with atomic_path(folder / "last.pt") as temporary:
        torch.save({"config": dict(decisive), **vars(state)}, temporary)


def read_last(folder: Path, decisive: Mapping[str, Any], kind: type[State]) -> State | None:
    """What :func:`write_last` wrote, as ``kind``; None where there is none yet.

    Raises:
        ConfigError: where the run was begun with other settings (they are named).
        CheckpointError: where the file is damaged.
    """
    path = folder / "last.pt"
    if not path.exists():
        return None
    try:
        values = read_pickle(path)
        then = dict(values.pop("config"))
        state = kind(**values)
    except (CheckpointError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise CheckpointError(
            f"{path}: damaged, the run cannot go on from it ({error}); start anew with --overwrite"
        ) from error
    if told := differences(then, decisive):
        raise ConfigError(f"{path}: the run to resume has other settings: {told}")
    return state


def write_metrics(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """metrics.csv: a row an epoch, or a validation."""
    text = io.StringIO()
    # A run that goes on may have begun with a version that knew fewer figures.
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "metrics.csv", text.getvalue())


class TensorBoard:
    """Event files beside the metrics, or nothing where tensorboard is not installed."""

    def __init__(self, folder: Path, purge_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError:
            self.writer = None
            return
        self.writer = SummaryWriter(str(folder), purge_step=purge_step)

    def add(self, row: dict[str, float]) -> None:
        """The figures of an epoch."""
        if self.writer is not None:
            for name, value in row.items():
                self.writer.add_scalar(name, value, int(row["epoch"]))
            self.writer.flush()

    def close(self) -> None:
        """Finish the file."""
        if self.writer is not None:
            self.writer.close()


def draw_curve(folder: Path, rows: Sequence[dict[str, float]]) -> Path:
    """curve.png: loss and validation score over the epochs."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    epochs = [row["epoch"] for row in rows]
    axes.plot(epochs, [row["train_loss"] for row in rows], color="#999999", label="training loss")
    for name, colour in (
        ("score", "#d62728"),
        ("score_start", "#1f77b4"),
        ("score_end", "#2ca02c"),
    ):
        if name in rows[0]:
            values = [row[name] for row in rows]
            axes.plot(epochs, values, color=colour, label=f"validation {name}")
    best = min(rows, key=lambda row: row["score"])
    axes.plot(best["epoch"], best["score"], "o", color="#d62728")
    axes.annotate(
        f"best {best['score']:.2f} s",
        (best["epoch"], best["score"]),
        textcoords="offset points",
        xytext=(0, 10),
        ha="center",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )
    axes.set(xlabel="epoch", ylabel="seconds", ylim=(0, None))
    axes.set_title(folder.name, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    path = folder / "curve.png"
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
    return path

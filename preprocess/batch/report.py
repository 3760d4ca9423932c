"""The outcomes of a batch: printed as a table for people, written as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from clipping.files import write_text
from clipping.printable import printable
from preprocess.features import Part

Status = Literal["made", "up to date", "failed"]
STATUSES: tuple[Status, ...] = ("made", "up to date", "failed")


@dataclass(frozen=True)
class WindowOutcome:
    """The outcome of one window."""

    name: str
    side: Part
    file: str
    """The media file."""
    status: Status
    output: str | None = None
    """The feature file; None where there is none."""
    notes: tuple[str, ...] = ()
    """Things that the file lacks, such as sound."""
    error: str | None = None
    """The reason for its failure."""
    seconds: float = 0.0
    """Wall time that it took."""
    duration: float = 0.0
    """Length of the media file in seconds; 0 where it is not known."""
    attempts: tuple[str, ...] = ()
    """Reasons why earlier attempts of this run came to nothing."""


def write_report(
    path: Path, outcomes: Sequence[WindowOutcome], config: dict[str, Any], stopped: str | None
) -> None:
    """Write the JSON report.

    Args:
        config: the settings of the run as plain values.
        stopped: why the run ended before its end; None where it did not.

    Raises:
        ClippingError: where it cannot be written.
    """
    counts = Counter(outcome.status for outcome in outcomes)
    report = {
        "stopped": stopped,
        "counts": {status: counts[status] for status in STATUSES},
        "windows": [dataclasses.asdict(outcome) for outcome in _sorted(outcomes)],
        "config": config,
    }
    write_text(path, json.dumps(report, indent=1) + "\n")


def print_summary(outcomes: Sequence[WindowOutcome], report: Path) -> None:
    """Print how many windows were made, and each one that has something to say for itself."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    remarkable = [o for o in _sorted(outcomes) if o.error or o.notes]
    if remarkable:
        table = Table("episode", "window", "status", "why")
        for outcome in remarkable:
            why = "; ".join([outcome.error] if outcome.error else outcome.notes)
            color = "red" if outcome.error else "yellow"
            status = f"[{color}]{outcome.status}[/]"
            table.add_row(_shown(outcome.name), outcome.side, status, escape(printable(why)))
        console.print(table)
    counts = Counter(outcome.status for outcome in outcomes)
    words = ", ".join(f"{counts[status]} {status}" for status in STATUSES)
    console.print(f"windows: {words}", highlight=False)
    console.print(f"report: {escape(printable(str(report)))}", highlight=False, soft_wrap=True)


def _sorted(outcomes: Sequence[WindowOutcome]) -> list[WindowOutcome]:
    order = ("start", "end", "whole")  # as in the episode
    return sorted(outcomes, key=lambda outcome: (outcome.name, order.index(outcome.side)))


def _shown(name: str) -> str:
    from rich.markup import escape

    return escape(printable(name))

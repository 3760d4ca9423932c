"""The live lines of a batch: windows done, and how its machines and files are doing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clipping.many.outcomes import Progress as AtWork
from preprocess.batch.report import WindowOutcome

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.text import Text

    from preprocess.batch.tasks import FeatureTask


class Tally:
    """Counts of a run so far, by file."""

    def __init__(self, todo: Sequence[FeatureTask]) -> None:
        self._left = {task.name: len(task.sides) for task in todo}
        self._share = {task.name: 1 / len(task.sides) for task in todo}
        self._began = time.monotonic()
        self._failed: set[str] = set()
        self._media = 0.0
        self.done = 0
        """Files of which every window is there."""

    def add(self, outcome: WindowOutcome) -> None:
        """Count the outcome of one window."""
        name = outcome.name
        self._left[name] -= 1
        if outcome.status == "made":
            self._media += outcome.duration * self._share[name]
        if outcome.status == "failed":
            self._failed.add(name)
        if not self._left[name]:
            del self._left[name]
            self.done += name not in self._failed

    @property
    def failed(self) -> int:
        """Files of which a window failed."""
        return len(self._failed)

    @property
    def left(self) -> int:
        """Files that are not finished and have not failed."""
        return len(self._left.keys() - self._failed)

    def line(self, crew: AtWork | None) -> str:
        """Return all counts as one line."""
        files = f"files: {self.done} done, {self.failed} failed, {self.left} left"
        times = self._media / max(time.monotonic() - self._began, 1e-3)
        speed = f"{times:.0f}x real time" if self._media else "…x real time"
        if crew is None:
            return f"{files} · {speed}"
        nodes = f"{crew.nodes} nodes, " if crew.nodes != 1 else ""
        return f"{nodes}{crew.busy} of {crew.workers} workers busy · {files} · {speed}"


class Dashboard:
    """The lines on the screen; see :func:`show_dashboard`."""

    def __init__(
        self, progress: Progress, bar: TaskID, line: Text, todo: Sequence[FeatureTask]
    ) -> None:
        self._progress, self._bar, self._line = progress, bar, line
        self._tally = Tally(todo)
        self._crew: AtWork | None = None

    def add(self, outcome: WindowOutcome) -> None:
        """Count one more settled window."""
        self._tally.add(outcome)
        self._progress.advance(self._bar)
        self._tell()

    def watch(self, crew: AtWork) -> None:
        """Show the workers that are at work now."""
        self._crew = crew
        self._tell()

    def _tell(self) -> None:
        self._line.plain = self._tally.line(self._crew)


@contextmanager
def show_dashboard(todo: Sequence[FeatureTask], settled: int) -> Iterator[Dashboard]:
    """A progress bar on stderr that counts windows, of which some are ``settled``, above a line."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    columns = (
        TextColumn("windows"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    progress, line = Progress(*columns, console=console), Text(style="dim")
    total = settled + sum(len(task.sides) for task in todo)
    bar = progress.add_task("windows", total=total, completed=settled)
    try:
        with Live(Group(progress, line), console=console, redirect_stdout=False):
            yield Dashboard(progress, bar, line, todo)
    finally:
        if line.plain and not console.is_terminal:
            console.print()  # rich leaves the last line of a log open

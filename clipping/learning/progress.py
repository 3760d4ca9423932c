"""Lines about a training, for people: on the terminal, and in a log file of each process."""

from __future__ import annotations

import os
import socket
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clipping.learning.processes import Process


class Log:
    """Lines from rank 0 on the terminal, and from every process in the run's ``rank-N.log``.

    Args:
        folder: the run's; None: no file.
        console: where rank 0 talks; None: stderr.
    """

    def __init__(
        self, process: Process, folder: Path | None = None, console: Console | None = None
    ) -> None:
        usual = Console(stderr=True, soft_wrap=True, markup=False, quiet=not process.first)
        self.console = usual if console is None or not process.first else console
        self.path = None if folder is None else folder / f"rank-{process.rank}.log"
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.note(
                f"rank {process.rank} of {process.ranks} on {process.device}, "
                f"{socket.gethostname()}, process {os.getpid()}"
            )

    def say(self, line: str) -> None:
        """A line for the terminal and the file."""
        self.console.print(line)
        self.note(line)

    def note(self, line: str) -> None:
        """A line for the file alone."""
        if self.path is not None:
            now = datetime.now().astimezone().isoformat(timespec="seconds")
            with open(self.path, "a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(f"{now} {line}\n")


def progress_bar(console: Console) -> Progress:
    """Return a bar of what is done and how long the rest takes; it shows on terminals only."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )

"""Lines on stderr: the files that were listened to, and the episodes that are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from avtnet.search.work import FileItem, Item, KnownSeason
from preprocess.batch.tasks import FeatureTask


class Bars:
    """The lines, while the block lasts."""

    def __init__(self, all_seasons: Sequence[Mapping[str, Path]]) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(
            *columns,
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            refresh_per_second=4,
        )
        total = sum(map(len, all_seasons))
        self._listening = self._progress.add_task("listening", total=total)
        self._episodes = self._progress.add_task("episodes", total=total)
        self._windows = self._progress.add_task("features", total=None, visible=False)

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def count(self, item: Item) -> None:
        """Count an item that is settled."""
        if isinstance(item, FileItem):
            self._progress.advance(self._listening)
        elif isinstance(item, KnownSeason):
            self._progress.advance(self._listening, len(item.facts))
        elif isinstance(item, FeatureTask):
            self._progress.update(self._windows, advance=len(item.sides), visible=True)

    def season(self, episodes: int) -> None:
        """Count a season that is done."""
        self._progress.advance(self._episodes, episodes)

"""Features of many episodes: only what is missing or stale, on one machine or many."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from clipping.errors import ClippingError, ConfigError
from clipping.files import find_media, require_output, require_writable
from clipping.many.cluster import Ray
from clipping.many.outcomes import Engine
from clipping.many.outcomes import Progress as AtWork
from clipping.many.processes import Local
from clipping.many.quarantine import QuarantineFile
from clipping.many.run_many import counted, run_many
from clipping.storage import as_written, files_below, local, url_of
from preprocess.batch.dashboard import show_dashboard
from preprocess.batch.quarantine import quarantine_of
from preprocess.batch.report import WindowOutcome, print_summary, write_report
from preprocess.batch.tasks import (
    FeatureTask,
    Making,
    largest_first,
    load_engines,
    make,
    outcomes_of,
    saved,
    split_tail,
    up_to_date,
)
from preprocess.features import SIDES, Part
from preprocess.settings import FeatureSettings

PROG = "python -m preprocess"
LEFTOVER_HOURS = 6
"""Temporary files older than this are of runs that were killed, and are removed."""


@dataclass(frozen=True)
class PreprocessConfig:
    """Make the features of episodes: MFCC, thumbnails and text masks of their first and their
    last 200 s. A second run makes only what is missing, or came of another file or settings."""

    inputs: tuple[str, ...] = field(
        metadata={"help": "video files, or folders of them; URLs of storage too (s3://…)"}
    )
    output: Path
    """The folder for the features; it may be the URL of storage."""
    sides: Literal["both", "start", "end", "whole", "all"] = "both"
    """Windows of each episode. whole keeps all of its seconds in NAME.episode instead, for
    longer windows and the search in seasons; all is both and whole."""
    workers: int | None = None
    """Processes at once; absent, one for each processor core; 0 works in this process."""
    file_limit: float | None = 7200.0
    """Seconds that a file may take before its process is ended; then a window alone, and only
    once. 0 sets no limit. With --workers 0 there is none."""
    engine: Literal["local", "ray"] = "local"
    """Machines that do the work: processes of this machine, or a Ray cluster."""
    address: str | None = None
    """The Ray cluster, as HOST:PORT or auto; absent, one is started here for this run."""
    tries: int = 3
    """Attempts at a window over which workers die, or for which storage does not answer."""
    retry_failed: bool = False
    """Try again what earlier runs have set aside because workers died of it."""
    text: Literal["masks", "json"] = "masks"
    """With json, the words and their boxes are kept as well, in NAME_start.text.json."""
    languages: tuple[str, ...] = ("en",)
    """The languages in which EasyOCR reads words, in its own codes."""
    easyocr_models: Path | None = None
    """The folder with EasyOCR's weights; absent, EasyOCR downloads its own."""
    overwrite: bool = False
    """Make every window again, up to date or not."""
    report: Path | None = None
    """File for the JSON report; absent, report.json in the output folder."""
    features: FeatureSettings = field(default_factory=FeatureSettings)

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ConfigError("give at least one video file or folder")
        if self.workers is not None and not 0 <= self.workers <= 1024:
            raise ConfigError(f"--workers must be 0 to 1024, got {self.workers}")
        if self.file_limit is not None and not 0 <= self.file_limit <= 30 * 86400:
            raise ConfigError(
                f"--file-limit must be 0 to 30 days in seconds, got {self.file_limit}"
            )
        if self.address is not None and self.engine != "ray":
            raise ConfigError("--address goes with --engine ray")
        if self.engine == "ray" and self.workers == 0:
            raise ConfigError("--engine ray needs at least one worker, and --workers is 0")
        if not 1 <= self.tries <= 100:
            raise ConfigError(f"tries must be 1 to 100, got {self.tries}")
        if self.text == "json" and self.features.text_engine == "none":
            raise ConfigError("--text json needs a text engine, and --features.text-engine is none")
        if self.easyocr_models is not None and self.features.text_engine != "easyocr":
            raise ConfigError("--easyocr-models goes with --features.text-engine easyocr")

    @property
    def chosen_sides(self) -> tuple[Part, ...]:
        """The windows of an episode that are made."""
        if self.sides == "all":
            return (*SIDES, "whole")
        return SIDES if self.sides == "both" else (self.sides,)

    @property
    def report_path(self) -> Path:
        """The path of the report."""
        return local(self.report or self.output / "report.json")

    @property
    def making(self) -> Making:
        """The settings by which each window is made."""
        return Making(self.features, self.text, self.languages, self.easyocr_models)


def preprocess(config: PreprocessConfig) -> list[WindowOutcome]:
    """Make what is missing or stale; return what became of each window.

    A file that fails does not stop the others, and what is made stays, whatever happens after.

    Raises:
        ClippingError: where an input does not exist or holds no media, the output folder cannot
            be written, the disk is full, or the text engine is not installed.
    """
    todo, settled = plan(config)
    return [*settled, *carry_out(config, todo)]


def plan(config: PreprocessConfig) -> tuple[list[FeatureTask], list[WindowOutcome]]:
    """Return the files with windows to make, largest first, and the outcomes of all others."""
    episodes = find_media(config.inputs)
    if not episodes:
        raise ClippingError(f"{', '.join(config.inputs)}: there are no media files in it")
    return Planner(config).plan(episodes)


class Planner:
    """Tells windows that are to be made from those that are settled."""

    def __init__(self, config: PreprocessConfig) -> None:
        """Prepare the output folder.

        Raises:
            ClippingError: where it cannot be written, or its list of windows set aside not be read.
        """
        self._config, self._folder = config, local(config.output)
        _prepare(self._folder)
        self._quarantine = quarantine_of(self._folder)
        if not config.retry_failed:
            self._quarantine.load()
        self._stands = _stands(self._folder)

    def plan(self, episodes: Mapping[str, Path]) -> tuple[list[FeatureTask], list[WindowOutcome]]:
        """Return what is to be made of files, the largest first, and what is settled.

        Args:
            episodes: media files by name.
        """
        config = self._config
        todo: list[FeatureTask] = []
        settled: list[WindowOutcome] = []
        for name, file in episodes.items():
            task = FeatureTask(name, config.chosen_sides, file, self._folder, config.making)
            sides: list[Part] = []
            for each in task.apart():
                [side] = each.sides
                try:
                    outcome = self._settled(each, side)
                except ClippingError as error:
                    outcome = task.failed(side, str(error))
                if outcome is None:
                    sides.append(side)
                else:
                    settled.append(outcome)
            if sides:
                look_first = config.engine == "ray" and not config.overwrite
                todo.append(replace(task, sides=tuple(sides), look_first=look_first))
        return largest_first(todo, config.inputs), settled

    def _settled(self, task: FeatureTask, side: Part) -> WindowOutcome | None:
        """Return the outcome of a window that need not or shall not be made."""
        config = self._config
        reasons = () if config.retry_failed else self._quarantine.reasons(task)
        if reasons:
            return task.failed(side, f"set aside by an earlier run: {counted(reasons)}")
        # With many machines, they look: hundreds of thousands of files are too many for one.
        if config.overwrite or config.engine == "ray" or not self._stands(task.output(side)):
            return None
        kept = up_to_date(task, side)
        return None if kept is None else task.succeeded(side, "up to date", kept)


def carry_out(
    config: PreprocessConfig,
    tasks: Sequence[FeatureTask],
    watch: Callable[[AtWork], None] | None = None,
) -> Generator[WindowOutcome]:
    """Make the windows of tasks; yield an outcome for each window as soon as it is known.

    A window over which its worker dies, or for which storage does not answer, is tried again
    after the others, up to ``config.tries`` times; then one that kills is set aside. So is one
    that alone takes longer than the limit, at once.

    Args:
        watch: called with the workers that are at work.

    Raises:
        ClippingError: where nothing more can be saved, or an engine is not installed.
    """
    if not tasks:
        return
    if config.engine == "local":
        load_engines(config.making)  # a missing one is one error, and a download is one download
    engine = _engine(config)
    with (
        engine.ready(),
        closing(
            run_many(
                make,
                split_tail(tasks, engine.slots()),
                engine=engine,
                tries=config.tries,
                limit_s=config.file_limit or None,
                parts=lambda task, reasons: task.again(reasons, config.overwrite),
                known=saved,
                quarantine=_GivenUp(quarantine_of(local(config.output))),
                progress=watch,
            )
        ) as outcomes,
    ):
        for outcome in outcomes:
            yield from outcomes_of(outcome)


class _GivenUp:
    """The windows that are set aside; the plan has left them out already."""

    def __init__(self, quarantine: QuarantineFile[FeatureTask]) -> None:
        self.add = quarantine.add

    def reasons(self, task: FeatureTask) -> tuple[str, ...]:
        return ()


def _engine(config: PreprocessConfig) -> Engine:
    if config.engine == "ray":
        return Ray(config.address, config.workers)
    return Local(config.workers)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m preprocess``: a progress bar on stderr, a summary on stdout, a JSON report."""
    from clipping.config import parse, run

    config = parse(PreprocessConfig, argv, prog=PROG, positional="inputs")
    return run(lambda: _command(config), PROG)


def _command(config: PreprocessConfig) -> int:
    from clipping.config import dump

    require_output(config.report_path)
    todo, outcomes = plan(config)
    stopped: str | None = None
    try:
        follow(config, todo, outcomes)
    except (ClippingError, KeyboardInterrupt) as error:
        stopped = str(error) or "interrupted by Ctrl-C"
        with suppress(ClippingError):  # the disk may be full: the first error is the one to tell
            write_report(config.report_path, outcomes, dump(config), stopped)
        raise
    write_report(config.report_path, outcomes, dump(config), stopped)
    print_summary(outcomes, config.report_path)
    return 1 if any(outcome.status == "failed" for outcome in outcomes) else 0


def follow(
    config: PreprocessConfig, todo: Sequence[FeatureTask], outcomes: list[WindowOutcome]
) -> None:
    """Carry out the tasks behind a progress bar, adding what became of each window."""
    with (
        show_dashboard(todo, len(outcomes)) as dashboard,
        closing(carry_out(config, todo, dashboard.watch)) as results,
    ):
        for outcome in results:
            outcomes.append(outcome)
            dashboard.add(outcome)


def _prepare(folder: Path) -> None:
    """Make the folder, see that it can be written, and clean up after runs that were killed."""
    require_writable(folder)
    if url_of(folder) is not None:
        return
    old = time.time() - LEFTOVER_HOURS * 3600
    for leftover in folder.rglob(".tmp-*"):
        with suppress(OSError):  # another run may remove it first
            if leftover.is_file() and leftover.stat().st_mtime < old:
                leftover.unlink()


def _stands(folder: Path) -> Callable[[Path], bool]:
    """Return a test of files for being there; storage is asked once for all of them."""
    url = url_of(folder)
    if url is None:
        return Path.is_file
    there = files_below(url)
    return lambda path: as_written(path) in there

"""Features of many episodes: only what is missing or stale, in several processes."""

from __future__ import annotations

import errno
import time
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clipping.errors import ClippingError, ConfigError, FeatureError
from clipping.files import find_media, require_output, require_writable
from clipping.tables import Side
from preprocess.features import SIDES, Features, feature_path, identify, load, save
from preprocess.report import Outcome, print_summary, write_report
from preprocess.settings import FeatureSettings
from preprocess.words import save_words, words_match, words_path
from preprocess.workers import Died, available_cores, run_tasks

if TYPE_CHECKING:
    from preprocess.recognition import TextReader

PROG = "python -m preprocess"
LEFTOVER_HOURS = 6
"""Temporary files older than this are of runs that were killed, and are removed."""
# A write that fails for one of these reasons fails for every window.
_OUTPUT_ERRORS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
)


@dataclass(frozen=True)
class PreprocessConfig:
    """Make the features of episodes: MFCC, thumbnails and text masks of their first and their
    last 200 s. A second run makes only what is missing, or came of another file or settings."""

    inputs: tuple[str, ...] = field(metadata={"help": "video files, or folders of them"})
    output: Path
    """The folder for the features."""
    sides: Literal["both", "start", "end"] = "both"
    """Which windows of each episode."""
    workers: int | None = None
    """Processes at once; none takes one for each processor core, 0 works in this process."""
    file_limit: float | None = 3600.0
    """Seconds that one window of a file may take before its process is ended and the window has
    failed; none or 0 sets no limit. With --workers 0 there is none."""
    text: Literal["masks", "json"] = "masks"
    """With json, the words and their boxes are kept as well, in NAME_start.text.json."""
    languages: tuple[str, ...] = ("en",)
    """The languages in which EasyOCR reads words, in its own codes."""
    easyocr_models: Path | None = None
    """The folder with EasyOCR's weights; none lets EasyOCR download its own."""
    overwrite: bool = False
    """Make every window again, up to date or not."""
    report: Path | None = None
    """Where the JSON report goes; none takes report.json in the output folder."""
    features: FeatureSettings = field(default_factory=FeatureSettings)

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ConfigError("give at least one video file or folder")
        if self.workers is not None and not 0 <= self.workers <= 1024:
            raise ConfigError(f"workers must be 0 to 1024, got {self.workers}")
        if self.file_limit is not None and not 0 <= self.file_limit <= 30 * 86400:
            raise ConfigError(f"file_limit must be 0 to 30 days of s, got {self.file_limit}")
        if self.text == "json" and self.features.text_engine == "none":
            raise ConfigError("--text json needs a text engine, and --features.text_engine is none")
        if self.easyocr_models is not None and self.features.text_engine != "easyocr":
            raise ConfigError("--easyocr-models goes with --features.text_engine easyocr")

    @property
    def chosen_sides(self) -> tuple[Side, ...]:
        """The sides as a tuple."""
        return SIDES if self.sides == "both" else (self.sides,)

    @property
    def report_path(self) -> Path:
        """Where the report goes."""
        return self.report or self.output / "report.json"


@dataclass(frozen=True)
class Window:
    """One window to make: what a process of the crew is given."""

    name: str
    side: Side
    file: Path
    output: Path
    config: PreprocessConfig

    def outcome(self, began: float, error: str | None, notes: tuple[str, ...] = ()) -> Outcome:
        """What became of it; ``began`` as time.monotonic() told."""
        place = (self.name, self.side, str(self.file))
        seconds = round(time.monotonic() - began, 2)
        if error is not None:
            return Outcome(*place, "failed", error=error, seconds=seconds)
        return Outcome(*place, "made", str(self.output), notes, seconds=seconds)


def preprocess(config: PreprocessConfig) -> list[Outcome]:
    """Make what is missing or stale; what became of each window.

    A file that fails does not stop the others, and what is made stays, whatever happens after.
    A script that calls this needs ``if __name__ == "__main__":`` around it, as for anything that
    starts processes, or ``workers=0``.

    Raises:
        ClippingError: where an input does not exist or holds no media, the output folder cannot
            be written, the disk is full, or the text engine is not installed.
    """
    todo, settled = plan(config)
    return [*settled, *carry_out(todo)]


def plan(config: PreprocessConfig) -> tuple[list[Window], list[Outcome]]:
    """The windows to make, and the outcomes of those that need not or cannot be made."""
    episodes = find_media(config.inputs)
    if not episodes:
        raise ClippingError(f"{', '.join(config.inputs)}: there are no media files in it")
    _prepare(config.output)
    todo: list[Window] = []
    settled: list[Outcome] = []
    for name, file in episodes.items():
        for side in config.chosen_sides:
            try:
                output = feature_path(config.output, name, side)
                window = Window(name, side, file, output, config)
                kept = None if config.overwrite else _up_to_date(window)
            except ClippingError as error:
                settled.append(Outcome(name, side, str(file), "failed", error=str(error)))
                continue
            if kept is None:
                todo.append(window)
            else:
                place = (name, side, str(file))
                settled.append(Outcome(*place, "up to date", str(output), kept.notes))
    return todo, settled


def carry_out(windows: Sequence[Window]) -> Generator[Outcome]:
    """Make windows in several processes; each outcome as soon as it is known.

    Ending the iteration early ends the processes.

    Raises:
        ClippingError: where nothing more can be saved, or the text engine is not installed.
    """
    if not windows:
        return
    config = windows[0].config
    _load_engines(config)  # a missing one is one error, and a download is one download
    with closing(_run(windows, config)) as results:
        for window, result in results:
            if isinstance(result, Died):
                yield Outcome(
                    window.name, window.side, str(window.file), "failed", error=result.reason
                )
            elif isinstance(result, OutputFault):
                raise ClippingError(f"{result.error} (stopped there; what was finished is kept)")
            else:
                yield result


def _run(
    windows: Sequence[Window], config: PreprocessConfig
) -> Generator[tuple[Window, Outcome | OutputFault | Died]]:
    if config.workers == 0:
        yield from ((window, make(window)) for window in windows)
    else:
        workers = config.workers or available_cores()
        yield from run_tasks(make, windows, workers, config.file_limit or None)


@dataclass(frozen=True)
class OutputFault:
    """In place of an outcome: the output folder is at fault, so no window can be saved."""

    error: str


def make(window: Window) -> Outcome | OutputFault:
    """Make and save one window; what is wrong with its file becomes its outcome."""
    from preprocess.extraction import extract_sides

    config, began = window.config, time.monotonic()
    try:
        windows = extract_sides(
            window.file,
            (window.side,),
            config.features,
            name=window.name,
            easyocr_models=config.easyocr_models,
            reader=_reader(config),
            threads=1,  # one a process; damaged pictures come out the same everywhere
        )
        features, lines = next(windows)
    except ClippingError as error:
        return window.outcome(began, str(error))
    try:
        if config.text == "json":
            # Words first: where the features are up to date, the words are there.
            save_words(words_path(window.output), lines, features, config.languages)
        save(features, window.output)
    except ClippingError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _OUTPUT_ERRORS:
            return OutputFault(str(error))
        return window.outcome(began, str(error))
    return window.outcome(began, None, features.notes)


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
        follow(todo, outcomes)
    except (ClippingError, KeyboardInterrupt) as error:
        stopped = str(error) or "interrupted by Ctrl-C"
        with suppress(ClippingError):  # the disk may be full: the first error is the one to tell
            write_report(config.report_path, outcomes, dump(config), stopped)
        raise
    write_report(config.report_path, outcomes, dump(config), stopped)
    print_summary(outcomes, config.report_path)
    return 1 if any(outcome.status == "failed" for outcome in outcomes) else 0


def follow(todo: Sequence[Window], outcomes: list[Outcome]) -> None:
    """Carry out the windows behind a progress bar, adding what became of them."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("windows"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with (
        Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as progress,
        closing(carry_out(todo)) as results,
    ):
        task = progress.add_task("windows", total=len(todo) + len(outcomes))
        progress.update(task, completed=len(outcomes))
        for outcome in results:
            outcomes.append(outcome)
            progress.advance(task)


def _prepare(folder: Path) -> None:
    """Make the folder, see that it can be written, and clean up after runs that were killed."""
    require_writable(folder)
    old = time.time() - LEFTOVER_HOURS * 3600
    for leftover in folder.rglob(".tmp-*"):
        with suppress(OSError):  # another run may remove it first
            if leftover.is_file() and leftover.stat().st_mtime < old:
                leftover.unlink()


def _up_to_date(window: Window) -> Features | None:
    """The features on disk, if they and the words with them are what a new run would make."""
    source = identify(window.file)
    try:
        features = load(window.output)
    except FeatureError:
        return None  # missing, damaged, or of another version
    config = window.config
    if features.source.fingerprint != source.fingerprint:
        return None
    if features.settings.decisive() != config.features.decisive():
        return None
    words = words_path(window.output)
    if config.text == "json" and not words_match(words, features, config.languages):
        return None
    return features


def _load_engines(config: PreprocessConfig) -> None:
    from preprocess.text import detector

    detector(config.features, config.easyocr_models)
    _reader(config)


def _reader(config: PreprocessConfig) -> TextReader | None:
    """The recognition engine, where words are wanted."""
    if config.text != "json" or config.features.text_engine == "none":
        return None
    return _load_reader(config.features.text_engine, config.languages, config.easyocr_models)


@lru_cache(maxsize=1)
def _load_reader(
    engine: Literal["ppocr", "easyocr"], languages: tuple[str, ...], models: Path | None
) -> TextReader:
    from preprocess.recognition import reader

    return reader(engine, languages, models)

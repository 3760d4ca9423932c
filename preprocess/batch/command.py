"""Features of many episodes: only what is missing or stale, on one machine or many."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from clipping.errors import ClippingError, ConfigError
from clipping.files import find_media, require_output, require_writable
from clipping.many.workers import Died
from clipping.storage import files_below, local, shown, url_of
from preprocess.batch import engine_local, engine_ray
from preprocess.batch.dashboard import Crew, show
from preprocess.batch.engine_local import Run
from preprocess.batch.quarantine import Aside, give_up, key, read_aside, write_aside
from preprocess.batch.report import Outcome, print_summary, write_report
from preprocess.batch.tasks import Making, Task, largest_first, load_engines, up_to_date
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
    """Which windows of each episode. whole keeps all of its seconds in NAME.episode instead, for
    longer windows and the search in seasons; all is both and whole."""
    workers: int | None = None
    """Processes at once; none takes one for each processor core, 0 works in this process."""
    file_limit: float | None = 7200.0
    """Seconds that a file may take before its process is ended; then a window alone, and only
    once. None or 0 sets no limit. With --workers 0 there is none."""
    engine: Literal["local", "ray"] = "local"
    """Where the work is done: in processes of this machine, or on a Ray cluster."""
    address: str | None = None
    """The Ray cluster, as HOST:PORT or auto; none starts one on this machine for now."""
    tries: int = 3
    """Attempts at a window over which workers die, or for which storage does not answer."""
    retry_failed: bool = False
    """Try again what earlier runs have set aside because workers died of it."""
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
        if self.address is not None and self.engine != "ray":
            raise ConfigError("--address goes with --engine ray")
        if self.engine == "ray" and self.workers == 0:
            raise ConfigError("--engine ray needs at least one worker, and --workers is 0")
        if not 1 <= self.tries <= 100:
            raise ConfigError(f"tries must be 1 to 100, got {self.tries}")
        if self.text == "json" and self.features.text_engine == "none":
            raise ConfigError("--text json needs a text engine, and --features.text_engine is none")
        if self.easyocr_models is not None and self.features.text_engine != "easyocr":
            raise ConfigError("--easyocr-models goes with --features.text_engine easyocr")

    @property
    def chosen_sides(self) -> tuple[Part, ...]:
        """What is kept of an episode."""
        if self.sides == "all":
            return (*SIDES, "whole")
        return SIDES if self.sides == "both" else (self.sides,)

    @property
    def report_path(self) -> Path:
        """Where the report goes."""
        return local(self.report or self.output / "report.json")

    @property
    def making(self) -> Making:
        """How each window is made."""
        return Making(self.features, self.text, self.languages, self.easyocr_models)


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
    return [*settled, *carry_out(config, todo)]


def plan(config: PreprocessConfig) -> tuple[list[Task], list[Outcome]]:
    """The files with windows to make, largest first, and the outcomes of all other windows."""
    episodes = find_media(config.inputs)
    if not episodes:
        raise ClippingError(f"{', '.join(config.inputs)}: there are no media files in it")
    folder = local(config.output)
    _prepare(folder)
    aside = {} if config.retry_failed else read_aside(folder)
    stands = _stands(folder)
    todo: list[Task] = []
    settled: list[Outcome] = []
    for name, file in episodes.items():
        task = Task(name, config.chosen_sides, file, folder, config.making)
        sides: list[Part] = []
        for side in task.sides:
            try:
                outcome = _settled(task, side, config, aside, stands)
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


def _settled(
    task: Task,
    side: Part,
    config: PreprocessConfig,
    aside: dict[str, Aside],
    stands: Callable[[Path], bool],
) -> Outcome | None:
    """The outcome of a window that need not or shall not be made; None where it is to be."""
    given_up = aside.get(key(task.name, side))
    if given_up is not None and given_up.holds(task.file, config.features):
        return task.failed(side, f"set aside by an earlier run: {_count(given_up.reasons)}")
    # With many machines, they look: hundreds of thousands of files are too many for one.
    if config.overwrite or config.engine == "ray" or not stands(task.output(side)):
        return None
    kept = up_to_date(task, side)
    return None if kept is None else task.succeeded(side, "up to date", kept)


def carry_out(
    config: PreprocessConfig, tasks: Sequence[Task], watch: Callable[[Crew], None] | None = None
) -> Generator[Outcome]:
    """Make the windows of tasks; each outcome as soon as it is known, one for each window.

    A window over which its worker dies, or for which storage does not answer, is tried again
    after all others, up to ``config.tries`` times; then one that kills is set aside. So is one
    that alone takes longer than the limit, at once.
    Ending the iteration early ends the work.

    Args:
        watch: is told who is at work.

    Raises:
        ClippingError: where nothing more can be saved, or an engine is not installed.
    """
    if not tasks:
        return
    if config.engine == "local":
        load_engines(config.making)  # a missing one is one error, and a download is one download
    with _engine(config, watch or (lambda crew: None)) as run:
        while tasks:
            again: list[Task] = []
            with closing(run(tasks)) as results:
                for task, result in results:
                    if isinstance(result, Died):
                        settled, retried = _after_death(task, result, config)
                        yield from settled
                        again += retried
                        continue
                    yield from result.outcomes
                    if result.fault is not None:
                        raise ClippingError(
                            f"{result.fault} (stopped there; what was finished is kept)"
                        )
                    for side, reason in result.unanswered:
                        attempt = _attempted(task, side, reason, config)
                        if len(attempt.attempts) < config.tries:
                            again.append(attempt)
                        else:
                            yield attempt.failed(side, _count(attempt.attempts))
            tasks = again


def _after_death(
    task: Task, death: Died, config: PreprocessConfig
) -> tuple[list[Outcome], list[Task]]:
    """The windows of a task that are settled by its worker's death, and those to try again."""
    attempts = [_attempted(task, side, death.reason, config) for side in task.sides]
    # What takes too long once takes too long again, unless it shared its time with another.
    last = len(attempts[0].attempts) >= config.tries or (death.over_limit and len(attempts) == 1)
    return ([_last(attempt, config) for attempt in attempts], []) if last else ([], attempts)


def _attempted(task: Task, side: Part, reason: str, config: PreprocessConfig) -> Task:
    """One window of a task that came to nothing, as a task of its own."""
    attempts = (*task.attempts, reason)
    return replace(task, sides=(side,), look_first=not config.overwrite, attempts=attempts)


def _last(task: Task, config: PreprocessConfig) -> Outcome:
    """What becomes of a window over which workers died to the last attempt."""
    [side] = task.sides
    with suppress(ClippingError):  # the worker may have died after it was saved
        kept = None if config.overwrite else up_to_date(task, side)
        if kept is not None:
            return task.succeeded(side, "made", kept)
    given_up = give_up(task.file, config.features, task.attempts)
    if given_up is not None:
        with suppress(ClippingError):  # a full disk has its own error
            write_aside(task.folder, {**read_aside(task.folder), key(task.name, side): given_up})
    return task.failed(side, f"set aside: {_count(task.attempts)}")


def _count(reasons: Sequence[str]) -> str:
    """Reasons of attempts in a line, equal ones once."""
    different = "; ".join(dict.fromkeys(reasons))
    return f"{different} ({len(reasons)} tries)" if len(reasons) > 1 else different


@contextmanager
def _engine(config: PreprocessConfig, watch: Callable[[Crew], None]) -> Iterator[Run]:
    limit_s = config.file_limit or None
    if config.engine == "ray":
        with engine_ray.start(config.address, config.workers, limit_s, watch) as run:
            yield run
    else:
        with engine_local.start(config.workers, limit_s, watch) as run:
            yield run


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


def follow(config: PreprocessConfig, todo: Sequence[Task], outcomes: list[Outcome]) -> None:
    """Carry out the tasks behind a progress bar, adding what became of each window."""
    with (
        show(todo, len(outcomes)) as dashboard,
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
    """Whether a file is there; storage is asked once for all of them."""
    url = url_of(folder)
    if url is None:
        return Path.is_file
    there = files_below(url)
    return lambda path: shown(path) in there

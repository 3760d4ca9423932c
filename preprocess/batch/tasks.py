"""A task of a batch: a media file with the windows to make of it, and the function that does."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clipping.errors import ClippingError, StorageError
from clipping.identity import identify
from clipping.many.outcomes import Outcome, Unfinished
from clipping.storage import as_written, fetched, sizes_at, url_of
from preprocess.batch.report import WindowOutcome
from preprocess.episode import Episode, episode_path, extract_episode, open_episode
from preprocess.features import SIDES, Features, Part, feature_path, load, save
from preprocess.settings import FeatureSettings
from preprocess.text.words import save_words, words_match, words_path

if TYPE_CHECKING:
    from preprocess.text.recognition import TextReader

# A write that fails for one of these reasons fails for every window.
_OUTPUT_ERRORS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
)

_THREADS = 1
"""Threads of a decoder. With one, damaged pictures are equal everywhere; processes do the rest."""


@dataclass(frozen=True)
class Making:
    """The settings by which windows are made, the same for a whole batch."""

    features: FeatureSettings = field(default_factory=FeatureSettings)
    text: Literal["masks", "json"] = "masks"
    languages: tuple[str, ...] = ("en",)
    easyocr_models: Path | None = None


@dataclass(frozen=True)
class FeatureTask:
    """A media file and the windows to make of it: what a worker is given."""

    name: str
    sides: tuple[Part, ...]
    file: Path
    folder: Path
    """The folder of the features."""
    how: Making
    look_first: bool = False
    """Leave windows that are up to date by now as they are."""
    attempts: tuple[str, ...] = ()
    """Reasons why earlier attempts came to nothing."""

    def output(self, side: Part) -> Path:
        """The feature file of a window, or that of the whole episode."""
        if side == "whole":
            return episode_path(self.folder, self.name)
        return feature_path(self.folder, self.name, side)

    def apart(self) -> list[FeatureTask]:
        """Return the same work as tasks of one window."""
        return [replace(self, sides=(side,)) for side in self.sides]

    def again(self, reasons: tuple[str, ...], overwrite: bool = False) -> list[FeatureTask]:
        """Return the tasks of one window that follow attempts which came to nothing."""
        return [replace(each, look_first=not overwrite, attempts=reasons) for each in self.apart()]

    def failed(self, side: Part, error: str, seconds: float = 0.0) -> WindowOutcome:
        """The outcome of a window that could not be made."""
        place = (self.name, side, as_written(self.file))
        return WindowOutcome(*place, "failed", error=error, seconds=seconds, attempts=self.attempts)

    def succeeded(
        self,
        side: Part,
        status: Literal["made", "up to date"],
        of: Features | Episode,
        seconds: float = 0.0,
    ) -> WindowOutcome:
        """The outcome of a window whose features stand on disk."""
        return WindowOutcome(
            self.name,
            side,
            as_written(self.file),
            status,
            as_written(self.output(side)),
            of.notes,
            seconds=seconds,
            duration=of.duration,
            attempts=self.attempts,
        )


@dataclass(frozen=True)
class Result:
    """The outcome of a task, small enough to travel: no features in it."""

    outcomes: tuple[WindowOutcome, ...] = ()
    fault: str | None = None
    """The output folder is at fault, so no window of any task can be saved."""


def largest_first(tasks: Sequence[FeatureTask], inputs: Sequence[str]) -> list[FeatureTask]:
    """The order in which no long file is left for the end.

    Args:
        inputs: where the files were found; of URLs among them the listings are asked for sizes.
    """
    sizes: dict[str, int] = {}
    for url in filter(None, map(url_of, inputs)):
        sizes |= sizes_at(url)

    def size(task: FeatureTask) -> int:
        try:
            url = url_of(task.file)
            return os.stat(task.file).st_size if url is None else sizes.get(url, 0)
        except OSError:
            return 0  # making it will say so again

    return sorted(tasks, key=lambda task: -size(task))


def split_tail(tasks: Sequence[FeatureTask], workers: int) -> list[FeatureTask]:
    """The last tasks, one for each worker, as tasks of one window: so that all end together.

    Where there are fewer files than workers that is every task.
    """
    whole, tail = tasks[: max(0, len(tasks) - workers)], tasks[-workers:] if workers else []
    return [*(whole if workers else tasks), *(part for task in tail for part in task.apart())]


def make(task: FeatureTask) -> Result | Unfinished[FeatureTask, Result]:
    """Make and save the windows of a task; what is wrong with its file becomes their outcome.

    A window that fails costs no other one, and each is saved as soon as it is there. Those for
    which storage did not answer are left for another attempt.
    """
    outcomes: list[WindowOutcome] = []
    unanswered: list[tuple[FeatureTask, str]] = []
    for side in task.sides if task.look_first else ():
        try:
            kept = up_to_date(task, side)
        except ClippingError:
            continue  # making it will say so again
        if kept is not None:
            status: Literal["made", "up to date"] = "made" if task.attempts else "up to date"
            outcomes.append(task.succeeded(side, status, kept))
    left = [side for side in task.sides if side not in {outcome.side for outcome in outcomes}]
    while left:
        began = time.monotonic()
        try:
            for side, made in _made(task, left):
                seconds, began = _seconds(began), time.monotonic()
                outcomes.append(task.succeeded(side, "made", made, seconds))
                left.remove(side)
        except OutputFault as fault:
            return Result(tuple(outcomes), str(fault))
        except StorageError as error:
            unanswered.append((replace(task, sides=(left.pop(0),)), str(error)))
        except ClippingError as error:
            outcomes.append(task.failed(left.pop(0), str(error), _seconds(began)))
    if unanswered:
        return Unfinished(Result(tuple(outcomes)), tuple(unanswered))
    return Result(tuple(outcomes))


def saved(task: FeatureTask) -> Result | None:
    """Return the result of a task that is tried again, where its windows were saved all the same:
    a worker may die behind its work. None where one is missing."""
    outcomes = []
    for side in task.sides if task.attempts and task.look_first else ():
        try:
            kept = up_to_date(task, side)
        except ClippingError:
            return None  # making it will say so again
        if kept is not None:
            outcomes.append(task.succeeded(side, "made", kept))
    return Result(tuple(outcomes)) if len(outcomes) == len(task.sides) else None


def outcomes_of(outcome: Outcome[Any, Any]) -> list[WindowOutcome]:
    """Return what became of the windows of a task.

    Raises:
        ClippingError: where the output folder is at fault.
    """
    result: Result | None = outcome.result
    if result is None:
        task: FeatureTask = replace(outcome.item, attempts=outcome.attempts)
        return [task.failed(side, outcome.error or "") for side in task.sides]
    if result.fault is not None:
        raise ClippingError(f"{result.fault} (stopped there; what was finished is kept)")
    return list(result.outcomes)


class OutputFault(ClippingError):
    """The output folder cannot take any more windows."""


def up_to_date(task: FeatureTask, side: Part) -> Features | Episode | None:
    """Return the features in the folder if they, with their words, are up to date; else None.

    Raises:
        ClippingError: where the media file cannot be read.
    """
    output, how = task.output(side), task.how
    source = identify(task.file)
    try:
        with fetched(output) as here:
            features = open_episode(here) if side == "whole" else load(here)
    except StorageError:
        raise
    except ClippingError:
        return None  # missing, damaged, or of another version
    if features.source.fingerprint != source.fingerprint:
        return None
    if features.settings.decisive() != how.features.decisive():
        return None
    if isinstance(features, Episode) or how.text != "json":
        return features
    return features if _words_match(words_path(output), features, how) else None


def load_engines(how: Making) -> None:
    """Load what finds and reads text, and look for librosa: a missing engine is one error."""
    from preprocess.audio import require_engine
    from preprocess.text.engine import detector

    require_engine(how.features.mfcc_engine)
    detector(how.features, how.easyocr_models)
    _reader(how)


def _made(task: FeatureTask, parts: Sequence[Part]) -> Iterator[tuple[Part, Features | Episode]]:
    """Each part as soon as it is saved."""
    from preprocess.extraction import extract_sides

    how = task.how
    sides = tuple(side for side in SIDES if side in parts)
    windows = extract_sides(
        task.file,
        sides,
        how.features,
        name=task.name,
        easyocr_models=how.easyocr_models,
        reader=_reader(how),
        threads=_THREADS,
    )
    for features, lines in windows if sides else ():
        with _saving():
            if how.text == "json":
                # Words first: where the features are up to date, the words are there.
                path = words_path(task.output(features.side))
                save_words(path, lines, features, how.languages)
            save(features, task.output(features.side))
        yield features.side, features
    if "whole" in parts:
        with _saving():
            yield (
                "whole",
                extract_episode(
                    task.file,
                    task.output("whole"),
                    how.features,
                    name=task.name,
                    easyocr_models=how.easyocr_models,
                    threads=_THREADS,
                ),
            )


@contextmanager
def _saving() -> Iterator[None]:
    """Raise OutputFault in the block if nothing can be saved in the folder."""
    try:
        yield
    except ClippingError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _OUTPUT_ERRORS:
            raise OutputFault(str(error)) from error
        raise


def _words_match(path: Path, features: Features, how: Making) -> bool:
    try:
        with fetched(path) as here:
            return words_match(here, features, how.languages)
    except StorageError:
        raise
    except ClippingError:
        return False


def _seconds(began: float) -> float:
    return round(time.monotonic() - began, 2)


def _reader(how: Making) -> TextReader | None:
    """The recognition engine, where words are wanted."""
    if how.text != "json" or how.features.text_engine == "none":
        return None
    return _load_reader(how.features.text_engine, how.languages, how.easyocr_models)


@lru_cache(maxsize=1)
def _load_reader(
    engine: Literal["ppocr", "easyocr"], languages: tuple[str, ...], models: Path | None
) -> TextReader:
    from preprocess.text.recognition import reader

    return reader(engine, languages, models)

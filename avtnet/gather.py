"""The features behind whatever a user names: feature files, videos, or folders of either."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clipping.errors import ClippingError
from clipping.files import find_media
from clipping.tables import WindowId
from preprocess.batch import PreprocessConfig, follow, plan
from preprocess.settings import FeatureSettings

FEATURE_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Gathered:
    """Feature files by window, and what could not be had."""

    features: dict[WindowId, Path]
    media: dict[str, Path] = field(default_factory=dict)
    """The media file of each episode's name; none where features were given."""
    failures: dict[str, str] = field(default_factory=dict)
    """Why an episode has no features (or lacks some), by name."""


def sort_inputs(inputs: Sequence[str]) -> tuple[dict[WindowId, Path], list[str]]:
    """The feature files behind what a user names, and the words that name media.

    A folder with media in it counts as media, whatever else lies there, another one as features.

    Raises:
        ClippingError: where nothing is named.
    """
    if not inputs:
        raise ClippingError("give at least one video, feature file, or folder of them")
    ready: dict[WindowId, Path] = {}
    media: list[str] = []
    for given in inputs:
        found = _feature_files(Path(given))
        ready |= found
        if not found:
            media.append(given)
    return ready, media


@contextmanager
def gather(
    inputs: Sequence[str],
    settings: FeatureSettings,
    *,
    keep: Path | None = None,
    workers: int | None = None,
    only: frozenset[str] | None = None,
) -> Iterator[Gathered]:
    """Find feature files, or make them of media files, with a progress bar on stderr.

    Args:
        inputs: see :func:`sort_inputs`.
        settings: how features are made.
        keep: where they are kept, so that a second run finds them; None makes them for now only.
        workers: processes; None takes one a core.
        only: the names of the media files whose features are wanted; None wants all.

    Raises:
        ClippingError: where an input does not exist, or nothing is found in them.
    """
    ready, media = sort_inputs(inputs)
    if not media or (only is not None and not only):
        yield Gathered(ready)
        return
    with tempfile.TemporaryDirectory(prefix="avtnet-") as temporary:
        output = keep or Path(temporary)
        config = PreprocessConfig(
            inputs=tuple(media), output=output, workers=workers, features=settings
        )
        todo, outcomes = plan(config)
        if only is not None:
            todo = [task for task in todo if task.name in only]
            outcomes = [outcome for outcome in outcomes if outcome.name in only]
        follow(config, todo, outcomes)
        failures: dict[str, str] = {}
        for outcome in outcomes:
            if outcome.output is None or outcome.side == "whole":
                failures[outcome.name] = outcome.error or "no features were made"
                continue
            try:
                ready[WindowId(outcome.name, outcome.side)] = Path(outcome.output)
            except ValueError as error:  # a file name that no table can hold
                failures[outcome.name] = f"{outcome.file}: {error}; rename the file"
        found = find_media(media)
        names = found if only is None else {name: found[name] for name in found if name in only}
        yield Gathered(ready, names, failures)


def _feature_files(path: Path) -> dict[WindowId, Path]:
    """The feature files at or below ``path``, by window; none where there are media, or nothing."""
    if path.suffix == FEATURE_SUFFIX and path.is_file():
        return {_window(path.stem, path): path}
    if path.is_dir() and find_media([path]):
        return {}
    return {
        _window(file.relative_to(path).with_suffix("").as_posix(), file): file
        for file in sorted(path.rglob(f"*{FEATURE_SUFFIX}"))
        if not file.name.startswith(".")
    }


def _window(text: str, path: Path) -> WindowId:
    try:
        return WindowId.parse(text)
    except ValueError as error:
        raise ClippingError(f"{path}: {error}") from error

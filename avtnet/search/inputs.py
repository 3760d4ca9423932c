"""Find or make the features of the inputs: feature files, videos, or folders of either."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from clipping.errors import ClippingError
from clipping.files import find_media
from clipping.windows import WindowId
from preprocess.batch.command import PreprocessConfig, follow, plan
from preprocess.settings import FeatureSettings

FEATURE_SUFFIX = ".safetensors"
EPISODE_SUFFIX = ".episode"


@dataclass(frozen=True)
class Sorted:
    """The inputs by their kind."""

    windows: dict[WindowId, Path] = field(default_factory=dict)
    """Feature files of windows."""
    episodes: dict[str, Path] = field(default_factory=dict)
    """Feature files of whole episodes, by name."""
    media: list[str] = field(default_factory=list)
    """The inputs that name media files or folders of them."""


@dataclass(frozen=True)
class CollectedFeatures:
    """Feature files by window, and the episodes without any."""

    features: dict[WindowId, Path]
    episodes: dict[str, Path] = field(default_factory=dict)
    """Feature files of whole episodes, by name."""
    media: dict[str, Path] = field(default_factory=dict)
    """The media file of each episode; empty for feature files."""
    failures: dict[str, str] = field(default_factory=dict)
    """The reason why an episode lacks features, by name."""


def sort_inputs(inputs: Sequence[str]) -> Sorted:
    """Sort inputs into feature files and media.

    A folder that holds media counts as media, whatever else is in it; any other folder is searched
    for feature files.

    Raises:
        ClippingError: if there are no inputs.
    """
    if not inputs:
        raise ClippingError("give at least one video, feature file, or folder of them")
    ready = Sorted()
    for word in inputs:
        windows, episodes = _feature_files(Path(word))
        ready.windows.update(windows)
        ready.episodes.update(episodes)
        if not windows and not episodes:
            ready.media.append(word)
    return ready


@contextmanager
def collect_features(
    inputs: Sequence[str],
    settings: FeatureSettings,
    *,
    keep: Path | None = None,
    workers: int | None = None,
) -> Iterator[CollectedFeatures]:
    """Yield feature files, found or made of media files, with a progress bar on stderr.

    Args:
        inputs: see :func:`sort_inputs`.
        settings: of the features that are made.
        keep: folder that keeps them for a second run; None removes them after the block.
        workers: processes; None: one for each core.

    Raises:
        ClippingError: if an input does not exist, or no input holds anything.
    """
    ready = sort_inputs(inputs)
    if not ready.media:
        yield CollectedFeatures(ready.windows, ready.episodes)
        return
    with tempfile.TemporaryDirectory(prefix="avtnet-") as temporary:
        output = keep or Path(temporary)
        config = PreprocessConfig(
            inputs=tuple(ready.media),
            output=output,
            workers=workers,
            features=settings,
        )
        todo, outcomes = plan(config)
        follow(config, todo, outcomes)
        failures: dict[str, str] = {}
        for outcome in outcomes:
            if outcome.output is None:
                failures[outcome.name] = outcome.error or "no features were made"
            elif outcome.side != "whole":
                try:
                    ready.windows[WindowId(outcome.name, outcome.side)] = Path(outcome.output)
                except ValueError as error:  # a file name that no table can hold
                    failures[outcome.name] = f"{outcome.file}: {error}; rename the file"
        yield CollectedFeatures(ready.windows, ready.episodes, find_media(ready.media), failures)


def _feature_files(path: Path) -> tuple[dict[WindowId, Path], dict[str, Path]]:
    """Return the feature files at or below ``path``, of windows and of whole episodes, by name.

    Both are empty for a media file, a folder with media, and a path without features.
    """
    if path.suffix in (FEATURE_SUFFIX, EPISODE_SUFFIX) and path.is_file():
        files, folder = [path], path.parent
    elif path.is_dir() and not find_media([path]):
        suffixes = (FEATURE_SUFFIX, EPISODE_SUFFIX)
        files, folder = sorted(file for each in suffixes for file in path.rglob(f"*{each}")), path
    else:
        return {}, {}
    windows, episodes = {}, {}
    for file in files:
        if file.name.startswith(".") and file != path:
            continue
        name = file.relative_to(folder).with_suffix("").as_posix()
        if file.suffix == EPISODE_SUFFIX:
            episodes[name] = file
        else:
            windows[_window(name, file)] = file
    return windows, episodes


def _window(text: str, path: Path) -> WindowId:
    try:
        return WindowId.parse(text)
    except ValueError as error:
        raise ClippingError(f"{path}: {error}") from error

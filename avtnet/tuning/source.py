"""Read a person's labelled episodes: find the labels, make or read the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from avtnet.tuning.episodes import OwnEpisode, read_own
from avtnet.tuning.labels import Labels, find_sources, labels_of
from avtnet.tuning.settings import OwnSource
from clipping.errors import ClippingError
from clipping.files import find_media
from clipping.kept.cache import Cache
from preprocess.batch.command import PreprocessConfig, follow, plan
from preprocess.episode import open_episode
from preprocess.settings import FeatureSettings


def read_source(source: OwnSource, settings: FeatureSettings) -> tuple[list[OwnEpisode], list[str]]:
    """Return all labelled episodes in order of name, and messages about episodes that failed.

    A bad episode, or one with wrong labels, does not stop the others.

    Args:
        settings: of the features that the network takes.

    Raises:
        ClippingError: if an input does not exist, no episode is labelled, none can be read, or the
            table of labels is wrong.
    """
    labelled, problems = find_labelled(source)
    if not labelled:
        raise ClippingError(
            "; ".join(problems)
            or f"{', '.join(source.inputs)}: no episode has labels: say where its opening is by "
            "avtnet correct FILE opening 43.0 2:12.95, or see avtnet tune --help"
        )
    episodes, failures = _episodes(source, labelled, settings)
    problems += failures
    if not episodes:
        raise ClippingError("; ".join(problems))
    return episodes, problems


def find_labelled(source: OwnSource) -> tuple[dict[str, Labels], list[str]]:
    """Return the labels of each labelled episode by its name, and messages about wrong labels.

    Raises:
        ClippingError: if an input does not exist, or the table of labels is wrong.
    """
    media = find_media(source.inputs)
    if not media:
        raise ClippingError(f"{', '.join(source.inputs)}: there are no media files in it")
    sources = find_sources(source.labels, source.form, found_too=source.found_too)
    cache = Cache(source.cache)
    labelled: dict[str, Labels] = {}
    problems: list[str] = []
    for name, path in media.items():
        try:
            labels = labels_of(name, path, cache, sources)
        except ClippingError as error:
            problems.append(str(error))
            continue
        if labels is not None:
            labelled[name] = labels
    return labelled, problems


def _episodes(
    source: OwnSource, labelled: Mapping[str, Labels], settings: FeatureSettings
) -> tuple[list[OwnEpisode], list[str]]:
    """Read or make the features of the labelled episodes; return also messages about failures."""
    if source.audio is not None:
        decimal = source.audio.isascii() and source.audio.isdecimal()
        settings = replace(settings, audio=int(source.audio) if decimal else source.audio)
    making = PreprocessConfig(
        inputs=source.inputs,
        output=source.features,
        sides="whole",
        workers=source.workers,
        features=settings,
    )
    todo, outcomes = plan(making)
    outcomes = [outcome for outcome in outcomes if outcome.name in labelled]
    follow(making, [task for task in todo if task.name in labelled], outcomes)
    episodes: list[OwnEpisode] = []
    failures: list[str] = []
    for outcome in sorted(outcomes, key=lambda each: each.name):
        if outcome.output is None:
            failures.append(outcome.error or f"{outcome.file}: no features were made")
            continue
        try:
            episodes.append(read_own(open_episode(outcome.output), labelled[outcome.name]))
        except ClippingError as error:
            failures.append(str(error))
    return episodes, failures

"""Searches files and folders: each episode with its timeline and all that was found of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, track

from avtnet.classic.decode import Boundary
from avtnet.evidence import Candidate, fuse_candidates
from avtnet.search.inputs import CollectedFeatures, collect_features, sort_inputs
from avtnet.search.networks import (
    NetworkInputs,
    Networks,
    load_inputs,
    load_networks,
    network_candidates,
    predict_views,
)
from avtnet.search.request import LocateConfig
from avtnet.search.text_support import with_text
from avtnet.season.known_spans import library
from avtnet.season.names import seasons
from avtnet.season.stages import EpisodeFacts, SeasonOptions, season_candidates
from clipping.errors import ClippingError
from clipping.files import find_media
from clipping.kept.cache import Cache
from clipping.kept.theme_file import Theme
from clipping.segments import Timeline
from preprocess.features import SIDES, Features

_AGAINST_REPETITION = 0.6
"""What the networks' confidence counts for where other episodes were compared in vain."""


@dataclass(frozen=True)
class Located:
    """One episode, with all that was said of it."""

    name: str
    timeline: Timeline
    facts: EpisodeFacts
    seen: tuple[Features, ...] = ()
    """The windows that were looked at, if any were."""
    boundaries: tuple[Boundary, ...] = ()
    """What the networks of ``weights`` saw in them."""
    season: int = 0
    """The number of its season among those that were searched."""


Watch = Callable[[Located], None]
"""Is told of each episode when it is done."""


def search(config: LocateConfig, watch: Watch | None = None) -> list[Located]:
    """Every episode with its timeline and all that was said of it, in the order of their names.

    Raises:
        ClippingError: where an input does not exist, or the weights cannot be used.
    """
    networks = load_networks(config)
    settings = networks.settings
    if config.audio is not None:
        decimal = config.audio.isascii() and config.audio.isdecimal()
        audio = int(config.audio) if decimal else config.audio
        settings = replace(settings, audio=audio)
    words = sort_inputs(config.inputs).media
    facts: dict[str, EpisodeFacts] = {}
    season_of: dict[str, int] = {}
    if words:
        themes, problems = library(config.themes)
        for problem in problems:
            Console(stderr=True, markup=False).print(problem, style="yellow")
        for number, files in enumerate(seasons(find_media(words))):
            for fact in _season(files, config, themes):
                facts[fact.name] = fact
                season_of[fact.name] = number
    asked = frozenset(name for name, fact in facts.items() if _wants_networks(fact, config))
    found: list[Located] = []
    with collect_features(
        config.inputs,
        settings,
        keep=config.features,
        workers=config.workers,
        only=asked,
        whole=config.look == "whole",
    ) as gathered:
        windows: dict[str, list[Path]] = {}
        for window in sorted(gathered.features, key=lambda each: SIDES.index(each.side)):
            windows.setdefault(window.name, []).append(gathered.features[window])
        names = sorted({*facts, *windows, *gathered.episodes, *gathered.failures})
        for name in track(names, "episodes", console=Console(stderr=True), transient=True):
            fact = facts.get(name) or EpisodeFacts(name, Path(name))
            located = _conclude(fact, windows.get(name, []), gathered, networks, config)
            located = replace(located, season=season_of.get(name, 0))
            if watch is not None:
                watch(located)
            found.append(located)
    return found


def _season(
    files: Mapping[str, Path], config: LocateConfig, themes: Sequence[Theme]
) -> list[EpisodeFacts]:
    options = SeasonOptions(config.audio, config.pictures, config.workers, config.write_to)
    cache = Cache(config.cache, fresh=config.rescan)
    with _bar() as progress:
        facts = season_candidates(files, cache, options, themes=themes, progress=progress)
    for note in cache.notes:
        Console(stderr=True, soft_wrap=True).print(note, style="yellow", markup=False)
    return facts


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A line on stderr that says what is being done."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show


def _wants_networks(fact: EpisodeFacts, config: LocateConfig) -> bool:
    if config.network != "auto" or fact.error is not None:
        return config.network == "always" and fact.error is None
    known = {candidate.role for candidate in fact.candidates} | fact.denied
    if {"opening", "ending"} <= known:
        return False
    # Weights that saw made-up episodes only know less than siblings that share nothing.
    return bool(config.weights) or fact.compared < 2


def network_trust(compared: int) -> float:
    """What the networks' confidence counts for, where a file was compared with so many others: what
    is theirs is mostly not there at all, where the sounds tell of nothing."""
    return _AGAINST_REPETITION if compared else 1.0


def _conclude(
    fact: EpisodeFacts,
    windows: Sequence[Path],
    gathered: CollectedFeatures,
    networks: Networks,
    config: LocateConfig,
) -> Located:
    """All sources to one timeline."""
    source = str(fact.path)
    sight, said = NetworkInputs(), list[Candidate]()
    boundaries: tuple[Boundary, ...] = ()
    error = fact.error or gathered.failures.get(fact.name)
    try:
        sight = load_inputs(windows, gathered.episodes.get(fact.name))
        boundaries = tuple(predict_views(sight, networks))
        said = network_candidates(sight, boundaries, networks, network_trust(fact.compared))
    except ClippingError as failure:
        error = str(failure)
    if error is not None:
        return Located(fact.name, Timeline(source, 0.0, (), error), fact, sight.windows, boundaries)
    lengths = [window.duration for window in sight.windows]
    duration = fact.duration or max(lengths, default=0.0)
    candidates = [*with_text(fact.candidates, sight.windows), *said]
    segments = fuse_candidates(
        candidates, duration, min_confidence=config.min_confidence, denied=fact.denied
    )
    told = replace(fact, duration=duration, candidates=tuple(candidates))
    timeline = Timeline(source, round(duration, 3), segments)
    return Located(fact.name, timeline, told, sight.windows, boundaries)

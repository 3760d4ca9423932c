"""Walk through all seasons that a user names, with workers, and yield each when it is done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from avtnet.search.asked_features import AskedFeatures
from avtnet.search.bars import Bars
from avtnet.search.episodes import Located, Made, conclude, wants_networks
from avtnet.search.inputs import Sorted, sort_inputs
from avtnet.search.networks import Networks, load_networks
from avtnet.search.quarantine import SearchQuarantine
from avtnet.search.request import LocateConfig
from avtnet.search.work import (
    FileItem,
    Item,
    KnownSeason,
    SeasonItem,
    SeasonReport,
    Worker,
)
from avtnet.season.known_spans import library
from avtnet.season.names import seasons
from avtnet.season.stages import EpisodeFacts, SeasonOptions, recall_season
from clipping.files import find_media
from clipping.kept.cache import Cache
from clipping.kept.theme_file import Theme
from clipping.many.cluster import Ray
from clipping.many.outcomes import Engine, Outcome
from clipping.many.processes import Local
from clipping.many.run_many import run_many
from clipping.windows import WindowId
from preprocess.batch.command import PreprocessConfig
from preprocess.batch.report import WindowOutcome
from preprocess.batch.tasks import FeatureTask, outcomes_of, saved, split_tail
from preprocess.features import SIDES

TRIES = 3
"""Attempts at a file, or a season, over which workers die."""


@dataclass(frozen=True)
class SeasonFound:
    """One season that is done."""

    number: int
    """Counted from 0 in the order of folders and names."""
    seasons: int
    """The number of all seasons that are searched."""
    episodes: tuple[Located, ...]
    """In the order of their names."""


def search(config: LocateConfig) -> list[Located]:
    """Return every episode with its timeline and all that supports it, in the order of names.

    Raises:
        ClippingError: where an input does not exist, or the weights cannot be used.
    """
    with closing(walk_seasons(config)) as found:
        episodes = [located for season in found for located in season.episodes]
    return sorted(episodes, key=lambda located: located.name)


def walk_seasons(
    config: LocateConfig,
    *,
    episode: Callable[[Located], None] = lambda located: None,
    unreadable: Callable[[str], None] = lambda reason: None,
) -> Generator[SeasonFound]:
    """Yield every season as soon as it is done, whichever that is.

    A season in which nothing has changed is told from the cache, by this process. Of another one
    each file is an item for a worker, then the season is one, then the features of each episode
    about which networks are asked.

    Args:
        episode: called with each episode of a season, one after the other, before the season.
        unreadable: called with the reason why a file cannot be read, as soon as it is known.

    Raises:
        ClippingError: where an input does not exist, or the weights or the engine cannot be used.
    """
    networks = load_networks(config)
    with ExitStack() as stack:
        walk = _Walk(config, networks, stack, episode, unreadable)
        yield from walk.media()
        yield from walk.loose_features()


@dataclass
class _Open:
    """A season that is being worked on."""

    files: Mapping[str, Path]
    left: int = 0
    """Files, or then windows, that are not settled."""
    silent: dict[int, str] = field(default_factory=dict)
    facts: Sequence[EpisodeFacts] | None = None
    windows: list[WindowOutcome] = field(default_factory=list)


class _Walk:
    def __init__(
        self,
        config: LocateConfig,
        networks: Networks,
        stack: ExitStack,
        episode: Callable[[Located], None],
        unreadable: Callable[[str], None],
    ) -> None:
        self._config, self._networks, self._stack = config, networks, stack
        self._episode, self._unreadable = episode, unreadable
        self._options = SeasonOptions(config.audio, config.pictures, config.write_to)
        self._inputs: Sorted = sort_inputs(config.inputs)
        self._seasons = seasons(find_media(self._inputs.media)) if self._inputs.media else []
        self._cache = Cache(config.cache, fresh=config.rescan)
        self._themes = self._read_themes() if self._seasons else ()
        self._open: dict[int, _Open] = {}
        self._concluded: set[str] = set()
        self._engine: Engine = Local(config.workers)
        if config.engine == "ray":
            self._engine = Ray(config.address, config.workers)
        self._features: AskedFeatures | None = None
        self._notes: set[str] = set()

    def media(self) -> Iterator[SeasonFound]:
        """Yield the seasons of media files."""
        if not self._seasons:
            return
        config = self._config
        worker = Worker(config.cache, config.rescan, self._options, self._themes)
        outcomes = run_many(
            worker,
            self._items(),
            engine=self._engine,
            tries=TRIES,
            limit_s=self._limit_s,
            parts=_parts,
            known=_known,
            then=self._then,
            quarantine=SearchQuarantine(self._cache, config),
        )
        with Bars(self._seasons) as bars, closing(outcomes):
            for outcome in outcomes:
                bars.count(outcome.item)
                number = _season_of(outcome.item, self._features)
                if number in self._open and self._is_done(self._open[number]):
                    found = self._concluded_season(number, self._open.pop(number))
                    bars.season(len(found.episodes))
                    yield found

    def loose_features(self) -> Iterator[SeasonFound]:
        """Yield as one season what was named as files of features alone."""
        named = {window.name for window in self._inputs.windows} | set(self._inputs.episodes)
        names = sorted(named - self._concluded)
        if names:
            facts = [EpisodeFacts(name, Path(name)) for name in names]
            located = self._concluded_each(facts, {}, 0)
            yield SeasonFound(0, max(1, len(self._seasons)), located)

    def _read_themes(self) -> tuple[Theme, ...]:
        themes, problems = library(self._config.themes)
        self._note(*problems)
        return tuple(themes)

    def _items(self) -> Iterator[Item]:
        """Yield the seasons that are known, and the files of the others, season by season."""
        config = self._config
        for number, files in enumerate(self._seasons):
            # One for each season: a cache remembers every file that it has looked at.
            cache = Cache(config.cache, fresh=config.rescan)
            facts = recall_season(files, cache, self._options, themes=self._themes)
            self._note(*cache.notes)
            self._open[number] = season = _Open(files)
            if facts is not None:
                yield KnownSeason(number, facts)
            elif len(files) == 1 and not self._themes:  # it is compared with nothing
                yield SeasonItem(number, files)
            else:
                season.left = len(files)
                for place, path in enumerate(files.values()):
                    yield FileItem(number, place, path)

    def _limit_s(self, item: Item) -> float | None:
        limit_s = PreprocessConfig.file_limit
        assert limit_s is not None
        return limit_s * len(item.files) if isinstance(item, SeasonItem) else limit_s

    def _then(self, outcome: Outcome[Any, Any]) -> list[Item]:
        """Take an outcome in; return what can be worked on now."""
        item: Item = outcome.item
        if isinstance(item, FileItem):
            return self._listened(item, outcome)
        if isinstance(item, FeatureTask):
            number = self._features_made().season[item.name]
            windows = outcomes_of(outcome)
            self._open[number].windows += windows
            self._open[number].left -= len(windows)
            return []
        assert isinstance(item, SeasonItem | KnownSeason)
        if outcome.result is None:
            assert isinstance(item, SeasonItem)
            reason = f"its season was not compared: {outcome.error}"
            facts: Sequence[EpisodeFacts] = [
                EpisodeFacts(name, path, error=f"{path}: {reason}")
                for name, path in item.files.items()
            ]
        else:
            facts = outcome.result.facts
            self._note(*outcome.result.notes)
        return self._compared(item.season, facts)

    def _listened(self, item: FileItem, outcome: Outcome[Any, Any]) -> list[Item]:
        season = self._open[item.season]
        season.left -= 1
        if outcome.result is None:
            season.silent[item.number] = f"{item.path}: {outcome.error}"
        else:
            self._note(*outcome.result.notes)
            if outcome.result.error is not None:
                self._unreadable(outcome.result.error)
        if season.left:
            return []
        return [SeasonItem(item.season, season.files, dict(season.silent))]

    def _compared(self, number: int, facts: Sequence[EpisodeFacts]) -> list[Item]:
        """Plan the features of the episodes about which networks are asked."""
        season = self._open[number]
        season.facts = facts
        asked = {fact.name: fact.path for fact in facts if wants_networks(fact, self._config)}
        if not asked:
            return []
        features = self._features_made()
        tasks, season.windows = features.plan(number, asked)
        season.left = sum(len(task.sides) for task in tasks)
        # Where nothing else is left to do, both windows of a file are made at once.
        last = len(self._seasons) == 1
        return list(split_tail(tasks, self._engine.slots()) if last else tasks)

    def _features_made(self) -> AskedFeatures:
        if self._features is None:
            self._features = AskedFeatures(
                self._config, self._networks, self._inputs.media, self._stack
            )
        return self._features

    def _is_done(self, season: _Open) -> bool:
        return season.facts is not None and not season.left

    def _concluded_season(self, number: int, season: _Open) -> SeasonFound:
        assert season.facts is not None
        windows: dict[str, list[WindowOutcome]] = {}
        for outcome in season.windows:
            windows.setdefault(outcome.name, []).append(outcome)
        located = self._concluded_each(season.facts, windows, number)
        if self._inputs.windows or self._inputs.episodes:
            self._concluded |= set(season.files)
        self._note(*self._cache.notes)
        if self._features is not None:
            self._features.drop(season.windows)
        return SeasonFound(number, len(self._seasons), located)

    def _concluded_each(
        self,
        facts: Sequence[EpisodeFacts],
        windows: Mapping[str, Sequence[WindowOutcome]],
        number: int,
    ) -> tuple[Located, ...]:
        """Conclude episodes in the order of their names."""
        found = []
        for fact in sorted(facts, key=lambda each: each.name):
            made = self._made(fact.name, windows.get(fact.name, ()))
            located = conclude(fact, made, self._networks, self._config, number)
            self._episode(located)
            found.append(located)
        return tuple(found)

    def _made(self, name: str, outcomes: Sequence[WindowOutcome]) -> Made:
        """Return the features of an episode: those that were named, and those that were made."""
        windows: dict[str, Path] = {}
        episode, failure = self._inputs.episodes.get(name), None
        try:
            for side in SIDES:
                if (named := self._inputs.windows.get(WindowId(name, side))) is not None:
                    windows[side] = named
        except ValueError as error:  # a file name that no table can hold
            if any(outcome.side in SIDES for outcome in outcomes):
                return Made((), episode, f"{outcomes[0].file}: {error}; rename the file")
        for outcome in outcomes:
            if outcome.output is None:
                failure = outcome.error or "no features were made"
            elif outcome.side == "whole":
                episode = Path(outcome.output)
            else:
                windows[outcome.side] = Path(outcome.output)
        in_order = tuple(windows[side] for side in SIDES if side in windows)
        return Made(in_order, episode, failure)

    def _note(self, *notes: str) -> None:
        """Print what a user should know, each once."""
        for note in notes:
            if note not in self._notes:
                self._notes.add(note)
                Console(stderr=True, soft_wrap=True).print(note, style="yellow", markup=False)


def _parts(item: Item, reasons: tuple[str, ...]) -> Sequence[Item]:
    """Return what is tried in place of an item that was lost."""
    if isinstance(item, FeatureTask):
        return item.again(reasons)
    if isinstance(item, SeasonItem) and len(reasons) == TRIES - 1:
        return [replace(item, careful=True)]
    return [item]


def _known(item: Item) -> Any:
    """Return the result of an item that needs no work."""
    if isinstance(item, KnownSeason):
        return SeasonReport(item.facts)
    return saved(item) if isinstance(item, FeatureTask) else None


def _season_of(item: Item, features: AskedFeatures | None) -> int | None:
    if isinstance(item, FeatureTask):
        assert features is not None
        return features.season.get(item.name)
    return item.season

"""Find the opening and the ending of episodes: the function and the command behind ``locate``.

This module is not called ``locate``, so that ``from avtnet import locate`` is always the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.progress import Progress, track

from avtnet import checkpoints, dense, outputs
from avtnet.cache import Cache
from avtnet.decode import Boundary
from avtnet.evidence import Candidate, fuse_candidates
from avtnet.gather import Gathered, gather, sort_inputs
from avtnet.hints import library
from avtnet.networks import Networks, Sight, load_networks, see, views, witness
from avtnet.season import EpisodeFacts, SeasonOptions, look_at
from avtnet.season_names import seasons
from avtnet.text_support import with_text
from avtnet.theme_file import Theme
from clipping.config import parse, run
from clipping.errors import ClippingError, ConfigError
from clipping.files import find_media
from clipping.formats import catalog
from clipping.segments import Timeline
from preprocess.features import SIDES, Features

PROG = "python -m avtnet.locate"
_AGAINST_REPETITION = 0.6
"""What the networks' confidence counts for where other episodes were compared in vain."""


@dataclass(frozen=True)
class LocateConfig:
    """Find the opening and the ending of each episode; print a table and write files.

    Episodes of one season (a folder, or S01E02 in the names) are compared: what they repeat is
    found to the sound's own samples. The networks are asked where that tells nothing.
    Without any file or folder, a small demo season is made with real codecs and used.
    """

    inputs: tuple[str, ...] = field(
        default=(),
        metadata={"help": "videos, feature files (.safetensors, .episode), or folders of them"},
    )
    weights: tuple[Path, ...] = ()
    """Checkpoints, of AVTNetDense (avtnet tune) and of others; several are fused. Absent: those
    that are shipped."""
    json: Path | None = None
    """Write the timelines as JSON."""
    csv: Path | None = None
    """Write the segments as CSV."""
    plot: Path | None = None
    """Folder for pictures: one of each season, and one an episode of what the networks saw."""
    explain: tuple[str, ...] = ()
    """Episodes (file or name) of which all reasons are printed; all prints them of every one."""
    clips: Path | None = None
    """Folder to cut the segments into, exact to the frame."""
    write: tuple[str, ...] = ()
    """Files for players, of each episode: edl, edl45, chapters, ogm, ffmetadata, webvtt, jellyfin,
    aniskip, needle, mpv, otio, json, csv (docs/formats.md)."""
    write_to: Path | None = None
    """Folder for them; absent, beside the media."""
    padding: float = 0.0
    """Seconds by which they have every segment wider at both ends; negative: narrower."""
    cache: Path | None = None
    """Folder to keep what was heard and compared; absent, .avtnet beside the media."""
    themes: Path | None = None
    """Folder of remembered themes (avtnet themes); absent, the user's."""
    rescan: bool = False
    """Look at everything anew, whatever the cache knows."""
    network: Literal["auto", "always", "never"] = "auto"
    """When the networks look: where nothing else tells of the opening or the ending, at every
    episode, at none."""
    pictures: Literal["auto", "always", "never"] = "auto"
    """When pictures are compared, too: where the sounds tell nothing, all of them, never."""
    features: Path | None = None
    """Folder to keep features in, so that a second run is quick; absent, they are not kept."""
    audio: str | None = None
    """Which sound: a language (jpn) or the number of a stream; absent, the file's default."""
    min_confidence: float = 0.5
    """Say nothing below this confidence (0..1)."""
    workers: int | None = None
    """Processes that read the media; absent, one a core; 0 works in this one."""
    look: Literal["windows", "whole"] = "windows"
    """What the networks are shown of an episode: its first and last 200 s, or all of it, where a
    song may begin later; that takes longer, as the file is longer than 400 s."""
    device: str = "cpu"
    """Where the networks run: cpu, cuda, cuda:1, mps, or auto."""

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise ConfigError(f"min_confidence is from 0 to 1, got {self.min_confidence}")
        if not math.isfinite(self.padding):
            raise ConfigError(f"padding is a number of seconds, got {self.padding}")
        catalog.check_names(self.write)
        # write_timelines tells the form by the suffix.
        if self.csv is not None and self.csv.suffix.lower() != ".csv":
            raise ConfigError(f"--csv ends in .csv, got {self.csv}")
        if self.json is not None and self.json.suffix.lower() == ".csv":
            raise ConfigError(f"--json writes JSON, for CSV there is --csv; got {self.json}")
        if not self.inputs and self.weights and self.weights[-1].suffix != ".safetensors":
            raise ConfigError(
                f"--weights takes all words after it, also {self.weights[-1]}, which is no "
                ".safetensors; name what to search before --weights, or after --"
            )


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


def locate(
    path: Path | str,
    weights: Path | str | Sequence[Path | str] = (),
    *,
    min_confidence: float = LocateConfig.min_confidence,
    device: str = LocateConfig.device,
    **options: Any,
) -> Any:
    """The openings and endings of an episode, or of all episodes of a folder.

    Args:
        path: a media file, or a folder. The episodes of a folder are compared with each other,
            which is much the better evidence.
        weights: a checkpoint, or several to be fused; none takes those of AVTNetDense that are
            shipped, which were trained on made-up episodes only.
        min_confidence: below it nothing is said.
        device: where the networks run: cpu, cuda, cuda:1, mps, or auto.
        options: any other setting of :class:`LocateConfig` by its name.

    Returns:
        The :class:`~clipping.segments.Timeline` of a file; of a folder a list of them, in which a
        bad file has an ``error``. (:func:`locate_all` always gives a list.)

    Raises:
        ClippingError: where the file is no media, or the weights cannot be used.
    """
    several = [weights] if isinstance(weights, str | Path) else weights
    config = LocateConfig(
        inputs=(str(path),),
        weights=tuple(map(Path, several)),
        min_confidence=min_confidence,
        device=device,
        # A process would need ``if __name__ == "__main__"`` in the caller's script.
        **{"workers": 0, **options},
    )
    found = locate_all(config)
    if Path(path).is_dir():
        return found
    (timeline,) = found
    if timeline.error is not None:
        raise ClippingError(timeline.error)
    return timeline


def locate_all(config: LocateConfig) -> list[Timeline]:
    """The timeline of every episode in files and folders; a bad one has an ``error``.

    Raises:
        ClippingError: where an input does not exist, or the weights cannot be used.
    """
    return [located.timeline for located in search(config)]


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
    with gather(
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
        facts = look_at(files, cache, options, themes=themes, progress=progress)
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


def network_share(compared: int) -> float:
    """What the networks' confidence counts for, where a file was compared with so many others: what
    is theirs is mostly not there at all, where the sounds tell of nothing."""
    return _AGAINST_REPETITION if compared else 1.0


def _conclude(
    fact: EpisodeFacts,
    windows: Sequence[Path],
    gathered: Gathered,
    networks: Networks,
    config: LocateConfig,
) -> Located:
    """All sources to one timeline."""
    source = str(fact.path)
    sight, said = Sight(), list[Candidate]()
    boundaries: tuple[Boundary, ...] = ()
    error = fact.error or gathered.failures.get(fact.name)
    try:
        sight = see(windows, gathered.episodes.get(fact.name))
        boundaries = tuple(views(sight, networks))
        said = witness(sight, boundaries, networks, network_share(fact.compared))
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


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.locate``."""
    config = parse(LocateConfig, argv, prog=PROG, positional="inputs")
    return run(lambda: _command(config), PROG)


def _command(config: LocateConfig) -> int:
    notes = Console(stderr=True, soft_wrap=True, markup=False)
    outputs.check(config)
    for path in config.weights:
        if not dense.is_dense(path):  # a wrong one is told before a season is made
            checkpoints.read_info(path)
    if not config.inputs:
        config = replace(config, inputs=(str(outputs.demo_season(notes)),))
    report = outputs.Report(config, notes)
    try:
        search(config, report.take)
    finally:  # after Ctrl-C too: what was found is not lost
        report.finish()
    return 1 if report.failed else 0

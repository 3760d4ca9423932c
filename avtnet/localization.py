"""Find the opening and the ending of episodes: the function and the command behind ``locate``.

This module is not called ``locate``, so that ``from avtnet import locate`` is always the function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from avtnet import checkpoints
from avtnet.checkpoints import Checkpoint
from avtnet.decode import SHIFTS, Boundary, fuse_views, shifted, timeline
from avtnet.gather import gather
from avtnet.predict import check_settings, find_device, predict_windows
from clipping.config import parse, run
from clipping.errors import ClippingError, ConfigError
from clipping.files import require_output, require_writable
from clipping.formats import catalog
from clipping.segments import Segment, Timeline
from clipping.tables import write_timelines
from preprocess.features import SIDES, Features
from preprocess.features import load as load_features

PROG = "python -m avtnet.locate"
SHIPPED = Path(__file__).parent / "weights" / "demo.safetensors"
"""The weights that are used where none are named: trained on made-up episodes only."""


@dataclass(frozen=True)
class LocateConfig:
    """Find the opening and the ending of each episode; print a table and write files.

    Without any file or folder, a small demo season is made with real codecs and used.
    """

    inputs: tuple[str, ...] = field(
        default=(), metadata={"help": "videos, feature files, or folders of them"}
    )
    weights: tuple[Path, ...] = ()
    """Checkpoints; several are fused. Absent: the demo weights that are shipped."""
    json: Path | None = None
    """Write the timelines as JSON."""
    csv: Path | None = None
    """Write the segments as CSV."""
    plot: Path | None = None
    """Folder for a picture of what the network saw, one an episode."""
    clips: Path | None = None
    """Folder to cut the segments into, exact to the frame."""
    write: tuple[str, ...] = ()
    """Files for players, of each episode: edl, edl45, chapters, ogm, ffmetadata, webvtt, jellyfin,
    aniskip, needle, mpv, otio, json, csv (docs/formats.md)."""
    write_to: Path | None = None
    """Folder for them; absent, beside the media."""
    padding: float = 0.0
    """Seconds by which they have every segment wider at both ends; negative: narrower."""
    features: Path | None = None
    """Folder to keep features in, so that a second run is quick; absent, they are not kept."""
    audio: str | None = None
    """Which sound: a language (jpn) or the number of a stream; absent, the file's default."""
    min_confidence: float = 0.3
    """Say nothing below this confidence (0..1)."""
    workers: int | None = None
    """Processes that make features; absent, one a core; 0 works in this one."""
    device: str = "cpu"
    """Where the networks run: cpu, cuda, cuda:1."""

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


Watch = Callable[[str, Sequence[Boundary], Timeline], None]
"""Is told of each episode: its name, its boundaries, its timeline."""


def locate(
    path: Path | str,
    weights: Path | str | Sequence[Path | str] = (),
    *,
    min_confidence: float = LocateConfig.min_confidence,
    device: str = LocateConfig.device,
) -> Timeline:
    """The opening and the ending of one episode, as segments with confidence and evidence.

    Args:
        path: a media file.
        weights: a checkpoint, or several to be fused; none takes the demo weights that are
            shipped, which were trained on made-up episodes only.
        min_confidence: below it nothing is said.
        device: where the networks run.

    Raises:
        ClippingError: where the file is no media, or the weights cannot be used.
    """
    several = [weights] if isinstance(weights, str | Path) else weights
    config = LocateConfig(
        inputs=(str(path),),
        weights=tuple(map(Path, several)),
        min_confidence=min_confidence,
        device=device,
        workers=0,  # a process would need ``if __name__ == "__main__"`` in the caller's script
    )
    if Path(path).is_dir():
        raise ClippingError(f"{path}: is a folder; avtnet.locate_all takes folders")
    (found,) = locate_all(config)
    if found.error is not None:
        raise ClippingError(found.error)
    return found


def locate_all(config: LocateConfig, watch: Watch | None = None) -> list[Timeline]:
    """The timeline of every episode in files and folders; a bad one has an ``error``.

    Raises:
        ClippingError: where an input does not exist, or the weights cannot be used.
    """
    models = load_models(config)
    settings = models[0].info.features
    if config.audio is not None:
        number = config.audio.isascii() and config.audio.isdecimal()
        audio = int(config.audio) if number else config.audio
        settings = replace(settings, audio=audio)
    timelines = []
    with gather(config.inputs, settings, keep=config.features, workers=config.workers) as gathered:
        files: dict[str, list[Path]] = {name: [] for name in (*gathered.media, *gathered.failures)}
        for window in sorted(gathered.features, key=lambda each: SIDES.index(each.side)):
            files.setdefault(window.name, []).append(gathered.features[window])
        for name in track(sorted(files), "episodes", console=Console(stderr=True), transient=True):
            source = str(gathered.media.get(name, name))
            boundaries: list[Boundary] = []
            error = gathered.failures.get(name)
            for file in files[name]:
                try:
                    boundaries.append(look(load_features(file), models, config.device))
                except ClippingError as failure:
                    error = str(failure)
            if error is None:
                found = timeline(
                    source,
                    boundaries,
                    min_confidence=config.min_confidence,
                    weights=describe(models),
                )
            else:
                found = Timeline(source, 0.0, (), error)
            if watch is not None:
                watch(name, boundaries, found)
            timelines.append(found)
    return timelines


def look(features: Features, models: Sequence[Checkpoint], device: str = "cpu") -> Boundary:
    """Every model's views of one window, fused.

    Raises:
        FeatureError: where the features are not those that a model was trained on.
    """
    views = {}
    for index, model in enumerate(models):
        check_settings(model, features)
        moved = [shifted(features, seconds) for seconds in SHIFTS]
        positions = predict_windows(model, moved, device=device)
        name = f"{index + 1}:{model.path.parent.name}/{model.path.stem}"
        views[name] = [place + shift for place, shift in zip(positions, SHIFTS, strict=True)]
    return fuse_views(features, views)


def load_models(config: LocateConfig) -> list[Checkpoint]:
    """The checkpoints to ask, which must take the same features.

    Raises:
        CheckpointError: where one cannot be used.
        ConfigError: where two want other features.
    """
    device = find_device(config.device)
    models = [checkpoints.load(path, device) for path in config.weights or (SHIPPED,)]
    first = models[0]
    for model in models[1:]:
        if model.info.features.decisive() != first.info.features.decisive():
            raise ConfigError(f"{first.path} and {model.path} were trained on different features")
    return models


def describe(models: Sequence[Checkpoint]) -> str:
    """Who says it, in a few words."""
    if len(models) > 1:
        return f"{len(models)} networks fused"
    info = models[0].info
    shipped = " with the demo weights" if models[0].path == SHIPPED else ""
    return f"{info.model.kind} ({info.model.size}){shipped}"


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.locate``."""
    config = parse(LocateConfig, argv, prog=PROG, positional="inputs")
    return run(lambda: _command(config), PROG)


def _command(config: LocateConfig) -> int:
    notes = Console(stderr=True, soft_wrap=True, markup=False)
    _check_outputs(config)
    if not config.weights:
        origin = checkpoints.read_info(SHIPPED).trained_on
        notes.print(
            f"no --weights: using the demo weights that are shipped, trained on {origin}; "
            "on real episodes expect wrong answers",
            style="yellow",
        )
    for path in config.weights:
        checkpoints.read_info(path)  # a wrong one is told before a season is made
    if not config.inputs:
        config = replace(config, inputs=(str(_demo_season(notes)),))

    timelines: dict[str, Timeline] = {}
    failed: list[str] = []

    def watch(name: str, boundaries: Sequence[Boundary], found: Timeline) -> None:
        timelines[name] = found
        if found.error is not None:
            failed.append(found.error)
            return
        for made in (
            _illustrate(config, name, boundaries, found),
            _write_for_players(config, name, found),
        ):
            try:
                for path in made:
                    notes.print(f"written: {path}")
            except ClippingError as error:
                failed.append(str(error))

    try:
        locate_all(config, watch)
    finally:  # after Ctrl-C too: what was found is not lost
        _report(config, timelines, notes)
    for error in failed:
        notes.print(f"failed: {error}", style="red")
    return 1 if failed else 0


def _report(config: LocateConfig, timelines: Mapping[str, Timeline], notes: Console) -> None:
    if timelines:
        Console().print(_table(timelines))
        for path in (config.json, config.csv):
            if path is not None:
                write_timelines(path, timelines.values())
                notes.print(f"written: {path}")


def _check_outputs(config: LocateConfig) -> None:
    """Say before the work, not after it, what cannot be written."""
    for path in (config.json, config.csv):
        if path is not None:
            require_output(path)
    for folder in (config.plot, config.clips, config.write_to if config.write else None):
        if folder is not None:
            require_writable(folder)


def _illustrate(
    config: LocateConfig, name: str, boundaries: Sequence[Boundary], found: Timeline
) -> Iterator[Path]:
    """Draw an episode and cut its clips, where that is wanted."""
    if config.plot is not None:
        from avtnet.plot import draw_episode

        yield draw_episode(config.plot, name, boundaries, found)
    if config.clips is not None and found.segments:
        from clipping.cutting import cut

        for clip in cut(found.source, found, output=config.clips, overwrite=True, name=name):
            yield clip.path


def _write_for_players(config: LocateConfig, name: str, found: Timeline) -> Iterator[Path]:
    """The files of ``--write``; none for an episode in which nothing was found."""
    if config.write and found.segments:
        called = name if config.write_to is not None else ""
        wide = catalog.padded(found, config.padding)
        yield from catalog.write_beside(wide, config.write, folder=config.write_to, called=called)


def _demo_season(notes: Console) -> Path:
    from avtnet.synthesize import make_season

    folder = Path("avtnet-demo")
    notes.print(f"no files were named: making a small demo season in {folder}/")
    return make_season(folder)


def _table(timelines: Mapping[str, Timeline]) -> Table:
    table = Table("episode", "length", "opening", "sure", "ending", "sure")
    for name, found in timelines.items():
        cells = [*_cells(found.opening), *_cells(found.ending)]
        if found.error is not None:
            cells = ["[red]failed[/]", "", "", ""]
        table.add_row(escape(name), _clock(found.duration), *cells)
    return table


def _cells(segment: Segment | None) -> tuple[str, str]:
    if segment is None:
        return "nothing found", ""
    span = f"{_clock(segment.start)} - {_clock(segment.end)}"
    return span, "" if segment.score is None else f"{segment.score:.2f}"


def _clock(seconds: float) -> str:
    """``83.52`` → ``1:23.5``: short enough for a table; files keep the thousandths."""
    minutes, tenths = divmod(round(seconds * 10), 600)
    return f"{minutes}:{tenths // 10:02d}.{tenths % 10}"

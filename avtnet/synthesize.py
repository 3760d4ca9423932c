"""Make labelled episodes for training and trials: ``python -m avtnet.synthesize -o DIR``.

The episodes are real media files with made-up content: H.264 and AAC in MP4, moving pictures with
credits in real fonts, songs, speech-like sound. The labels have the distribution of the public
challenge's, and are exact: picture and sound change at the label. The files are::

    DIR/media/NAME.mp4      the episodes
    DIR/truth/NAME.json     the contents of each, and the settings that made it
    DIR/labels.txt          one row for each window: NAME_start 60.5000, NAME_end 136.6667
    DIR/episodes.json       the contents of all episodes, in one list

A second run makes only episodes that are missing or were made with other settings.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from avtnet.synthesis.settings import SynthesizeConfig
from clipping import config as settings
from clipping.errors import ClippingError
from clipping.files import atomic_path, write_text
from clipping.windows import Side, WindowId, write_labels

if TYPE_CHECKING:
    from avtnet.synthesis.outline import Outline
    from avtnet.synthesis.script import Script

MATERIAL = ("material", "music", "speech", "pictures", "fonts")
"""Settings that name folders of material."""
RECIPE_VERSION = 1
"""Raised when equal settings give other episodes than before."""


def synthesize(config: SynthesizeConfig) -> Path:
    """Make the episodes that are missing, then the labels; return the folder.

    Ctrl-C loses only the episodes that are being made.

    Raises:
        ClippingError: if the folder cannot be written, or the disk is full.
    """
    scripts: Sequence[Script | Outline] = draw_scripts(config)
    if config.kind == "varied":
        from avtnet.synthesis.varied import draw_outlines

        scripts = draw_outlines(config)
    labels, truths = config.output / "labels.txt", config.output / "episodes.json"
    missing = [script for script in scripts if not _is_made(script, config)]
    if missing:
        for stale in (labels, truths):  # labels of an earlier run never stand next to new episodes
            _remove(stale)
        with _progress(len(scripts), len(scripts) - len(missing)) as advance:
            for _ in _make_all([_Task(script, config) for script in missing], config.workers):
                advance()
    made = [_read_truth(script.name, config) for script in scripts]
    write_text(truths, json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    write_labels(
        labels,
        {
            WindowId(truth["name"], side): round(truth["labels"][side], 4)
            for truth in made
            for side in get_args(Side)
            if side in truth["labels"]
        },
    )
    return config.output


def make_season(
    folder: Path | str, *, episodes: int = 4, seed: int = 0, duration: float = 400.0
) -> Path:
    """Make the demo season, a few episodes of one series; return the folder with the media."""
    config = SynthesizeConfig(
        output=Path(folder), kind="season", episodes=episodes, seed=seed, duration=duration
    )
    return synthesize(config) / "media"


def draw_scripts(config: SynthesizeConfig) -> list[Script]:
    """Return the script of every episode, without rendering; a larger number changes none."""
    return [_draw_script(config, index) for index in range(config.episodes)]


def _draw_script(config: SynthesizeConfig, index: int) -> Script:
    from avtnet.synthesis.script import draw_habits, draw_script

    season = config.kind == "season"
    series, number = (0, index) if season else divmod(index, config.series_episodes)
    return draw_script(
        config.seed,
        index,
        series=series,
        name=f"e{number + 1:02d}" if season else f"s{series + 1:03d}e{number + 1:02d}",
        habits=draw_habits(config.seed, series, fixed=season),
        duration=(config.duration, config.duration + config.duration_spread),
        rate=config.rate,
    )


@dataclass(frozen=True)
class _Task:
    """The task of a worker process: one episode."""

    script: Script | Outline
    config: SynthesizeConfig


def _make_all(tasks: Sequence[_Task], workers: int | None) -> Generator[None]:
    """Make the episodes in several processes; yield whenever one is finished."""
    from clipping.many.processes import Local
    from clipping.many.run_many import run_many

    with closing(run_many(_make, tasks, engine=Local(workers))) as outcomes:
        for outcome in outcomes:
            if outcome.attempts:
                name = outcome.item.script.name
                raise ClippingError(
                    f"{name}: not made: {outcome.error} (what was finished is kept)"
                )
            if outcome.error is not None:
                raise ClippingError(f"{outcome.error} (stopped there; what was finished is kept)")
            yield


def _make(task: _Task) -> None:
    """Make one episode and then its truth file.

    The truth is written last: an episode without it counts as missing.
    """
    from avtnet.synthesis.script import Script

    script, config = task.script, task.config
    media, truth = _media_path(script.name, config), _truth_path(script.name, config)
    _remove(truth)
    if isinstance(script, Script):
        _render(script, media, config)
        truth_of = _describe(script, media, config)
    else:
        from avtnet.synthesis.varied import describe_outline, render

        render(script, media, config)
        truth_of = {**describe_outline(script, media, config), "settings": _identity(config)}
    text = json.dumps(truth_of, indent=1, ensure_ascii=False)
    write_text(truth, text + "\n")


def _describe(script: Script, media: Path, config: SynthesizeConfig) -> dict[str, Any]:
    """Return the contents of an episode's truth file."""
    parts = [
        {
            "kind": part.kind,
            "start": part.start_frame / script.rate,
            "end": part.end_frame / script.rate,
        }
        for part in script.parts
    ]
    return {
        "name": script.name,
        "file": media.relative_to(config.output).as_posix(),
        "series": script.series,
        "duration": script.duration,
        "opening": script.span("opening"),
        "ending": script.span("ending"),
        "labels": script.labels,
        "parts": parts,
        "manner": asdict(script.manner),
        "size_bytes": media.stat().st_size,
        "settings": _identity(config),
    }


def _render(script: Script, path: Path, config: SynthesizeConfig) -> None:
    from avtnet.synthesis.drawing import draw_look
    from avtnet.synthesis.encode import encode
    from avtnet.synthesis.shots import pictures
    from avtnet.synthesis.soundtrack import draw_score, soundtrack

    score = draw_score(config.seed, script.series)
    look = draw_look(config.seed, script.series, config.picture_size)
    with atomic_path(path) as temporary:
        encode(
            temporary,
            pictures(script, look, score, config.seed),
            soundtrack(script, score, config.seed),
            size=config.picture_size,
            rate=script.rate,
            grain=script.manner.grain,
            seed=script.index,
        )


def _identity(config: SynthesizeConfig) -> dict[str, Any]:
    """Return everything that an episode's content depends on, except its number."""
    from avtnet.synthesis.lettering import find_cjk_font

    font = find_cjk_font()
    values = settings.dump(config)
    for name in ("output", "episodes", "workers"):
        del values[name]
    if config.kind != "varied":
        for name in ("split", *MATERIAL):
            del values[name]
    return {"recipe": RECIPE_VERSION, **values, "cjk_font": font.name if font else None}


def _is_made(script: Script | Outline, config: SynthesizeConfig) -> bool:
    """Return whether the episode exists, is complete, and was made with these settings."""
    media = _media_path(script.name, config)
    if not (media.is_file() and _truth_path(script.name, config).is_file()):
        return False
    try:
        truth = _read_truth(script.name, config)
        same: bool = truth["settings"] == _identity(config)
        return same and truth["size_bytes"] == media.stat().st_size
    except (ClippingError, KeyError, TypeError):
        return False


def _read_truth(name: str, config: SynthesizeConfig) -> dict[str, Any]:
    path = _truth_path(name, config)
    try:
        truth: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ClippingError(f"{path}: cannot be read: {error}; remove it and run again") from error
    return truth


def _media_path(name: str, config: SynthesizeConfig) -> Path:
    return config.output / "media" / f"{name}.mp4"


def _truth_path(name: str, config: SynthesizeConfig) -> Path:
    return config.output / "truth" / f"{name}.json"


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ClippingError(f"{path}: cannot be removed: {error.strerror}") from error


@contextmanager
def _progress(total: int, done: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on stderr; yield the function that advances it by one."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("episodes"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=False) as bar:
        task = bar.add_task("episodes", total=total, completed=done)
        yield lambda: bar.advance(task)


def main(argv: Sequence[str] | None = None) -> int:
    """The command ``python -m avtnet.synthesize``."""
    prog = "python -m avtnet.synthesize"
    config = settings.parse(SynthesizeConfig, argv, prog=prog)

    def command() -> None:
        folder = synthesize(config)
        print(f"{config.episodes} episodes in {folder / 'media'}")
        labels = folder / "labels.txt"
        count = len(labels.read_text(encoding="utf-8").splitlines())
        print(f"{count} labels in {labels}")

    return settings.run(command, prog)


if __name__ == "__main__":
    sys.exit(main())

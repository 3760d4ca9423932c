"""Ask a network about files: ``python -m clipping predict --task NAME --checkpoint FILE FILES``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipping.config import parse, refuse, run
from clipping.errors import ClippingError, ConfigError
from clipping.files import require_output
from clipping.formats import catalog
from clipping.formats.tables import write_timelines
from clipping.segments import Timeline
from clipping.tasks.contract import TABLE, TaskModule
from clipping.tasks.words import read_words

PROG = "python -m clipping predict"
_ABOUT = (
    "Print what a network (--checkpoint FILE) finds in files, and write it. --task NAME --help "
    "shows the options."
)


@dataclass(frozen=True)
class PredictOptions:
    """Ask the network of --checkpoint FILE what it finds in each file; print and write it."""

    inputs: tuple[str, ...] = field(default=(), metadata={"help": "files that the task reads"})
    output: Path | None = None
    """A table of all files: JSON, or CSV if the name ends in .csv."""
    write: tuple[str, ...] = field(default=(), metadata={"help": catalog.write_help})
    """Files for players, of each episode, by the names of their formats (docs/formats.md)."""
    write_to: Path | None = None
    """Folder for them; absent, next to the media."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ConfigError("name at least one file")
        catalog.check_names(self.write)


def predict_files(
    name: str, task: TaskModule, checkpoint: Path, config: PredictOptions
) -> tuple[list[Timeline], list[str]]:
    """Return the timeline of each file, and why files could not be written.

    A file that fails has a timeline with an ``error``; the others are not stopped by it.
    """
    timelines: list[Timeline] = []
    problems: list[str] = []
    for source in config.inputs:
        try:
            with TABLE.guard(name):
                timeline = task.predict(Path(source), checkpoint)
        except ClippingError as error:
            timelines.append(Timeline(source, 0.0, (), str(error)))
            continue
        timelines.append(timeline)
        try:
            for _ in catalog.write_beside(timeline, config.write, folder=config.write_to):
                pass
        except ClippingError as error:
            problems.append(str(error))
    return timelines, problems


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m clipping predict``."""
    words = read_words(sys.argv[1:] if argv is None else argv, prog=PROG, about=_ABOUT)
    prog = f"{PROG} --task {words.name}"
    config = parse(PredictOptions, words.rest, prog=prog, positional="inputs")
    if words.checkpoint is None:
        refuse(prog, "name the checkpoint: --checkpoint FILE")
    checkpoint = words.checkpoint

    def command() -> int:
        if config.output is not None:
            require_output(config.output)
        timelines, problems = predict_files(words.name, words.task, checkpoint, config)
        for timeline in timelines:
            for segment in timeline.segments:
                score = "" if segment.score is None else f" ({segment.score:.2f})"
                print(f"{timeline.source}: {segment}{score}")
        if config.output is not None:
            write_timelines(config.output, timelines)
        problems += [f"{each.source}: {each.error}" for each in timelines if each.error]
        for problem in problems:
            print(f"failed: {problem}", file=sys.stderr)
        return 1 if problems else 0

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())

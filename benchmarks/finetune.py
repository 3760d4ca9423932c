"""The gain by five labelled episodes of a series: before and after ``avtnet tune``.

    python benchmarks/finetune.py DATA --material FOLDER [--series 2] [--library FOLDER]

DATA is made first where it is not there yet: series of the split ``test``, each with its own songs,
look and lettering, an opening and an ending of one length, and every copy with colours, loudness
and codec of its own; through H.264, AAC, the decoder and the text engine. Of each of the first
``--tuned`` series ``--labelled`` episodes are tuned on by the command itself; ``--held`` others are
looked at before and after, whole. The held ones of all other series tell what is lost elsewhere.

Printed are, of whole episodes:

* found: share of openings and endings of which both ends are within 2 s;
* within 0.5 and 1 s: share of all true ends (a missing one is not);
* error: mean error of the ends that are said, in seconds;
* f1 of seconds; share of episodes without a segment in which one was said.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))

from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.synthesis.outline import Outline, draw_outline, song_length
from avtnet.synthesis.settings import SynthesizeConfig
from avtnet.synthesis.varied import render
from avtnet.tune import begin, tune_files
from avtnet.tuning.episodes import OwnEpisode
from avtnet.tuning.settings import OwnSource, TuneConfig
from avtnet.tuning.source import read_source
from avtnet.tuning.training import HeldOutAnswer, answers, figures
from clipping.formats.tables import write_timelines
from clipping.segments import Segment, Timeline

LENGTHS = (400.0, 600.0)
"""Seconds of an episode: a whole one's beginning and end without most of its story."""


def outlines(seed: int, series: int, count: int) -> list[Outline]:
    """Episodes of one series, whose songs have the same lengths in all."""
    rng = np.random.default_rng([seed, 29, series])
    lengths = {kind: song_length(rng) for kind in ("opening", "ending")}
    return [
        _with_songs(
            draw_outline(
                3 * seed + 2,  # the split test
                1000 * series + number,
                series=series,
                name=f"s{series + 1}e{number + 1:02d}",
                duration=LENGTHS,
            ),
            lengths,
        )
        for number in range(count)
    ]


def _with_songs(outline: Outline, lengths: dict[str, float]) -> Outline:
    at, stretches = 0.0, []
    for stretch in outline.stretches:
        length = stretch.length
        if stretch.kind in lengths:
            length = lengths[stretch.kind]
        stretches.append(replace(stretch, start=at, end=at + length, head=0.0))
        at += length
    return replace(outline, stretches=tuple(stretches))


def make(arguments: argparse.Namespace) -> None:
    """The media, and a table of labels for the episodes to tune on and one for the others."""
    config = SynthesizeConfig(
        arguments.data, kind="varied", split="test", size="426x240", rate=1,
        material=arguments.material,
    )  # fmt: skip
    for series in range(arguments.series):
        made = outlines(arguments.seed, series, arguments.labelled + arguments.held)
        for part, chosen in (
            ("labelled", made[: arguments.labelled]),
            ("held", made[arguments.labelled :]),
        ):
            folder = arguments.data / f"series-{series + 1}" / part
            timelines = []
            for outline in chosen:
                path = folder / f"{outline.name}.mp4"
                if not path.is_file():
                    render(outline, path, config)
                    print(f"made: {path}", file=sys.stderr)
                spans = {kind: outline.span(kind) for kind in ("opening", "ending")}
                segments = (Segment(*span, kind) for kind, span in spans.items() if span)
                timelines.append(Timeline(path.name, outline.duration, tuple(segments)))
            write_timelines(folder / "labels.json", timelines)


def source(arguments: argparse.Namespace, series: int, part: str) -> OwnSource:
    folder = arguments.data / f"series-{series + 1}" / part
    features = arguments.data / "features" / f"{series + 1}-{part}"
    return OwnSource((str(folder),), features, folder / "labels.json", workers=1)


def row(name: str, given: Sequence[HeldOutAnswer]) -> None:
    told = ", ".join(f"{what} {value:.2f}" for what, value in figures(given).items())
    print(f"{name}: {len(given)} asked, {told}", flush=True)


def asked(
    checkpoint: dense_checkpoint.DenseCheckpoint, episodes: Sequence[OwnEpisode]
) -> list[HeldOutAnswer]:
    return [answer for episode in episodes for answer in answers(checkpoint, episode)]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--material", type=Path)
    parser.add_argument("--series", type=int, default=2)
    parser.add_argument("--tuned", type=int, default=2)
    parser.add_argument("--labelled", type=int, default=5)
    parser.add_argument("--held", type=int, default=6)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--init", default="shipped")
    parser.add_argument("--library", type=Path)
    parser.add_argument("--lr", type=float, default=TuneConfig.lr)
    parser.add_argument("--steps", type=int, default=TuneConfig.steps)
    parser.add_argument("--folds", type=int, default=TuneConfig.folds)
    parser.add_argument("--output", default="tuned", help="folder in DATA for the tuned weights")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make(arguments)
    start = begin(arguments.init)
    held: list[list[OwnEpisode]] = []
    for series in range(arguments.series):
        episodes, problems = read_source(source(arguments, series, "held"), start.info.features)
        if problems:
            sys.exit("; ".join(problems))
        held.append(episodes)
    console = Console(stderr=True, soft_wrap=True, markup=False)
    before: list[list[HeldOutAnswer]] = [asked(start, episodes) for episodes in held]
    mine: list[HeldOutAnswer] = []
    mine_before: list[HeldOutAnswer] = []
    others: list[HeldOutAnswer] = []
    others_before: list[HeldOutAnswer] = []
    for series in range(arguments.tuned):
        given = source(arguments, series, "labelled")
        config = TuneConfig(
            given.inputs,
            output=arguments.data / arguments.output / f"{series + 1}",
            init=arguments.init,
            labels=given.labels,
            features=given.features,
            library=arguments.library,
            lr=arguments.lr,
            steps=arguments.steps,
            folds=arguments.folds,
            workers=1,
        )
        begun = time.process_time()
        if problems := tune_files(config, console):
            sys.exit("; ".join(problems))
        print(f"series {series + 1}: tuned in {time.process_time() - begun:.0f} CPU s")
        tuned = dense_checkpoint.load(config.output / "dense.safetensors")
        own = asked(tuned, held[series])
        row(f"series {series + 1} before", before[series])
        row(f"series {series + 1} tuned", own)
        mine += own
        mine_before += before[series]
        for other in range(arguments.series):
            if other != series:
                others += asked(tuned, held[other])
                others_before += before[other]
    row("their own series before", mine_before)
    row("their own series tuned", mine)
    if others:
        row("other series before", others_before)
        row("other series tuned", others)
    return 0


if __name__ == "__main__":
    sys.exit(main())

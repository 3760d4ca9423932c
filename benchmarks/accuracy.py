"""How well openings and endings are found, by several methods on the same made-up episodes.

    python benchmarks/accuracy.py DATA --episodes 300 --material FOLDER [--weights FILE …]
        [--classic RUNS] [--real TRUE.csv]

DATA is made first where it is not there yet: varied episodes of the split ``test`` through real
codecs (``python -m avtnet.synthesize --kind varied --split test``) and their features. Printed is
one row a method:

* score: the challenge's, mean of max(|error| - 1 s, 0), for the opening's end and the ending's
  start, over the windows that have one. A method that says nothing there is asked for the
  likeliest place all the same (a row of the challenge has to name one), else given the median.
* mae: mean error in seconds of each of the four ends, where the method names it.
* hit: share of all true ends of that method's kind found within 0.5, 1, 2 and 5 s.
* f1: of seconds that are opening or ending.
* false: share of windows without the segment in which one was said.
* ece: expected calibration error of the score (right: all ends it names within 2 s).

``--classic``: the five checkpoints of the original's recipe and their fusion, from the folder of
their three runs (docs/model-card.md says how they are trained). ``--real``: media with known
segments, a row for each in avtnet's own CSV or JSON, paths as seen from that file; in a table of
their own, since they are few.

The median is that of the test set itself: the best that a constant can do.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from accuracy_methods import (
    LABELS,
    Method,
    Window,
    black_or_silence,
    constant,
    dense_network,
    five,
    network,
    size_of,
)
from accuracy_report import write_accuracy

from avtnet.classic import checkpoints
from avtnet.dense.info import SHIPPED as DENSE_SHIPPED
from avtnet.synthesis.settings import SynthesizeConfig
from avtnet.synthesize import synthesize
from clipping.formats.tables import read_timelines
from clipping.judging.judgement import RIGHT_SECONDS
from clipping.windows import Side
from preprocess.batch.command import PreprocessConfig, follow, plan
from preprocess.features import SIDES, feature_path
from preprocess.features import load as load_features

DEMO = Path(__file__).parents[1] / "weights" / "demo.safetensors"
"""The network that the small recipe made best (weights/README.md)."""
LEAST = 0.5
"""Scores below it say nothing."""


Spans = dict[str, tuple[float, float] | None]
"""The opening and the ending of an episode, by label."""


def made_up(data: Path) -> list[Window]:
    """The windows of the episodes that :func:`make` has made."""
    truths = json.loads((data / "episodes.json").read_text(encoding="utf-8"))
    return windows(data / "features", {truth["name"]: truth for truth in truths})


def real(labels: Path, features: Path) -> list[Window]:
    """The windows of media whose true segments a table tells (JSON or CSV, as locate writes)."""
    spans: dict[str, Spans] = {}
    media = []
    for timeline in read_timelines(labels):
        media.append(str(labels.parent / timeline.source))
        spans[Path(timeline.source).stem] = {
            label: None if found is None else (found.start, found.end)
            for label, found in (("opening", timeline.opening), ("ending", timeline.ending))
        }
    config = PreprocessConfig(inputs=tuple(media), output=features, workers=1)
    follow(config, *plan(config))
    return windows(features, spans)


def windows(folder: Path, truths: Mapping[str, Spans]) -> list[Window]:
    """Both windows of each episode, but for those that hold a part of a song only."""
    found = []
    for name, spans in truths.items():
        for side in SIDES:
            features = load_features(feature_path(folder, name, side))
            span = spans[LABELS[side]]
            begin, last = features.start, features.start + features.covered
            # What lies outside of the window, or is cut by it, cannot be asked of it.
            if span is not None and (span[1] > last + 1 or span[0] < begin - 1):
                if span[0] < last and span[1] > begin:
                    continue
                span = None
            found.append(Window(features, side, None if span is None else (span[0], span[1])))
    return found


def figures(
    method: Method, asked: Sequence[Window], medians: dict[Side, float]
) -> dict[str, float]:
    """One row of the table."""
    begun = time.process_time()
    answers = [method(window) for window in asked]
    cpu = (time.process_time() - begun) / max(1, len(asked)) * 2
    scores: dict[Side, list[float]] = {side: [] for side in SIDES}
    errors: dict[tuple[Side, str], list[float]] = {}
    shared = said_seconds = true_seconds = 0.0
    false, without, sure, right = 0, 0, [], []
    for window, given in zip(asked, answers, strict=True):
        answer = given if given is not None and given.score >= LEAST else None
        features = window.features
        if answer is not None:
            low = features.start if answer.start is None else answer.start
            high = features.start + features.covered if answer.end is None else answer.end
            said_seconds += high - low
            if window.truth is not None:
                true = window.truth
                shared += max(0.0, min(high, true[1]) - max(low, true[0]))
        if window.truth is None:
            without, false = without + 1, false + (answer is not None)
            if given is not None and given.says:
                sure.append(given.score)
                right.append(False)
            continue
        true_seconds += window.truth[1] - window.truth[0]
        ends = {"start": window.truth[0], "end": window.truth[1]}
        named = {} if given is None else {"start": given.start, "end": given.end}
        wrong = [abs(time_ - ends[which]) for which, time_ in named.items() if time_ is not None]
        if wrong and given is not None:
            sure.append(given.score)
            right.append(max(wrong) <= RIGHT_SECONDS)
        challenge = "end" if window.side == "start" else "start"
        guess = named.get(challenge)
        if guess is None and given is not None:
            guess = given.likeliest
        if guess is None:
            guess = features.start + medians[window.side]
        scores[window.side].append(max(abs(guess - ends[challenge]) - 1, 0))
        for which in ends:
            mark = named.get(which) if answer is not None else None
            error = np.inf if mark is None else abs(mark - ends[which])
            errors.setdefault((window.side, which), []).append(error)
    row = {f"score {LABELS[side]}": float(np.mean(scores[side])) for side in SIDES if scores[side]}
    row["score"] = float(np.mean([*scores["start"], *scores["end"]]))
    asked_of = []
    for (side, which), each in sorted(errors.items(), reverse=True):
        known = np.array(each)[np.isfinite(each)]
        if len(known):
            row[f"mae {LABELS[side]} {which}"] = float(known.mean())
            asked_of += each
    for seconds in (0.5, 1, 2, 5):
        row[f"hit {seconds:g}"] = float(np.mean(np.array(asked_of) <= seconds)) if asked_of else 0.0
    row["f1"] = 2 * shared / max(1e-9, said_seconds + true_seconds)
    row["false"] = false / max(1, without)
    row["ece"] = calibration_error(np.array(sure), np.array(right, bool))
    row["cpu s"] = cpu
    return row


def calibration_error(sure: np.ndarray, right: np.ndarray, bins: int = 5) -> float:
    """Mean distance between score and share that is right, over bins of equal counts."""
    if not len(sure):
        return float("nan")
    order = np.array_split(np.argsort(sure), min(bins, len(sure)))
    gaps = [abs(sure[part].mean() - right[part].mean()) * len(part) for part in order]
    return float(sum(gaps) / len(sure))


def make(arguments: argparse.Namespace) -> None:
    config = SynthesizeConfig(
        arguments.data,
        kind="varied",
        split="test",
        episodes=arguments.episodes,
        series_episodes=1,
        duration=400.0,
        duration_spread=200.0,
        size="426x240",
        rate=1,
        seed=arguments.seed,
        material=arguments.material,
        workers=arguments.workers,
    )
    synthesize(config)
    features = PreprocessConfig(
        inputs=(str(arguments.data / "media"),),
        output=arguments.data / "features",
        workers=arguments.workers or 1,
    )
    todo, outcomes = plan(features)
    follow(features, todo, outcomes)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--material", type=Path)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--weights", type=Path, nargs="*", default=[DEMO])
    parser.add_argument("--classic", type=Path, help="runs of the original's three trainings")
    parser.add_argument("--dense", type=Path, default=DENSE_SHIPPED)
    parser.add_argument(
        "--real", type=Path, help="JSON or CSV of the true segments of media, listed apart"
    )
    parser.add_argument("--report", type=Path, help="HTML page of the figures and worst windows")
    parser.add_argument("--device", default="cpu", help="where AVTNetDense runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    make(arguments)
    asked = made_up(arguments.data)
    medians: dict[Side, float] = {}
    for side in SIDES:
        labels = [
            w.label - w.features.start for w in asked if w.side == side and w.label is not None
        ]
        medians[side] = float(np.median(labels))
    methods: dict[str, Method] = {
        "constant median": constant(medians),
        "black or silence": black_or_silence(medians),
    }
    for path in arguments.weights:
        name = f"{checkpoints.read_info(path).model.kind} {path.stem} ({size_of(path)})"
        methods[name] = network(path)
    if arguments.classic:
        methods |= dict(five(arguments.classic))
    if arguments.dense.is_file():
        print(f"AVTNetDense: {size_of(arguments.dense)}")
        methods["AVTNetDense"] = dense_network(arguments.dense, None, arguments.device)
        for number, sense in enumerate(("sound", "pictures", "text", "place")):
            shown = [float(other != number) for other in range(4)]
            methods[f"  without {sense}"] = dense_network(arguments.dense, shown, arguments.device)
    rows = table(methods, asked, medians)
    if arguments.real:
        print(f"\n{arguments.real}:")
        table(methods, real(arguments.real, arguments.data / "real"), medians)
    if arguments.report and "AVTNetDense" in methods:
        about = [("data", str(arguments.data)), ("windows", str(len(asked)))]
        write_accuracy(arguments.report, rows, methods["AVTNetDense"], asked, LABELS, about)
    return 0


def table(
    methods: Mapping[str, Method], asked: Sequence[Window], medians: dict[Side, float]
) -> dict[str, dict[str, float]]:
    """Print a row a method; returns the rows."""
    with_one = sum(window.truth is not None for window in asked)
    print(f"{len(asked)} windows, {with_one} with a segment that is whole in them")
    rows = {}
    for name, method in methods.items():
        row = rows[name] = figures(method, asked, medians)
        told = ", ".join(f"{key} {value:.2f}" for key, value in row.items())
        print(f"{name}: {told}", flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())

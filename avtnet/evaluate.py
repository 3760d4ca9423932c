"""Score predictions: ``python -m avtnet.evaluate --data-root DATA --weights CHECKPOINT``.

This module scores windows; :mod:`clipping.judging.episodes` scores segments of whole episodes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from avtnet.dense.window_answer import ASKED, WindowAnswer
from clipping.config import parse, run
from clipping.errors import ClippingError, ConfigError
from clipping.extra import extra_imports
from clipping.files import atomic_path, require_writable, write_text
from clipping.judging.episodes import evaluate_episodes, print_episodes, write_episodes
from clipping.judging.judgement import Case, JudgedSpan, Pictures, judge
from clipping.judging.metrics import evaluate_positions, signed_errors
from clipping.judging.report import REPORT, ReportPage, made_now, table_of, write_page
from clipping.text_files import csv_text
from clipping.windows import WINDOW_SECONDS, WindowId, read_labels, read_submission
from preprocess.features import Features
from preprocess.features import load as load_features

if TYPE_CHECKING:
    from avtnet.classic.dataset import Window

PROG = "python -m avtnet.evaluate"
SIDES = {"start": "opening ends", "end": "ending starts"}


@dataclass(frozen=True)
class EvaluateConfig:
    """Score a checkpoint on labelled windows, a submission, or the segments of whole episodes.

    Prints the figures and the worst; with --output also writes metrics.json, errors.csv (worst
    first), report.html (one file with figures, curves and pictures of the worst) and, of windows,
    errors.png.
    """

    data_root: Path = Path("data")
    """Folder with labels.txt, and with features/ to score a checkpoint."""
    weights: Path | None = None
    """The checkpoint to score: of the original's family, or of AVTNetDense."""
    submission: Path | None = None
    """A submission to score instead of a checkpoint."""
    segments: Path | None = None
    """Segments that avtnet locate wrote (JSON or CSV), to score against --labels."""
    labels: Path | None = None
    """The true segments of the same files, in the same format, or avtnet synthesize's
    episodes.json."""
    windows: Literal["all", "val", "train"] = "all"
    """Windows of --data-root to score: all, or the validation or training share of --data-seed."""
    data_seed: int = 0
    """Seed of the split that the checkpoint was trained with."""
    worst: int = 10
    """Number of the worst windows or episodes that are printed and shown."""
    output: Path | None = None
    """Folder for metrics.json, errors.csv, report.html and errors.png."""
    device: str = "cpu"
    """Device of the network: cpu, cuda, cuda:1, mps, or auto."""

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.weights, self.submission, self.segments)) != 1:
            raise ConfigError("name what to score: one of --weights, --submission, --segments")
        if (self.segments is None) != (self.labels is None):
            raise ConfigError("--segments FOUND and --labels TRUE go together")
        if self.worst < 0:
            raise ConfigError(f"worst is 0 or more windows, got {self.worst}")


@dataclass(frozen=True)
class Evaluation:
    """Figures of each side and of both, and the error of every window, worst first."""

    figures: dict[str, dict[str, float]]
    """``{"start": {"score": …}, "end": …, "all": …}``; see
    :func:`clipping.judging.metrics.evaluate`."""
    errors: dict[WindowId, float]
    """Predicted minus true, seconds."""
    true: dict[WindowId, float]
    predicted: dict[WindowId, float]
    cases: tuple[Case, ...] = ()
    """The windows for a report: each has one labelled end, AVTNetDense may predict more."""


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Score a submission, or the predictions of a checkpoint.

    Raises:
        ClippingError: for missing data or predictions, or weights that cannot be used.
        ExtraMissing: where torch is not installed.
    """
    with extra_imports():
        from avtnet.classic.dataset import Window, read_windows
        from avtnet.search.finders import load_finders
        from clipping.learning.devices import find_device

    answers: dict[WindowId, WindowAnswer]
    if config.submission is not None:
        labels = read_labels(config.data_root / "labels.txt")
        chosen = _choose(
            [
                Window(key, value, config.data_root / "features" / f"{key}.safetensors")
                for key, value in labels.items()
            ],
            config,
        )
        submitted = read_submission(config.submission)
        answers = {window: WindowAnswer(position) for window, position in submitted.items()}
    else:
        assert config.weights is not None  # EvaluateConfig checks it
        (finder,) = load_finders([config.weights], find_device(config.device))
        windows, missing = read_windows(config.data_root)
        if missing:
            note = f"{len(missing)} labels without features are left out: {missing[0]} …"
            print(note, file=sys.stderr)
        chosen = _choose(windows, config)
        predicted = finder.answers([window.path for window in chosen])
        answers = dict(zip([window.id for window in chosen], predicted, strict=True))
    evaluation = evaluation_of(
        {window: answer.position for window, answer in answers.items()},
        {window.id: window.seconds for window in chosen},
    )
    return replace(
        evaluation, cases=tuple(window_case(window, answers[window.id]) for window in chosen)
    )


def window_case(window: Window, answer: WindowAnswer) -> Case:
    """Return a window with its label and the prediction, in seconds of the window."""
    role, _ = ASKED[window.id.side]

    def one_end(seconds: float) -> JudgedSpan:
        return (
            JudgedSpan(role, None, seconds)
            if role == "opening"
            else JudgedSpan(role, seconds, None)
        )

    predicted: tuple[JudgedSpan, ...] = (one_end(answer.position),)
    if answer.segments is not None:
        predicted = tuple(
            JudgedSpan(each.label, each.start, each.end, each.score) for each in answer.segments
        )

    def pictures(times: Sequence[float]) -> Sequence[np.ndarray | None]:
        return of_features(load_features(window.path), 0.0)(times)

    return Case(
        str(window.id),
        0.0,
        WINDOW_SECONDS,
        true=(one_end(window.seconds),),
        said=predicted,
        pictures=pictures if window.path.is_file() else None,
        asked=frozenset((role,)),  # a label is about one role only
    )


def evaluation_of(
    predicted: Mapping[WindowId, float], true: Mapping[WindowId, float]
) -> Evaluation:
    """Score positions against the truth, seconds after the window's start.

    Raises:
        ClippingError: naming windows without a prediction.
    """
    errors = signed_errors(predicted, true)
    figures = {"all": evaluate_positions(predicted, true)}
    for side in SIDES:
        share = {window: seconds for window, seconds in true.items() if window.side == side}
        if share:
            figures[side] = evaluate_positions(predicted, share)
    worst_first = sorted(errors, key=lambda window: -abs(errors[window]))
    return Evaluation(
        figures=figures,
        errors={window: errors[window] for window in worst_first},
        true=dict(true),
        predicted={window: predicted[window] for window in true},
    )


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write metrics.json, errors.csv and errors.png into ``folder``."""
    write_text(folder / "metrics.json", json.dumps(evaluation.figures, indent=1) + "\n")
    rows = [["window", "true", "predicted", "error"]]
    for window, error in evaluation.errors.items():
        true, found = evaluation.true[window], evaluation.predicted[window]
        rows.append([str(window), f"{true:.3f}", f"{found:.3f}", f"{error:+.3f}"])
    write_text(folder / "errors.csv", csv_text(rows))
    draw_errors(evaluation, folder / "errors.png")


def draw_errors(evaluation: Evaluation, path: Path) -> None:
    """Draw predicted against true positions of each side, and the distribution of errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    axes = figure.subplots(1, 3)
    for place, (side, meaning) in zip(axes[:2], SIDES.items(), strict=True):
        windows = [window for window in evaluation.true if window.side == side]
        true = [evaluation.true[window] for window in windows]
        found = [evaluation.predicted[window] for window in windows]
        place.plot([0, WINDOW_SECONDS], [0, WINDOW_SECONDS], color="#bbbbbb", linewidth=1)
        place.plot(true, found, ".", color="#1f77b4", markersize=4)
        place.set(xlabel="true (s)", ylabel="predicted (s)", title=f"{side}: {meaning}")
        place.set(xlim=(0, WINDOW_SECONDS), ylim=(0, WINDOW_SECONDS), aspect="equal")
    sizes = sorted(abs(error) for error in evaluation.errors.values())
    shares = [(index + 1) / len(sizes) for index in range(len(sizes))]
    axes[2].step([max(size, 0.01) for size in sizes], shares, where="post", color="#d62728")
    axes[2].set(xscale="log", xlim=(0.05, WINDOW_SECONDS), ylim=(0, 1.02))
    axes[2].set(xlabel="error at most (s)", ylabel="share of windows", title="all windows")
    axes[2].grid(alpha=0.3)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def print_evaluation(evaluation: Evaluation, worst: int, console: Console) -> None:
    """Print two tables: the figures, and the windows with the largest errors."""
    names = [name for name in evaluation.figures["all"] if name != "windows"]
    table = Table("windows", *names, title="seconds; hit@2: share of windows at most 2 s off")
    for side, figures in evaluation.figures.items():
        label = f"{side}: {figures['windows']:.0f}"
        table.add_row(label, *(f"{figures[name]:.3g}" for name in names))
    console.print(table)
    if worst:
        table = Table("worst windows", "true", "predicted", "error")
        for window, error in list(evaluation.errors.items())[:worst]:
            true, found = evaluation.true[window], evaluation.predicted[window]
            table.add_row(escape(str(window)), f"{true:.2f}", f"{found:.2f}", f"{error:+.2f}")
        console.print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.evaluate``."""
    config = parse(EvaluateConfig, argv, prog=PROG)
    return run(lambda: _command(config), PROG)


def _command(config: EvaluateConfig) -> None:
    if config.output is not None:
        require_writable(config.output)
    if config.segments is not None:
        assert config.labels is not None  # EvaluateConfig checks it
        episodes = evaluate_episodes(config.segments, config.labels)
        print_episodes(episodes, config.worst, Console())
        if config.output is not None:
            write_episodes(episodes, config.output, config.worst)
    else:
        evaluation = evaluate(config)
        print_evaluation(evaluation, config.worst, Console())
        if config.output is not None:
            write_evaluation(evaluation, config.output)
            write_page(config.output / REPORT, _report(evaluation, config))
    if config.output is not None:
        print(f"written: {config.output}", file=sys.stderr)


def _report(evaluation: Evaluation, config: EvaluateConfig) -> ReportPage:
    scored = config.weights or config.submission
    return ReportPage(
        f"Evaluation of {scored.name if scored is not None else ''}",
        (
            ("scored", str(scored)),
            ("data", f"{config.data_root}, {config.windows} windows"),
            *made_now(),
        ),
        judge(evaluation.cases),
        (
            table_of(
                "The challenge's figures",
                evaluation.figures,
                "Seconds; score: mean of max(|error| - 1 s, 0); hit@2: share of windows at most "
                "2 s off.",
            ),
        ),
        worst=config.worst,
    )


def _choose(windows: list[Window], config: EvaluateConfig) -> list[Window]:
    if not windows:
        raise ClippingError(f"{config.data_root}: there are no labelled windows")
    from avtnet.classic.dataset import split

    train, val = split(windows, config.data_seed)
    return {"all": windows, "train": train, "val": val}[config.windows]


def of_features(features: Features, zero: float | None = None) -> Pictures:
    """Return a function that gives the pictures of a window.

    Args:
        zero: time of the window's first second; None: its time in the file.
    """
    begin = features.start if zero is None else zero

    def pictures(times: Sequence[float]) -> list[np.ndarray | None]:
        found: list[np.ndarray | None] = []
        for time in times:
            second = int(np.floor(time - begin))
            exists = 0 <= second < min(len(features.frames), features.covered)
            found.append(features.frames[second].transpose(1, 2, 0) if exists else None)
        return found

    return pictures


if __name__ == "__main__":
    sys.exit(main())

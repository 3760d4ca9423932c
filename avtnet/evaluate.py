"""How good predictions are: ``python -m avtnet.evaluate --data_root DATA --weights CHECKPOINT``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from avtnet import checkpoints
from avtnet.dataset import Window, read_windows, split
from avtnet.predict import find_device, predict_windows
from clipping.config import parse, run
from clipping.errors import ClippingError, ConfigError
from clipping.files import atomic_path, require_writable, write_text
from clipping.metrics import evaluate as score
from clipping.metrics import signed_errors
from clipping.tables import WINDOW_SECONDS, WindowId, csv_text, read_labels, read_submission

PROG = "python -m avtnet.evaluate"
SIDES = {"start": "opening ends", "end": "ending starts"}


@dataclass(frozen=True)
class EvaluateConfig:
    """Score a checkpoint on labelled windows, or a submission against labels.

    Prints the figures of each side and the worst windows; with --output also writes metrics.json,
    errors.csv (every window, worst first) and errors.png.
    """

    data_root: Path = Path("data")
    """Folder with labels.txt, and features/ where a checkpoint is to be scored."""
    weights: Path | None = None
    """The checkpoint to score."""
    submission: Path | None = None
    """A submission to score instead of a checkpoint."""
    windows: Literal["all", "val", "train"] = "all"
    """Which windows of data_root: all, or the validation or training share of data_seed."""
    data_seed: int = 0
    """The split that the checkpoint was trained with."""
    worst: int = 10
    """How many of the worst windows are printed."""
    output: Path | None = None
    """Folder for metrics.json, errors.csv and errors.png."""
    device: str = "cpu"
    """Where the network runs: cpu, cuda, cuda:1."""

    def __post_init__(self) -> None:
        if (self.weights is None) == (self.submission is None):
            raise ConfigError("name what to score: either --weights or --submission")
        if self.worst < 0:
            raise ConfigError(f"worst is 0 or more windows, got {self.worst}")


@dataclass(frozen=True)
class Evaluation:
    """Figures of each side and of all, and the error of every window, worst first."""

    figures: dict[str, dict[str, float]]
    """``{"start": {"score": …}, "end": …, "all": …}``; see :func:`clipping.metrics.evaluate`."""
    errors: dict[WindowId, float]
    """Predicted minus true, seconds."""
    true: dict[WindowId, float]
    predicted: dict[WindowId, float]


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Predict the windows where a checkpoint is given, and score them.

    Raises:
        ClippingError: for missing data or predictions, or weights that cannot be used.
    """
    if config.submission is not None:
        labels = read_labels(config.data_root / "labels.txt")
        chosen = _choose([Window(key, value, Path()) for key, value in labels.items()], config)
        predicted = dict(read_submission(config.submission))
    else:
        assert config.weights is not None  # EvaluateConfig checks it
        device = find_device(config.device)
        checkpoint = checkpoints.load(config.weights, device)
        windows, missing = read_windows(config.data_root)
        if missing:
            told = f"{len(missing)} labels without features are left out: {missing[0]} …"
            print(told, file=sys.stderr)
        chosen = _choose(windows, config)
        positions = predict_windows(checkpoint, [window.path for window in chosen], device=device)
        predicted = dict(zip([window.id for window in chosen], positions, strict=True))
    return compare(predicted, {window.id: window.seconds for window in chosen})


def compare(predicted: Mapping[WindowId, float], true: Mapping[WindowId, float]) -> Evaluation:
    """Score positions against the truth, seconds after the window's start.

    Raises:
        ClippingError: naming windows without a prediction.
    """
    errors = signed_errors(predicted, true)
    figures = {"all": score(predicted, true)}
    for side in SIDES:
        share = {window: seconds for window, seconds in true.items() if window.side == side}
        if share:
            figures[side] = score(predicted, share)
    worst_first = sorted(errors, key=lambda window: -abs(errors[window]))
    return Evaluation(
        figures=figures,
        errors={window: errors[window] for window in worst_first},
        true=dict(true),
        predicted={window: predicted[window] for window in true},
    )


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """metrics.json, errors.csv and errors.png in ``folder``."""
    write_text(folder / "metrics.json", json.dumps(evaluation.figures, indent=1) + "\n")
    rows = [["window", "true", "predicted", "error"]]
    for window, error in evaluation.errors.items():
        true, found = evaluation.true[window], evaluation.predicted[window]
        rows.append([str(window), f"{true:.3f}", f"{found:.3f}", f"{error:+.3f}"])
    write_text(folder / "errors.csv", csv_text(rows))
    draw_errors(evaluation, folder / "errors.png")


def draw_errors(evaluation: Evaluation, path: Path) -> None:
    """Predicted against true for each side, and how many windows are how far off."""
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
    """Two tables: the figures, and the windows that are furthest off."""
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
    evaluation = evaluate(config)
    print_evaluation(evaluation, config.worst, Console())
    if config.output is not None:
        write_evaluation(evaluation, config.output)
        print(f"written: {config.output}", file=sys.stderr)


def _choose(windows: list[Window], config: EvaluateConfig) -> list[Window]:
    if not windows:
        raise ClippingError(f"{config.data_root}: there are no labelled windows")
    train, val = split(windows, config.data_seed)
    return {"all": windows, "train": train, "val": val}[config.windows]


if __name__ == "__main__":
    sys.exit(main())

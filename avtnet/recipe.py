"""The whole recipe of the original, small: ``python -m avtnet.recipe -o recipe``.

1. a labelled set of made-up episodes, and another of other series to test on
2. their features
3. three trainings: AVTNet, AVTNet2 with normalized frames, AVTNet_YOLT with data seed 2
4. five submissions: AVTNet best; AVTNet2 and YOLT best and last epoch
5. their fusion, the figures of all, and the clips of one episode

Every step keeps what is done: after an interruption the same command goes on.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from avtnet.classic.config import ModelConfig, TrainConfig
from clipping.config import differences, dump, parse, restore, run
from clipping.errors import ClippingError, ConfigError
from clipping.extra import require_package
from clipping.files import require_writable, write_text
from clipping.judging.metrics import evaluate_positions
from clipping.windows import WindowId, read_labels, read_submission, write_submission

PROG = "python -m avtnet.recipe"
TRAININGS = {
    "avtnet": TrainConfig(),
    "avtnet2_normalized": TrainConfig(if_normal=True, model=ModelConfig(kind="avtnet2")),
    "avtnet_yolt": TrainConfig(data_seed=2, model=ModelConfig(kind="avtnet_yolt")),
}
"""Settings in which the three trainings differ, as in the files of these names in configs/."""
CHECKPOINTS = (
    ("avtnet", "best"),
    ("avtnet2_normalized", "best"),
    ("avtnet2_normalized", "last"),
    ("avtnet_yolt", "best"),
    ("avtnet_yolt", "last"),
)
"""The five: a training, and which of its epochs."""


@dataclass(frozen=True)
class RecipeConfig:
    """Reproduce the original's recipe on a small made-up set: make media, train, predict, fuse.

    Prints the score of a constant, of the five checkpoints and of their fusion on episodes of
    series that no training saw. Run again, it goes on where it was interrupted.
    """

    output: Path = Path("recipe")
    """Folder for everything: media, features, runs, submissions, clips, report.json."""
    episodes: int = 150
    """Episodes to train on; two windows each."""
    test_episodes: int = 40
    """Episodes to test on, of other series."""
    duration: float = 400.0
    """Shortest episode in seconds."""
    epochs: int = 24
    """Epochs of each training."""
    lr: float = 1e-3
    """Peak learning rate: the small networks take more than the original's 3e-4."""
    batch_size: int = 8
    """Windows of a step, over all devices together."""
    model: ModelConfig = field(default_factory=lambda: ModelConfig(size="nano"))
    """The networks' size; the kind is each training's own."""
    seed: int = 0
    """Seed of media, first weights and order."""
    workers: int | None = None
    """Processes that make media and features; absent, one a core."""
    ship: Path | None = None
    """Also write the network that validated best here, in half precision (the demo weights)."""

    def __post_init__(self) -> None:
        if self.episodes < 4 or self.test_episodes < 1 or self.epochs < 1:
            raise ConfigError("--episodes is 4 or more, --test-episodes and --epochs 1 or more")

    def training(self, name: str) -> TrainConfig:
        """The settings of one of the three trainings."""
        training = TRAININGS[name]
        return dataclasses.replace(
            training,
            data_root=self.output / "train",
            save_prefix=self.output / "runs" / name,
            lr=self.lr,
            batch_size=self.batch_size,
            max_epoch=self.epochs,
            warmup_epoch=min(5, self.epochs // 4),
            seed=self.seed,
            late_epochs=1 - 1 / self.epochs,
            resume=True,
            model=dataclasses.replace(self.model, kind=training.model.kind),
        )


def reproduce(config: RecipeConfig) -> dict[str, dict[str, float]]:
    """Run what is not done yet; return the figures of each submission on the test windows.

    Raises:
        ConfigError: where the folder holds a recipe of other settings (they are named).
        ClippingError: where a step cannot be done; what is finished stays.
        ExtraMissing: before anything is made, where torch is not installed.
    """
    require_package("torch")
    _open(config)
    console = Console(stderr=True, soft_wrap=True, markup=False)
    seconds: dict[str, float] = {}
    with _timed(console, seconds, "media"):
        _make_media(config)
    with _timed(console, seconds, "features"):
        for part in ("train", "test"):
            _make_features(config.output / part, config.workers)
    for name in TRAININGS:
        with _timed(console, seconds, f"training {name}"):
            _train(config.training(name))
    with _timed(console, seconds, "predictions"):
        submissions = [_predict(config, name, epoch) for name, epoch in CHECKPOINTS]
    with _timed(console, seconds, "fusion"):
        fused = _fuse(config.output, submissions)
    with _timed(console, seconds, "clips"):
        clips = _cut_one_episode(config.output, fused)
    if config.ship is not None:
        console.print(f"shipped: {_ship(config, config.ship)}")
    figures = _score(config.output, submissions, fused)
    report = {"figures": figures, "seconds": seconds, "clips": clips, "config": dump(config)}
    write_text(config.output / "report.json", json.dumps(report, indent=1) + "\n")
    return figures


def _open(config: RecipeConfig) -> None:
    """Make the folder; check, before anything is made, that it holds no other recipe."""
    require_writable(config.output)
    path = config.output / "config.yaml"
    now = dump(dataclasses.replace(config, output=Path(), workers=None, ship=None))
    if path.exists():
        try:
            then = yaml.safe_load(path.read_text(encoding="utf-8"))
            before = dump(restore(RecipeConfig, then))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ConfigError) as error:
            raise ConfigError(f"{path}: damaged; name another --output ({error})") from error
        if changed := differences(before, now):
            raise ConfigError(
                f"{config.output}: holds a recipe of other settings: {changed}; "
                "name another --output"
            )
    write_text(path, yaml.safe_dump(now, sort_keys=False))


def _make_media(config: RecipeConfig) -> None:
    from avtnet.synthesis.settings import SynthesizeConfig
    from avtnet.synthesize import synthesize

    for part, episodes, seed in (
        ("train", config.episodes, 2 * config.seed),
        ("test", config.test_episodes, 2 * config.seed + 1),
    ):
        synthesize(
            SynthesizeConfig(
                output=config.output / part,
                episodes=episodes,
                seed=seed,
                duration=config.duration,
                workers=config.workers,
            )
        )


def _make_features(folder: Path, workers: int | None) -> None:
    from preprocess.batch.command import PreprocessConfig, follow, plan

    config = PreprocessConfig(
        inputs=(str(folder / "media"),), output=folder / "features", workers=workers
    )
    todo, outcomes = plan(config)
    follow(config, todo, outcomes)
    if failed := [outcome for outcome in outcomes if outcome.error is not None]:
        raise ClippingError(f"{failed[0].file}: no features: {failed[0].error}")


def _train(config: TrainConfig) -> None:
    from avtnet.train import train

    if not (config.save_prefix / f"epoch{config.max_epoch - 1:03d}.safetensors").exists():
        train(config)


def _predict(config: RecipeConfig, name: str, epoch: str) -> Path:
    from avtnet.predict import PredictConfig, predict

    file = "best" if epoch == "best" else f"epoch{config.epochs - 1:03d}"
    weights = config.output / "runs" / name / f"{file}.safetensors"
    features = str(config.output / "test" / "features")
    positions, failures = predict(PredictConfig(inputs=(features,), weights=weights))
    for window, reason in failures.items():
        raise ClippingError(f"{window}: {reason}")
    path = config.output / "submissions" / f"{name}_{epoch}.csv"
    write_submission(path, positions)
    return path


def _ship(config: RecipeConfig, path: Path) -> str:
    """Write the best of the three best networks by its own validation score; says which."""
    from avtnet.classic import checkpoints

    files = [config.output / "runs" / name / "best.safetensors" for name in TRAININGS]
    best = min(map(checkpoints.load, files), key=lambda found: found.info.metrics["score"])
    origin = f"made-up episodes only: {PROG} --episodes {config.episodes} --seed {config.seed}"
    info = dataclasses.replace(best.info, trained_on=origin)
    checkpoints.save(path, best.network, info, half=True)
    return f"{best.path} as {path}"


def _fuse(output: Path, submissions: Sequence[Path]) -> dict[WindowId, float]:
    from ensemble import fuse_submissions

    fused = fuse_submissions({path.stem: read_submission(path) for path in submissions})
    positions = {window: fusion.position for window, fusion in fused.items()}
    write_submission(output / "fused.csv", positions)
    return positions


def _cut_one_episode(output: Path, fused: dict[WindowId, float]) -> list[str]:
    """The opening and the ending of the first test episode, as the fusion sees them."""
    from clipping.cutting.cut import cut
    from clipping.segments import Segment
    from preprocess.features import feature_path, load

    name = min(fused).name
    (source,) = (output / "test" / "media").glob(f"{name}.*")
    window = load(feature_path(output / "test" / "features", name, "end"))
    opening_end = min(fused[WindowId(name, "start")], window.duration)
    ending_start = window.start + fused[WindowId(name, "end")]
    spans = {"opening": (0.0, opening_end), "ending": (ending_start, window.duration)}
    segments = [Segment(*span, label) for label, span in spans.items() if span[0] < span[1]]
    return [
        str(made.path) for made in cut(source, segments, output=output / "clips", overwrite=True)
    ]


def _score(
    output: Path, submissions: Sequence[Path], fused: dict[WindowId, float]
) -> dict[str, dict[str, float]]:
    true = read_labels(output / "test" / "labels.txt")
    known = read_labels(output / "train" / "labels.txt")
    median = {
        side: statistics.median(value for window, value in known.items() if window.side == side)
        for side in ("start", "end")
    }
    constant = {window: median[window.side] for window in true}
    rows = {"constant median": constant}
    rows |= {path.stem: read_submission(path) for path in submissions}
    return {
        name: evaluate_positions(found, true) for name, found in {**rows, "fused": fused}.items()
    }


@contextmanager
def _timed(console: Console, seconds: dict[str, float], step: str) -> Iterator[None]:
    console.rule(step)
    began = time.monotonic()
    yield
    seconds[step] = round(time.monotonic() - began, 1)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.recipe``."""
    config = parse(RecipeConfig, argv, prog=PROG)
    return run(lambda: _command(config), PROG)


def _command(config: RecipeConfig) -> None:
    figures = reproduce(config)
    names = ("score", "mae", "median", "hit@1", "hit@5")
    table = Table("submission", *names, title="test windows, seconds")
    for name, row in figures.items():
        table.add_row(name, *(f"{row[figure]:.2f}" for figure in names))
    console = Console()
    console.print(table)
    print(f"everything is in {config.output}")


if __name__ == "__main__":
    sys.exit(main())

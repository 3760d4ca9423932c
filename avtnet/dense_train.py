"""Train AVTNetDense on composed episodes: ``python -m avtnet.dense_train -o runs/dense``.

The material is rendered first, a file of pieces at a time (what is there is used again); then
every training example is a new episode composed of pieces. Nothing of an episode in the
validation is in the training: other songs, voices, pictures and typefaces.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from avtnet import dense
from avtnet.checkpoints import versions
from avtnet.dense_data import Composer, Example, augmented, collate
from avtnet.dense_decode import Found, Probabilities, decode
from avtnet.dense_losses import dense_loss
from avtnet.dense_model import BOUNDARIES, CLASSES, AVTNetDense, DenseConfig
from avtnet.own_episodes import Examples, Mixed, OwnWindows
from avtnet.own_source import OwnSource, read_source
from avtnet.synthesis.library import Piece, make_shard, read_shard, shard_path
from avtnet.synthesis.material import Split, find_material
from clipping.config import dump, parse, run
from clipping.errors import ClippingError, ConfigError
from clipping.files import require_writable
from preprocess.settings import FeatureSettings

PROG = "python -m avtnet.dense_train"
NAME = "dense.safetensors"
"""The checkpoint in a run's folder."""
PRESENT = 4
"""The place that says whether a second is in the file."""
EVERY = 90
"""Steps between two validations, at which the weights are kept."""
AVERAGING = 0.99
"""Of the weights: what is kept at each step."""


@dataclass(frozen=True)
class DenseTrainConfig:
    """Train AVTNetDense on composed episodes, and keep the averaged weights."""

    output: Path = Path("runs/dense")
    """Folder of the run: dense.safetensors, and library/ where --library names no other."""
    library: Path | None = None
    """Folder of the rendered pieces."""
    material: Path | None = None
    """Folder with music/, speech/, pictures/ and fonts/; absent, all is made up."""
    shards: int = 24
    """Files of 52 pieces to train on: 20 to 50 CPU seconds each."""
    validation_shards: int = 2
    """Files of pieces to validate on."""
    validation: int = 96
    """Composed windows to validate on."""
    steps: int = 1500
    """Steps of the training."""
    batch_size: int = 12
    """Windows of 200 s in a step."""
    lr: float = 2e-3
    """Peak learning rate of AdamW; up from a tenth over the first twentieth, then a cosine."""
    seed: int = 0
    """Decides pieces, compositions and first weights."""
    threads: int = 1
    """Of the processor."""
    init: Path | None = None
    """A checkpoint to start from."""
    own: tuple[str, ...] = ()
    """Your own labelled episodes to mix in: media files, or folders of them. Which labels count:
    avtnet tune --help."""
    own_labels: Path | None = None
    """A table of their labels, or a folder of files; absent, these are beside the media."""
    own_features: Path | None = None
    """Folder to keep their features in; absent, OUTPUT/features."""
    own_share: float = 0.3
    """The share of the windows that are your own."""
    model: DenseConfig = field(default_factory=DenseConfig)
    """The network."""

    def __post_init__(self) -> None:
        for name, low in (("shards", 1), ("validation_shards", 0), ("steps", 1), ("threads", 1)):
            if not low <= getattr(self, name) <= 1_000_000:
                raise ConfigError(f"{name} is {low} to 1000000, got {getattr(self, name)}")
        if not 0 <= self.own_share <= 1:
            raise ConfigError(f"own_share is 0 to 1, got {self.own_share}")
        if not 1 <= self.batch_size <= 4096 or not 0 < self.lr < 1:
            raise ConfigError(f"batch_size 1 to 4096, lr 0 to 1: {self.batch_size}, {self.lr}")


def train_dense(config: DenseTrainConfig, console: Console) -> Path:
    """Train; returns the checkpoint's file.

    Raises:
        ClippingError: where a folder cannot be written, or a checkpoint cannot be used.
    """
    require_writable(config.output)
    torch.set_num_threads(config.threads)
    pieces = _pieces(config, "train", config.shards, console)
    held = _pieces(config, "val", config.validation_shards, console)
    torch.manual_seed(config.seed)
    network, average = AVTNetDense(config.model), AVTNetDense(config.model)
    if config.init is not None:
        network.load_state_dict(dense.load(config.init).network.state_dict())
    average.load_state_dict(network.state_dict())
    composer: Examples = Composer(pieces, config.seed)
    if config.own:
        composer = Mixed(composer, _own(config, console), config.own_share, config.seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=0.02)
    network.train()
    seen = 0.0
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(config, step)
        loss = fit_step(network, optimizer, composer, config, step)
        blend(average, network, min(AVERAGING, (step + 1) / (step + 10)))
        seen = loss if step == 0 else 0.95 * seen + 0.05 * loss
        if not math.isfinite(loss):
            raise ClippingError(f"the loss is {loss} at step {step}: lower --lr")
        if (step + 1) % 10 == 0:
            console.print(f"step {step + 1}/{config.steps}: loss {seen:.3f}")
        if (step + 1) % EVERY == 0 or step + 1 == config.steps:
            keep(config, average, _held(config, held), step + 1, console)
    return config.output / NAME


def fit_step(
    network: AVTNetDense,
    optimizer: torch.optim.Optimizer,
    composer: Examples,
    config: DenseTrainConfig,
    step: int,
) -> float:
    """One batch forwards and backwards; returns its loss."""
    first = step * config.batch_size
    examples = [composer.example(first + row) for row in range(config.batch_size)]
    inputs, targets = collate(examples)
    key = (config.seed << 32) + step
    numbers = augmented(inputs, key)
    loss = dense_loss(network(*numbers, _shown(config.batch_size, key)), targets)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
    optimizer.step()
    return float(loss.detach())


def _shown(rows: int, key: int) -> Tensor:
    """Which of sound, picture, text and place each row sees: mostly all, at least one sense."""
    rng = np.random.default_rng([key, 23])
    shown = rng.random((rows, 4)) > (0.08, 0.12, 0.15, 0.25)
    shown[~shown[:, :2].any(1), :2] = True
    return torch.from_numpy(shown.astype(np.float32))


def rate(config: DenseTrainConfig, step: int) -> float:
    """The learning rate of a step."""
    warm = max(1, config.steps // 20)
    if step < warm:
        return config.lr * (0.1 + 0.9 * step / warm)
    share = (step - warm) / max(1, config.steps - warm)
    return config.lr * max(0.01, 0.5 * (1 + math.cos(math.pi * share)))


def blend(average: AVTNetDense, network: AVTNetDense, kept: float) -> None:
    """Move the averaged weights, and the norms' statistics, towards the network's."""
    with torch.no_grad():
        state = network.state_dict()
        for name, value in average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(state[name], 1 - kept)
            else:
                value.copy_(state[name])


def _pieces(config: DenseTrainConfig, split: Split, count: int, console: Console) -> list[Piece]:
    """The pieces of a split, those that are missing rendered first."""
    folder = config.library or config.output / "library"
    material = None
    pieces: list[Piece] = []
    for number in range(count):
        path = shard_path(folder, split, number)
        if not path.is_file():
            material = material or find_material(config.material, split)
            make_shard(path, number, config.seed, material)
            console.print(f"rendered: {path}")
        pieces += read_shard(path)
    return pieces


def _own(config: DenseTrainConfig, console: Console) -> OwnWindows:
    """Windows of a person's own episodes; those that cannot be used are named."""
    features = config.own_features or config.output / "features"
    source = OwnSource(config.own, features, config.own_labels)
    episodes, problems = read_source(source, FeatureSettings())
    for problem in problems:
        console.print(f"left out: {problem}", style="yellow")
    console.print(f"{len(episodes)} labelled episodes are mixed in")
    return OwnWindows(episodes, config.seed)


def _held(config: DenseTrainConfig, pieces: Sequence[Piece]) -> list[Example]:
    """Composed windows of other material."""
    if not pieces:
        return []
    composer = Composer(pieces, config.seed + 1)
    return [composer.example(index) for index in range(config.validation)]


def keep(
    config: DenseTrainConfig,
    network: AVTNetDense,
    examples: Sequence[Example],
    step: int,
    console: Console,
) -> None:
    """Validate and calibrate the averaged network, and write it."""
    network.eval()
    metrics, scale, offset = {}, 1.0, 0.0
    if examples:
        metrics = measure(network, examples)
        scale, offset = calibrate(network, examples)
        console.print("validation: " + ", ".join(f"{k} {v:.3f}" for k, v in metrics.items()))
    info = dense.DenseInfo(
        model=config.model,
        scale=scale,
        offset=offset,
        trained_on=f"{step * config.batch_size} composed windows of 200 s, "
        + (f"{config.own_share:.0%} own labelled ones" if config.own else "all made up"),
        training=dump(config),
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
        versions=versions(),
    )
    dense.save(config.output / NAME, network, info)


def answer(network: AVTNetDense, example: Example) -> dict[str, Found]:
    """What is found in an example, by label."""
    inputs, _ = collate([example])
    with torch.inference_mode():
        out = network(*inputs.numbers())
    given = Probabilities(
        out.classes[0].softmax(-1).numpy(),
        out.peaks[0].sigmoid().numpy(),
        out.offsets[0].softmax(-1).numpy(),
    )
    exists = float((example.place[:, PRESENT] > 0).sum())
    return {each.label: each for each in decode(given, exists)}


def calibrate(network: AVTNetDense, examples: Sequence[Example]) -> tuple[float, float]:
    """Scale and offset that make scores shares of right segments (Platt's logistic regression).

    Right is a segment of which every end that lies in the example is within 2 s of the truth.
    """
    logits, right = [], []
    for example in examples:
        for label, found in answer(network, example).items():
            first = 2 * CLASSES[1:].index(label)
            errors = [
                abs(mark - float(time))
                for mark, time in zip(
                    (found.start, found.end), example.times[first : first + 2], strict=True
                )
                if not np.isnan(time)
            ]
            score = min(max(found.score, 1e-4), 1 - 1e-4)
            logits.append(math.log(score / (1 - score)))
            right.append(float(bool(errors) and max(errors) <= 2))
    if not logits:
        return 1.0, 0.0
    # Newton's method, held near scale 1 and offset 0 by a weak prior, for sets that one can divide.
    x = np.stack([np.array(logits), np.ones(len(logits))], axis=1)
    prior, weights = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (chance - right) + (weights - prior)
        curve = (x * (chance * (1 - chance))[:, None]).T @ x + np.eye(2)
        weights = weights - np.linalg.solve(curve, slope)
    return max(0.05, float(weights[0])), float(weights[1])


def measure(network: AVTNetDense, examples: Sequence[Example]) -> dict[str, float]:
    """Per-second F1 of both classes, share of ends within 1 s, mean error, false alarms."""
    hits: dict[str, list[float]] = {name: [] for name in BOUNDARIES}
    false, without, right, said, true = 0, 0, 0.0, 0.0, 0.0
    for example in examples:
        found = answer(network, example)
        for number, label in enumerate(CLASSES[1:], start=1):
            share, mine = example.classes[:, number], np.zeros(len(example.classes))
            if label in found:
                mine = np.clip(
                    np.minimum(np.arange(1, len(mine) + 1), found[label].end)
                    - np.maximum(np.arange(len(mine)), found[label].start),
                    0,
                    1,
                )
            right += float(np.minimum(share, mine).sum())
            said, true = said + float(mine.sum()), true + float(share.sum())
            if share.sum() == 0:
                without, false = without + 1, false + (label in found)
            for side in range(2):
                time = example.times[2 * number - 2 + side]
                if np.isnan(time):
                    continue
                mark = (found[label].start, found[label].end)[side] if label in found else np.inf
                hits[BOUNDARIES[2 * number - 2 + side]].append(abs(mark - float(time)))
    errors = np.concatenate([np.array(each) for each in hits.values()])
    known = errors[np.isfinite(errors)]
    metrics = {
        "f1": 2 * right / max(1e-9, said + true),
        "hit1": float(np.mean(errors <= 1)),
        "hit0.5": float(np.mean(errors <= 0.5)),
        "missed": float(np.mean(~np.isfinite(errors))),
        "mean_error": float(known.mean()) if len(known) else math.inf,
        "false": false / max(1, without),
    }
    return metrics


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.dense_train``."""
    config = parse(DenseTrainConfig, argv, prog=PROG)
    console = Console(stderr=True, soft_wrap=True, markup=False)

    def command() -> None:
        console.print(f"written: {train_dense(config, console)}")

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())

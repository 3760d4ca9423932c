"""Train AVTNetDense on composed episodes: ``python -m avtnet.dense_train -o runs/dense``.

The material is rendered first, a file of pieces at a time (what is there is used again); then
every training example is a new episode composed of pieces. Nothing of an episode in the
validation is in the training: other songs, voices, pictures and typefaces.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader

from avtnet import dense, dense_run
from avtnet.checkpoints import versions
from avtnet.dense_data import Composer, Example, Targets, augmented, collate
from avtnet.dense_losses import dense_loss
from avtnet.dense_measure import calibrate, measure
from avtnet.dense_model import AVTNetDense, DenseConfig
from avtnet.dense_run import DenseState
from avtnet.devices import find_device
from avtnet.fit import progress_bar, stop_on_signals
from avtnet.own_episodes import Examples, Mixed, OwnWindows
from avtnet.own_source import OwnSource, read_source
from avtnet.run import write_metrics
from avtnet.synthesis.library import Piece, make_shard, read_shard, shard_path
from avtnet.synthesis.material import Split, find_material
from clipping.config import dump, parse, run
from clipping.errors import ClippingError, ConfigError
from clipping.files import require_writable
from preprocess.settings import FeatureSettings

PROG = "python -m avtnet.dense_train"
NAME = "dense.safetensors"
"""The checkpoint in a run's folder."""
TOLD_EVERY = 50
"""Steps between two lines where there is no terminal to draw a bar on."""
AVERAGING = 0.998
"""Of the weights: what is kept at each step."""


@dataclass(frozen=True)
class DenseTrainConfig:
    """Train AVTNetDense on composed episodes, and keep the averaged weights.

    The run's folder receives config.yaml, metrics.csv, dense.safetensors and last.pt, from which an
    interrupted run continues exactly (--resume); library/ in it holds what was rendered.
    """

    output: Path = Path("runs/dense")
    """Folder of the run."""
    library: Path | None = None
    """Folder of the rendered pieces; absent: library/ in the run's."""
    material: Path | None = None
    """Folder with music/, speech/, pictures/ and fonts/; absent, all is made up."""
    shards: int = 24
    """Files of 52 pieces to train on: 20 to 50 CPU seconds each."""
    validation_shards: int = 2
    """Files of pieces to validate on."""
    validation: int = 96
    """Composed windows to validate on."""
    validate_every: int = 250
    """Steps between two validations, at which the weights are kept."""
    steps: int = 4000
    """Steps of the training."""
    batch_size: int = 8
    """Windows of 200 s in a step."""
    lr: float = 2e-3
    """Peak learning rate of AdamW; up from a tenth over the first twentieth, then a cosine."""
    seed: int = 0
    """Decides pieces, compositions and first weights."""
    threads: int = 1
    """Of the processor, for the network."""
    num_workers: int = 0
    """Processes that compose the next batches meanwhile, and that render the pieces before."""
    device: str = "cpu"
    """Where to train: cpu, cuda, cuda:1, mps, or auto."""
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
    resume: bool = False
    """Go on from last.pt in the run's folder (start anew where there is none)."""
    overwrite: bool = False
    """Start anew where the run's folder already holds a run."""
    model: DenseConfig = field(default_factory=DenseConfig)
    """The network."""

    def __post_init__(self) -> None:
        lows = {"shards": 1, "validation_shards": 0, "validate_every": 1, "steps": 1, "threads": 1}
        for name, low in lows.items():
            if not low <= getattr(self, name) <= 1_000_000:
                raise ConfigError(f"{name} is {low} to 1000000, got {getattr(self, name)}")
        if not 0 <= self.own_share <= 1:
            raise ConfigError(f"own_share is 0 to 1, got {self.own_share}")
        if not 0 <= self.num_workers <= 256:
            raise ConfigError(f"num_workers is 0 to 256, got {self.num_workers}")
        if not 1 <= self.batch_size <= 4096 or not 0 < self.lr < 1:
            raise ConfigError(f"batch_size 1 to 4096, lr 0 to 1: {self.batch_size}, {self.lr}")
        if self.resume and self.overwrite:
            raise ConfigError("--resume and --overwrite contradict each other")


def train_dense(config: DenseTrainConfig, console: Console) -> Path:
    """Train; returns the checkpoint's file.

    Raises:
        ClippingError: where a folder cannot be written, a checkpoint cannot be used, or the
            device is not there.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the state is kept.
    """
    require_writable(config.output)
    settings = dump(config)
    state = dense_run.read_state(config.output, settings) if config.resume else None
    dense_run.open_run(config.output, settings, resume=config.resume, overwrite=config.overwrite)
    torch.set_num_threads(config.threads)
    device = find_device(config.device)
    pieces = _pieces(config, "train", config.shards, console)
    held = _held(config, _pieces(config, "val", config.validation_shards, console))
    torch.manual_seed(config.seed)
    network, average = (AVTNetDense(config.model).to(device) for _ in range(2))
    if config.init is not None:
        network.load_state_dict(dense.load(config.init).network.state_dict())
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=0.02)
    if state is None:
        state = DenseState({}, {}, {})
    else:
        console.print(f"going on from step {state.step}")
        network.load_state_dict(state.network)
        average.load_state_dict(state.average)
        optimizer.load_state_dict(state.optimizer)
    network.train()
    source: Examples = Composer(pieces, config.seed)
    if config.own:
        source = Mixed(source, _own(config, console), config.own_share, config.seed)
    batches = iter(_loader(Compositions(source, config), state.step))

    def save() -> None:
        state.network, state.average = network.state_dict(), average.state_dict()
        state.optimizer = optimizer.state_dict()
        dense_run.save_state(config.output, settings, state)

    with stop_on_signals() as stop, progress_bar(console) as bar:
        task = bar.add_task("training", total=config.steps, completed=state.step)
        while state.step < config.steps:
            if stop.is_set():
                save()
                raise KeyboardInterrupt
            loss = fit_step(network, optimizer, next(batches), config, state.step)
            if not math.isfinite(loss):
                raise ClippingError(f"the loss is {loss} at step {state.step}: lower --lr")
            blend(average, network, min(AVERAGING, (state.step + 1) / (state.step + 10)))
            state.loss = loss if state.step == 0 else 0.98 * state.loss + 0.02 * loss
            state.step += 1
            bar.update(task, completed=state.step, description=f"loss {state.loss:.3f}")
            if state.step % TOLD_EVERY == 0 and not console.is_terminal:
                console.print(f"step {state.step}/{config.steps}: loss {state.loss:.3f}")
            if state.step % config.validate_every == 0 or state.step == config.steps:
                metrics = keep(config, average, held, state.step, console)
                state.rows.append({"step": state.step, "loss": state.loss, **metrics})
                write_metrics(config.output, state.rows)
                save()
    return config.output / NAME


@dataclass(frozen=True)
class Compositions:
    """Batch after batch of composed examples: what step n sees hangs on n and the seed alone."""

    composer: Examples
    config: DenseTrainConfig

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        first = step * self.config.batch_size
        rows = range(first, first + self.config.batch_size)
        inputs, targets = collate([self.composer.example(row) for row in rows])
        key = (self.config.seed << 32) + step
        return augmented(inputs, key), _shown(self.config.batch_size, key), targets


Batch = tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor, Targets]
"""What the network is given, which of it each row sees, and what it should say."""


def _loader(compositions: Compositions, first: int) -> DataLoader[Batch]:
    """The batches from step ``first`` on, each made by one process as a whole."""
    return DataLoader(
        compositions,  # type: ignore[arg-type]
        batch_size=None,
        sampler=range(first, len(compositions)),
        num_workers=compositions.config.num_workers,
    )


def fit_step(
    network: AVTNetDense,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: DenseTrainConfig,
    step: int,
) -> float:
    """One batch forwards and backwards; returns its loss."""
    device = next(network.parameters()).device
    numbers, shown, targets = batch
    for group in optimizer.param_groups:
        group["lr"] = rate(config, step)
    # Dropout hangs on the step alone: a resumed run repeats it.
    torch.manual_seed((config.seed << 32) + step)
    out = network(*(tensor.to(device) for tensor in numbers), shown.to(device))
    loss = dense_loss(out, Targets(*(tensor.to(device) for tensor in targets)))
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
    paths = [shard_path(folder, split, number) for number in range(count)]
    if missing := [number for number, path in enumerate(paths) if not path.is_file()]:
        material = find_material(config.material, split)
        jobs = [(paths[number], number, config.seed, material) for number in missing]
        workers = min(len(jobs), max(1, config.num_workers))
        context = multiprocessing.get_context("spawn")
        with progress_bar(console) as bar, ProcessPoolExecutor(workers, context) as pool:
            task = bar.add_task(f"rendering {split}", total=len(jobs))
            for done in as_completed([pool.submit(make_shard, *job) for job in jobs]):
                done.result()
                bar.advance(task)
    return [piece for path in paths for piece in read_shard(path)]


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
) -> dict[str, float]:
    """Validate and calibrate the averaged network, and write it; returns its figures."""
    network.eval()
    metrics, scale, offset = {}, 1.0, 0.0
    if examples:
        metrics = measure(network, examples)
        scale, offset = calibrate(network, examples)
        told = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
        console.print(f"step {step}: {told}")
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

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
from pathlib import Path

import torch
from rich.console import Console
from torch.utils.data import DataLoader

from avtnet.classic.fit import progress_bar, stop_on_signals
from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense import run as dense_run
from avtnet.dense.info import DenseInfo
from avtnet.dense.inputs import Example, Examples
from avtnet.dense.measure import calibrate, measure
from avtnet.dense.model import AVTNetDense
from avtnet.dense.run import DenseState
from avtnet.dense.training import AVERAGING, Batch, Compositions, DenseTrainConfig, blend, fit_step
from avtnet.synthesis.composer import Composer
from avtnet.synthesis.library import Piece, make_shard, read_pieces, shard_path
from avtnet.synthesis.material import Split, find_material
from avtnet.tuning.episodes import Mixed, OwnWindows
from avtnet.tuning.source import OwnSource, read_source
from clipping.config import dump, parse, run
from clipping.errors import ClippingError
from clipping.files import require_writable
from clipping.learning.checkpoints import versions
from clipping.learning.devices import find_device
from clipping.learning.run_folder import write_metrics
from preprocess.settings import FeatureSettings

PROG = "python -m avtnet.dense_train"
NAME = "dense.safetensors"
"""The checkpoint in a run's folder."""
TOLD_EVERY = 50
"""Steps between two lines where there is no terminal to draw a bar on."""


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
    held = held_examples(config, console)
    torch.manual_seed(config.seed)
    network, average = (AVTNetDense(config.model).to(device) for _ in range(2))
    if config.init is not None:
        network.load_state_dict(dense_checkpoint.load(config.init).network.state_dict())
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


def _loader(compositions: Compositions, first: int) -> DataLoader[Batch]:
    """The batches from step ``first`` on, each made by one process as a whole."""
    return DataLoader(
        compositions,  # type: ignore[arg-type]
        batch_size=None,
        sampler=range(first, len(compositions)),
        num_workers=compositions.config.num_workers,
    )


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
    return [piece for path in paths for piece in read_pieces(path)]


def _own(config: DenseTrainConfig, console: Console) -> OwnWindows:
    """Windows of a person's own episodes; those that cannot be used are named."""
    features = config.own_features or config.output / "features"
    source = OwnSource(config.own, features, config.own_labels)
    episodes, problems = read_source(source, FeatureSettings())
    for problem in problems:
        console.print(f"left out: {problem}", style="yellow")
    console.print(f"{len(episodes)} labelled episodes are mixed in")
    return OwnWindows(episodes, config.seed)


def held_examples(config: DenseTrainConfig, console: Console) -> list[Example]:
    """Return the composed windows that validate; their material is in no training."""
    pieces = _pieces(config, "val", config.validation_shards, console)
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
    info = DenseInfo(
        model=config.model,
        scale=scale,
        offset=offset,
        trained_on=f"{step * config.batch_size} composed windows of 200 s, "
        + (f"{config.own_share:.0%} own labelled ones" if config.own else "all made up"),
        training=dump(config),
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
        versions=versions(),
    )
    dense_checkpoint.save(config.output / NAME, network, info)
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

"""The training of AVTNetDense on composed episodes: render pieces, start processes, train.

The material is rendered first, a file of pieces at a time (what is there is used again); then
every training example is a new episode composed of pieces. Nothing of an episode in the
validation is in the training: other songs, voices, pictures and typefaces.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from avtnet.dense import checkpoint as dense_checkpoint
from avtnet.dense.inputs import Example, Examples
from avtnet.dense.model import AVTNetDense
from avtnet.dense.train_settings import NAME, DenseTrainConfig
from avtnet.dense.training import DenseTraining, dense_plan, dense_run_folder
from avtnet.synthesis.composer import Composer
from avtnet.synthesis.library import Piece, make_shard, read_pieces, shard_path
from avtnet.synthesis.material import find_material
from avtnet.synthesis.settings import Split
from avtnet.tuning.episodes import Mixed, OwnWindows
from avtnet.tuning.settings import OwnSource
from avtnet.tuning.source import read_source
from clipping.files import require_writable
from clipping.learning import loop
from clipping.learning.processes import Process, devices_named, launch, world_size
from clipping.learning.progress import Log, progress_bar
from preprocess.settings import FeatureSettings


def train_on_composed(config: DenseTrainConfig, console: Console) -> Path:
    """Train; returns the checkpoint's file.

    Under torchrun this is called in each of its processes, and rank 0 alone writes.

    Raises:
        ClippingError: a folder cannot be written, a checkpoint cannot be used, or the device is not
            there.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; the state is kept.
    """
    devices = devices_named(config.device, config.processes, config.backend)
    alone = world_size(devices) == 1

    def prepare() -> None:
        require_writable(config.output)
        dense_run_folder(config).open(resume=config.resume, overwrite=config.overwrite)
        _render(config, "train", config.shards, console)
        _render(config, "val", config.validation_shards, console)

    launch(partial(_train, config=config, console=console if alone else None), devices, prepare)
    return config.output / NAME


def _train(process: Process, config: DenseTrainConfig, console: Console | None) -> None:
    """Train in one of the training's processes."""
    torch.set_num_threads(config.threads)
    run, log = dense_run_folder(config), Log(process, config.output, console)
    state = run.read(loop.State) if config.resume else None
    source: Examples = Composer(_read(config, "train", config.shards), config.seed)
    held = held_examples(config, log.console)
    if config.own:
        source = Mixed(source, _own(config, log), config.own_share, config.seed)
    torch.manual_seed(config.seed)
    network = AVTNetDense(config.model)
    if config.init is not None:
        network.load_state_dict(dense_checkpoint.load(config.init).network.state_dict())
    training = DenseTraining(process, config, source, held, network)
    loop.fit(training, dense_plan(config), run=run, log=log, state=state)


def _paths(config: DenseTrainConfig, split: Split, count: int) -> list[Path]:
    """Return the files of pieces of a split."""
    folder = config.library or config.output / "library"
    return [shard_path(folder, split, number) for number in range(count)]


def _render(config: DenseTrainConfig, split: Split, count: int, console: Console) -> None:
    """Render the files of pieces that are missing."""
    paths = _paths(config, split, count)
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


def _read(config: DenseTrainConfig, split: Split, count: int) -> list[Piece]:
    """Return the pieces of a split."""
    return [piece for path in _paths(config, split, count) for piece in read_pieces(path)]


def _own(config: DenseTrainConfig, log: Log) -> OwnWindows:
    """Return windows of a person's own episodes; those that cannot be used are named."""
    features = config.own_features or config.output / "features"
    source = OwnSource(config.own, features, config.own_labels)
    episodes, problems = read_source(source, FeatureSettings())
    for problem in problems:
        log.say(f"left out: {problem}")
    log.say(f"{len(episodes)} labelled episodes are mixed in")
    return OwnWindows(episodes, config.seed)


def held_examples(config: DenseTrainConfig, console: Console) -> list[Example]:
    """Return the composed windows that validate; their material is in no training."""
    _render(config, "val", config.validation_shards, console)
    pieces = _read(config, "val", config.validation_shards)
    if not pieces:
        return []
    composer = Composer(pieces, config.seed + 1)
    return [composer.example(index) for index in range(config.validation)]

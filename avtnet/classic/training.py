"""The training of the original's networks: check all that can be checked, then start processes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from avtnet.classic import checkpoints
from avtnet.classic.config import TrainConfig
from avtnet.classic.dataset import Window, WindowDataset, read_windows, split
from avtnet.classic.first_weights import first_weights, part_of
from avtnet.classic.fit import classic_run_folder, fit_windows
from avtnet.classic.model import build
from avtnet.classic.positions import predict_windows
from avtnet.classic.scores import score_windows, summary_line
from avtnet.classic.unlabelled import predict_unlabelled
from clipping.errors import ClippingError, ConfigError
from clipping.files import require_writable
from clipping.learning.processes import Devices, is_main_process, launch, world_size
from clipping.storage import local
from preprocess.shards import read_index


def train_classic(config: TrainConfig) -> Path:
    """Train a network; returns the run's folder.

    Under torchrun this is called in each of its processes, and rank 0 alone writes.

    Raises:
        ClippingError: data are missing, the folder cannot be written, a GPU is not there.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; last.pt then holds the run as it stood.
    """
    console = Console(stderr=True, soft_wrap=True, markup=False, quiet=not is_main_process())
    if config.testB:
        if is_main_process():
            written = predict_unlabelled(config, _devices(config, console).device(0))
            console.print(f"written: {written}")
        return config.save_prefix
    trained, validated = _windows(config, console)
    WindowDataset(validated)  # features that cannot be read fail here, before processes start
    devices = _devices(config, console)
    if config.test:
        if is_main_process():
            _test(config, validated, devices.device(0), console)
        return config.save_prefix
    if config.frozen_parts:
        with torch.device("meta"):  # the names alone
            network = build(config.model)
        for name in config.frozen_parts:
            part_of(network, name)  # says no before the run has a folder
    named = config.weights is not None or config.pretrained not in ("imagenet", "none")
    if named and not config.resume:  # on a network that is thrown away: says no as early
        first_weights(build(config.model), config)

    count = len(trained)
    if config.shards is not None:
        count = sum(shard.windows for shard in read_index(local(config.shards)))

    def prepare() -> None:
        require_writable(config.save_prefix)
        classic_run_folder(config).open(resume=config.resume, overwrite=config.overwrite)
        console.print(f"{count} windows train, {len(validated)} validate")

    work = partial(fit_windows, config=config, trained=trained, validated=validated)
    launch(work, devices, prepare)
    return config.save_prefix


def _test(
    config: TrainConfig, validated: Sequence[Window], device: torch.device, console: Console
) -> None:
    """Print the validation figures of --weights."""
    assert config.weights is not None  # TrainConfig checks it
    checkpoint = checkpoints.load(config.weights, device)
    positions = predict_windows(checkpoint, [window.path for window in validated])
    console.print(summary_line(score_windows(validated, positions)))


def _windows(config: TrainConfig, console: Console) -> tuple[list[Window], list[Window]]:
    """Return the windows to train on and those to validate on."""

    def found(folder: Path, *, songs: bool = False) -> list[Window]:
        windows, missing = read_windows(folder, songs=songs)
        if missing:
            console.print(f"{len(missing)} labels without features are left out: {missing[0]} …")
        return windows

    if config.shards is not None:
        assert config.val_root is not None  # TrainConfig checks it
        return [], found(config.val_root)
    windows = found(config.data_root, songs=config.song_loss > 0 and not config.test)
    if config.val_root is not None:
        return windows, found(config.val_root)
    if len(windows) < 2:
        raise ClippingError(f"{config.data_root}: training needs 2 labelled windows or more")
    return split(windows, config.data_seed)


def _devices(config: TrainConfig, console: Console) -> Devices:
    """Return where to compute: the CPU, one GPU, or several processes with one device each."""
    seen = torch.cuda.device_count()
    if config.gpus is None:
        console.print(f"computing on the CPU{' (there are GPUs: --gpus all)' if seen else ''}")
    gpus = None if config.gpus is None else tuple(config.gpu_list or range(seen))
    devices = Devices(gpus, config.processes, config.backend)
    if config.batch_size < (count := world_size(devices)):
        raise ConfigError(
            f"batch_size {config.batch_size} is less than a window for each of {count} processes"
        )
    return devices

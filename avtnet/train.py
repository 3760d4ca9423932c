"""Train a network of the AVTNet family: ``python -m avtnet.train --config configs/avtnet.yaml``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from torch.multiprocessing.spawn import ProcessRaisedException

from avtnet.classic import checkpoints
from avtnet.classic.config import TrainConfig
from avtnet.classic.dataset import Window, WindowDataset, read_windows, split
from avtnet.classic.fit import first_weights, fit, part_of
from avtnet.classic.model import build
from avtnet.classic.networks import TABLE
from avtnet.classic.positions import predict_windows
from avtnet.classic.run import open_run
from avtnet.classic.scores import score_windows, summary_line
from clipping.config import run
from clipping.errors import ClippingError, ConfigError
from clipping.files import require_writable
from clipping.tasks.settings import parse_with_network

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PROG = "python -m avtnet.train"


def train(config: TrainConfig) -> Path:
    """Train a network; returns the run's folder.

    Raises:
        ClippingError: for missing data, a folder that cannot be written, a GPU that is not there.
        KeyboardInterrupt: after Ctrl-C or SIGTERM; last.pt then holds the run as it stood.
    """
    console = Console(stderr=True, soft_wrap=True, markup=False)
    trained, validated = _windows(config, console)
    WindowDataset(validated)  # features that cannot be read fail here, before processes start
    fabric = _fabric(config, console)
    if config.test:
        assert config.weights is not None  # TrainConfig checks it
        checkpoint = checkpoints.load(config.weights, fabric.device)
        paths = [window.path for window in validated]
        positions = predict_windows(checkpoint, paths)
        console.print(summary_line(score_windows(validated, positions)))
        return config.save_prefix
    if config.frozen_parts:
        with torch.device("meta"):  # the names alone
            network = build(config.model)
        for name in config.frozen_parts:
            part_of(network, name)  # says no before the run has a folder
    named = config.weights is not None or config.pretrained not in ("imagenet", "none")
    if named and not config.resume:  # on a network that is thrown away: says no as early
        first_weights(build(config.model), config)
    require_writable(config.save_prefix)
    open_run(config)  # says no before processes start
    console.print(f"{len(trained)} windows train, {len(validated)} validate")
    # In a partial: launch() would take a frozen dataclass among the arguments apart.
    try:
        fabric.launch(partial(fit, config=config, trained=trained, validated=validated))
    except ProcessRaisedException as error:
        # One of several processes: its traceback arrives as text, the error in its last line.
        kind, _, message = str(error).strip().splitlines()[-1].partition(": ")
        if kind.startswith("clipping.errors."):
            raise ClippingError(message) from error
        raise
    return config.save_prefix


def _windows(config: TrainConfig, console: Console) -> tuple[list[Window], list[Window]]:
    """Those to train on and those to validate on."""

    def found(folder: Path, *, songs: bool = False) -> list[Window]:
        windows, missing = read_windows(folder, songs=songs)
        if missing:
            console.print(f"{len(missing)} labels without features are left out: {missing[0]} …")
        return windows

    windows = found(config.data_root, songs=config.song_loss > 0 and not config.test)
    if config.val_root is not None:
        return windows, found(config.val_root)
    if len(windows) < 2:
        raise ClippingError(f"{config.data_root}: training needs 2 labelled windows or more")
    return split(windows, config.data_seed)


def _fabric(config: TrainConfig, console: Console) -> Fabric:
    """Where to compute: the CPU, one GPU, or several processes with one device each."""
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies.ddp import DDPStrategy
    except ModuleNotFoundError as error:
        raise ClippingError("training needs an extra: pip install 'avtnet[train]'") from error
    seen = torch.cuda.device_count()
    gpus = config.gpu_list or list(range(seen))
    if config.gpus is None:
        console.print(f"training on the CPU{' (there are GPUs: --gpus all)' if seen else ''}")
    elif not gpus or max(gpus) >= seen:
        raise ConfigError(f"--gpus {config.gpus}: torch sees {seen} GPUs; leave it out for the CPU")
    count = config.processes if config.gpus is None else len(gpus)
    return Fabric(
        accelerator="cpu" if config.gpus is None else "cuda",
        devices=count if config.gpus is None else gpus,
        # Spawned, not run again from the command line: train() is for programs too.
        strategy=DDPStrategy(start_method="spawn") if count > 1 else "auto",
        precision="32-true"
        if not config.use_amp
        else "bf16-mixed"
        if config.gpus is None
        else "16-mixed",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.train``; with ``--init``, ``python -m avtnet.tune``."""
    words = sys.argv[1:] if argv is None else list(argv)
    if any(word.partition("=")[0] == "--init" for word in words):
        from avtnet import tune

        return tune.main(words)
    config = parse_with_network(TrainConfig, words, TABLE, prog=PROG)

    def command() -> None:
        train(config)

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())

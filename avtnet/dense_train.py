"""Train AVTNetDense on composed episodes: ``python -m avtnet.dense_train -o runs/dense``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avtnet.dense.train_settings import DenseTrainConfig
from clipping.config import parse, run
from clipping.extra import extra_imports

if TYPE_CHECKING:
    from rich.console import Console

PROG = "python -m avtnet.dense_train"


def train_dense(config: DenseTrainConfig, console: Console) -> Path:
    """Train; returns the checkpoint's file.

    Under torchrun this is called in each of its processes, and rank 0 alone writes.

    Raises:
        ClippingError: a folder cannot be written, a checkpoint cannot be used, the device is not
            there, or torch is not installed.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; the state is kept.
    """
    with extra_imports():  # here, not above: --help needs no torch
        from avtnet import dense_on_composed

    return dense_on_composed.train_on_composed(config, console)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.dense_train``."""
    config = parse(DenseTrainConfig, argv, prog=PROG)

    def command() -> None:
        with extra_imports():
            from clipping.learning.processes import is_main_process
        from rich.console import Console

        console = Console(stderr=True, soft_wrap=True, markup=False, quiet=not is_main_process())
        console.print(f"written: {train_dense(config, console)}")

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())

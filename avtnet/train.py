"""Train a network of the AVTNet family: ``python -m avtnet.train --config configs/avtnet.yaml``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from avtnet.classic.config import TrainConfig
from avtnet.classic.networks import TABLE
from clipping.config import run
from clipping.extra import extra_imports, extra_module
from clipping.tasks.settings import parse_with_network

PROG = "python -m avtnet.train"


def train(config: TrainConfig) -> Path:
    """Train a network; returns the run's folder.

    Under torchrun this is called in each of its processes, and rank 0 alone writes.

    Raises:
        ClippingError: data are missing, the folder cannot be written, a GPU is not there, or torch
            is not installed.
        KeyboardInterrupt: Ctrl-C or SIGTERM came; last.pt then holds the run as it stood.
    """
    with extra_imports():  # here, not above: --help needs no torch
        from avtnet.classic.training import train_classic

    return train_classic(config)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.train``; with ``--init`` it tunes, with ``--composed`` it composes."""
    words = sys.argv[1:] if argv is None else list(argv)
    named = {word.partition("=")[0] for word in words}
    if "--init" in named:
        from avtnet import tune

        return tune.main(words)
    if "--composed" in named:
        return run(lambda: extra_module("avtnet.composed_train").main(words), PROG)
    config = parse_with_network(TrainConfig, words, TABLE, prog=PROG)

    def command() -> None:
        train(config)

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())

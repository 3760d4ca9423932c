"""Tune AVTNetDense on one's own labelled episodes: ``python -m avtnet.tune SEASON -o runs/mine``.

The same as ``python -m avtnet.train --init shipped SEASON -o runs/mine``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from avtnet.dense.train_settings import NAME
from avtnet.tuning.settings import SHIPPED, TuneConfig
from clipping.config import parse, run
from clipping.extra import extra_imports
from clipping.files import require_writable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from avtnet.dense.checkpoint import DenseCheckpoint

PROG = "python -m avtnet.tune"


def tune_files(config: TuneConfig, console: Console) -> list[str]:
    """Tune, write the checkpoint, print the gain; return the problems of single episodes.

    A bad episode, or one whose labels are wrong, does not stop the others.

    Raises:
        ClippingError: where nothing is labelled, no episode can be read, something cannot be
            written, or torch is not installed.
    """
    with extra_imports():  # here, not above: --help needs no torch
        from avtnet.dense import checkpoint as dense_checkpoint
        from avtnet.tuning.source import read_source
        from avtnet.tuning.training import tune
    from rich.console import Console

    require_writable(config.output)
    start = begin(config.init)
    episodes, problems = read_source(config.source, start.info.features)
    for problem in problems:
        console.print(f"left out: {problem}", style="yellow")
    result = tune(config, start, episodes, console)
    dense_checkpoint.save(config.output / NAME, result.network, result.info)
    Console().print(gain_table(result.before, result.after))
    console.print(f"written: {config.output / NAME}")
    return problems


def begin(init: str) -> DenseCheckpoint:
    """Return the weights that are named.

    Raises:
        CheckpointError: where they are none of AVTNetDense.
    """
    with extra_imports():
        from avtnet.dense import checkpoint as dense_checkpoint

    return dense_checkpoint.shipped() if init == SHIPPED else dense_checkpoint.load(init)


def gain_table(before: Mapping[str, float], after: Mapping[str, float]) -> Table:
    """Return a table of the held-back episodes' figures, before and after."""
    from rich.table import Table

    made = Table("held-back episodes", "before", "after")
    for name in before:
        made.add_row(name, f"{before[name]:.2f}", f"{after[name]:.2f}")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.tune``, and ``python -m avtnet.train --init …``."""
    config = parse(TuneConfig, argv, prog=PROG, positional="inputs")

    def command() -> int:
        from rich.console import Console

        console = Console(stderr=True, soft_wrap=True, markup=False)
        return int(bool(tune_files(config, console)))

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())

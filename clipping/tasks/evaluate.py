"""The figures of a checkpoint: ``python -m clipping evaluate --task NAME --checkpoint FILE …``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clipping.config import refuse, run
from clipping.tasks.contract import TABLE
from clipping.tasks.train import settings_of
from clipping.tasks.words import read_words

PROG = "python -m clipping evaluate"
_ABOUT = (
    "Print the figures of a checkpoint (--checkpoint FILE) on the data for validation, one in a "
    "line. --task NAME --help shows the settings of the task, which say where the data lie."
)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m clipping evaluate``."""
    words = read_words(sys.argv[1:] if argv is None else argv, prog=PROG, about=_ABOUT)
    prog = f"{PROG} --task {words.name}"
    config = settings_of(words, prog=prog)
    if words.checkpoint is None:
        refuse(prog, "name the checkpoint: --checkpoint FILE")
    checkpoint = words.checkpoint

    def command() -> None:
        with TABLE.guard(words.name):
            figures = dict(words.task.evaluate(config, checkpoint))
        width = max(map(len, figures), default=0)
        for name, value in figures.items():
            print(f"{name:<{width}}  {value:.6g}")

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())

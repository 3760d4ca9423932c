"""Train a network of any task: ``python -m clipping train --task NAME --model NETWORK …``."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from clipping.config import parse, run
from clipping.tasks.contract import TABLE, networks_of
from clipping.tasks.settings import parse_with_network
from clipping.tasks.words import TaskCommand, read_words

PROG = "python -m clipping train"
_ABOUT = (
    "Train a network of a task. --task NAME --help shows the settings of the task, with --model "
    "NETWORK those of the network too; a network of torch needs it for that."
)


def settings_of(words: TaskCommand, *, prog: str) -> Any:
    """Return the task's config, filled from the words that are left.

    Raises:
        SystemExit: as :func:`clipping.config.parse`.
    """
    config = words.task.Config
    if any(field.name == "model" for field in dataclasses.fields(config)):
        return parse_with_network(config, words.rest, networks_of(words.name), prog=prog)
    return parse(config, words.rest, prog=prog)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m clipping train``."""
    words = read_words(sys.argv[1:] if argv is None else argv, prog=PROG, about=_ABOUT)
    config = settings_of(words, prog=f"{PROG} --task {words.name}")

    def command() -> None:
        with TABLE.guard(words.name):
            print(f"written: {words.task.train(config)}", file=sys.stderr)

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())

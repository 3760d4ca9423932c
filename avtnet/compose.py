"""Compose windows of rendered pieces, as files that ``avtnet.train`` reads."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avtnet.synthesis.settings import ComposeConfig
from clipping.config import parse, run
from clipping.extra import extra_imports

if TYPE_CHECKING:
    from rich.console import Console

PROG = "python -m avtnet.compose"


def compose(config: ComposeConfig, console: Console) -> Path:
    """Make the windows that are missing, then the labels; return the folder.

    Raises:
        ClippingError: if there are no pieces, the folder cannot be written, or torch is not
            installed.
    """
    with extra_imports():  # here, not above: --help needs no torch
        from avtnet.window_files import compose_windows

    return compose_windows(config, console)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.compose``."""
    config = parse(ComposeConfig, argv, prog=PROG)

    def command() -> None:
        from rich.console import Console

        console = Console(stderr=True, soft_wrap=True, markup=False)
        console.print(f"written: {compose(config, console)}")

    return run(command, PROG)


if __name__ == "__main__":
    sys.exit(main())

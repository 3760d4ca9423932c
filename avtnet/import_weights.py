"""Weights of other programs → our checkpoints: ``avtnet weights import KIND``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clipping.commands import dispatch

KINDS = {
    "original": ("avtnet.classic.original", "AVTNet, AVTNet2 or AVTNet_YOLT of the original (.pth)")
}
"""For each kind of weights, the module whose ``main`` imports it, and a phrase for the help."""


def main(argv: Sequence[str] | None = None) -> int:
    """``avtnet weights import KIND --from FILE -o OUT``."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] != ["import"]:
        asked = words[:1] in (["-h"], ["--help"])
        usage = "usage: avtnet weights import KIND --from FILE -o OUT"
        print(
            f"{usage}   (avtnet weights import --help lists the kinds)",
            file=sys.stdout if asked else sys.stderr,
        )
        return 0 if asked else 2
    return dispatch("avtnet weights import", {"kinds": KINDS}, words[1:])


if __name__ == "__main__":
    sys.exit(main())

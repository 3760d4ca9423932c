"""``python -m clipping COMMAND …``: the commands of the library, each in its own module."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clipping.commands import dispatch

COMMANDS = {
    "cut": ("clipping.cutting.cut", "cut segments out of media files, or leave them out"),
    "chapters": ("clipping.chapters.command", "show the chapters of media files, or put some in"),
    "probe": ("clipping.media.probing", "tell the streams, duration and chapters of media files"),
    "reel": ("clipping.cutting.reel", "join chosen segments with crossfades and titles"),
    "shared": (
        "clipping.repeats.shared",
        "find what media files have in common: openings, endings",
    ),
    "preview": ("clipping.cutting.preview", "make a contact sheet or an animation of a segment"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first word names."""
    return dispatch("python -m clipping", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())

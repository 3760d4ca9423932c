"""``python -m clipping COMMAND …``: the commands of the library, each in its own module."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clipping.commands import dispatch

FILES = {
    "probe": ("clipping.media.probing", "tell the streams, duration and chapters of media files"),
    "cut": ("clipping.cutting.cut", "cut segments out of media files, or leave them out"),
    "reel": ("clipping.cutting.reel", "join chosen segments with crossfades and titles"),
    "preview": ("clipping.cutting.preview", "make a contact sheet or an animation of a segment"),
    "chapters": ("clipping.chapters.command", "show the chapters of media files, or put some in"),
    "shared": (
        "clipping.repeats.shared",
        "find what media files have in common: openings, endings",
    ),
}
"""Commands for media files, which ``avtnet`` lists as well."""
GROUPS = {
    "media files": FILES,
    "networks of any task, those of plugins too (each --help lists them)": {
        "train": ("clipping.tasks.train", "train a network: --task NAME --model NETWORK"),
        "evaluate": ("clipping.tasks.evaluate", "print the figures of a checkpoint"),
        "predict": ("clipping.tasks.predict", "print and write what a network finds in files"),
    },
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first word names."""
    return dispatch("python -m clipping", GROUPS, argv)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m avtnet.cache``: show the size of the cache, or remove entries of deleted files.

The cache keeps results about media files next to them in ``.avtnet/``, so that nothing is computed
twice. Each of its files is small, written whole or not at all, and named by hashes of the media
file's identity and of the settings. Equal questions give equal names and equal bytes, so several
processes may use a folder without locks. A damaged file counts as missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipping import config
from clipping.files import find_media
from clipping.kept.cache import Cache
from clipping.kept.cache_files import (
    SUFFIXES,
)

PROG = "python -m avtnet.cache"


@dataclass(frozen=True)
class CacheConfig:
    """Show how much the cache keeps about media files, or remove entries of deleted files."""

    inputs: tuple[str, ...] = field(
        default=(), metadata={"help": "media files, or folders to search for them"}
    )
    prune: bool = False
    """remove entries of files that do not exist (with --cache: that are not named)"""
    cache: Path | None = None
    """the folder of locate's --cache; left out: .avtnet next to the media"""


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.cache``."""
    settings = config.parse(CacheConfig, argv, prog=PROG, positional="inputs")
    return config.run(lambda: _command(settings), PROG)


def _command(settings: CacheConfig) -> int:
    if not settings.inputs:
        print(f"{PROG}: name media files, or folders", file=sys.stderr)
        return 2
    cache = Cache(settings.cache)
    paths = list(find_media(settings.inputs).values())
    if settings.prune:
        print(f"removed: {cache.prune(paths)} files")
    for folder in sorted({cache.folders(path)[0] for path in paths}):
        sizes = {
            kind: [file.stat().st_size for file in (folder / kind).glob("*")] for kind in SUFFIXES
        }
        counts = ", ".join(f"{len(each)} {kind} {sum(each)} bytes" for kind, each in sizes.items())
        print(f"{folder}: {counts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

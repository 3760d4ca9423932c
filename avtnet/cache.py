"""What was found out about media files, kept beside them in ``.avtnet/``: nothing is done twice.

Every file in it is small, written whole or not at all, and named by hashes: of who the media file
is, and of the settings. The same question gives the same name and the same bytes, so any number of
processes may use a folder at once, without locks. A damaged file is as good as none.
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
    """Tell how much is kept about media files, or remove what belongs to files that are gone."""

    inputs: tuple[str, ...] = field(
        default=(), metadata={"help": "media files, or folders to search for them"}
    )
    prune: bool = False
    """remove what belongs to no file that is there (with --cache: to none of those named)"""
    cache: Path | None = None
    """the folder that was given to --cache when it was made; left out: .avtnet beside the media"""


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
        told = ", ".join(f"{len(each)} {kind} {sum(each)} bytes" for kind, each in sizes.items())
        print(f"{folder}: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

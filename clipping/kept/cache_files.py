"""The files of a cache: their names, made of media files' identities, and their contents."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import clipping.repeats.file_fingerprint
from clipping.errors import ClippingError
from clipping.json_values import parse_json, some_fields
from clipping.text_files import read_text

FORMAT, VERSION = "avtnet cache", 1
MOST_BYTES = 4 << 20
"""A JSON file above this size is none of ours."""
SUFFIXES = {
    "prints": ".prints",
    "pairs": ".json",
    "facts": ".json",
    "named": ".json",
    "seasons": ".json",
}
_OF_CONTENT = ("prints", "pairs", "facts")
_NAME = re.compile(r"((?:[0-9a-f]{32}-){1,2})[0-9a-f]{16}\.(?:prints|json)")
_LEFTOVER_SECONDS = 3600.0
"""A temporary file so old is no longer being written."""


@dataclass(frozen=True)
class FileIdentity:
    """The identity of a file, independent of its place and name."""

    size_bytes: int
    mtime_ns: int
    """The time of its last change; 0 in storage, which does not tell."""
    digest: str
    """Hash of its size and of blocks spread over it, both ends among them."""

    @cached_property
    def key(self) -> str:
        """32 hexadecimal digits; others after any change, such as the end of a download.

        A copy with another time of change is another file.
        """
        return _digest([self.size_bytes, self.mtime_ns, self.digest], 16)


def of_user() -> Path:
    """The folder in the user's cache directory."""
    import platformdirs

    return platformdirs.user_cache_path("avtnet", appauthor=False)


def data_of_user() -> Path:
    """The folder in the user's data directory."""
    import platformdirs

    return platformdirs.user_data_path("avtnet", appauthor=False)


def entry_text(origin: Mapping[str, Any], value: object, indent: int | None = 1) -> str:
    """Return the text of a JSON file of ours; on one line where ``indent`` is None."""
    whole = {
        "format": FORMAT,
        "version": VERSION,
        "origin": origin,
        "value": value,
        "digest": _digest([origin, value], 16),
    }
    return json.dumps(whole, sort_keys=True, indent=indent, allow_nan=False) + "\n"


def plain(value: object) -> str:
    """The same text for the same JSON value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(value: object, size: int) -> str:
    return hashlib.blake2b(plain(value).encode(), digest_size=size).hexdigest()


def name_of(identities: Sequence[FileIdentity], origin: Mapping[str, Any], kind: str) -> str:
    """Return the name of an entry's file.

    It begins with the keys of the media files of the entry, so that pruning need not open it.
    """
    versions = [VERSION, clipping.repeats.file_fingerprint.FORM.version]
    about = "".join(f"{identity.key}-" for identity in identities)
    return f"{about}{_digest([versions, origin], 8)}{SUFFIXES[kind]}"


def read_entry(file: Path, origin: Mapping[str, Any]) -> Any:
    """The value of a JSON file of ours.

    Raises:
        ClippingError, ValueError, RecursionError: for any other file.
    """
    whole = some_fields(parse_json(file, read_text(file, MOST_BYTES)), ("origin", "value"))
    if plain(whole["origin"]) != plain(origin):
        raise ValueError("is of another file, or of other settings")
    if whole.get("digest") != _digest([whole["origin"], whole["value"]], 16):
        raise ValueError("its digest is that of other contents")
    return whole["value"]


def prune_folder(folder: Path, known: set[str]) -> int:
    """Remove the entries about files that are none of the known keys; return how many.

    Raises:
        ClippingError: where one cannot be removed.
    """
    removed = 0
    for kind in (*_OF_CONTENT, "seasons"):
        inside = (folder / kind).iterdir() if (folder / kind).is_dir() else ()
        for file in inside:
            try:
                if _is_stale(file, known):
                    file.unlink()
                    removed += 1
            except FileNotFoundError:  # another process was quicker
                continue
            except OSError as error:
                raise ClippingError(f"{file}: cannot be removed: {error.strerror}") from error
    return removed


def _is_stale(file: Path, known: set[str]) -> bool:
    if file.name.startswith(".tmp-"):
        return time.time() - file.lstat().st_mtime > _LEFTOVER_SECONDS
    if file.parent.name == "seasons" and file.suffix == ".json":
        return not _keys_of_season(file) <= known
    named = _NAME.fullmatch(file.name)
    return named is not None and not set(named[1].strip("-").split("-")) <= known


def _keys_of_season(file: Path) -> set[str]:
    """Return the keys of the files of a season; one that is nobody's for a damaged entry."""
    try:
        value = some_fields(parse_json(file, read_text(file, MOST_BYTES)), ("value",))["value"]
        return {str(key) for key in value["keys"] if key is not None}
    except (ClippingError, ValueError, TypeError, KeyError):
        return {"damaged"}

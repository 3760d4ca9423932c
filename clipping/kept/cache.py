"""The cache of media files, kept next to them in ``.avtnet/``: nothing is computed twice.

Every file in it is small, written whole or not at all, and named by hashes of the media file's
identity and of the settings. The same question gives the same name and the same bytes, so any
number of processes may use a folder at once, without locks. A damaged file is read as a missing
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import clipping.repeats.shared
from clipping.errors import ClippingError
from clipping.files import MEDIA_SUFFIXES, require_writable, write_text
from clipping.identity import identify
from clipping.json_values import listed, number
from clipping.kept.cache_files import (
    MOST_BYTES,
    FileIdentity,
    data_of_user,
    entry_text,
    name_of,
    of_user,
    plain,
    prune_folder,
    read_entry,
)
from clipping.repeats.file_fingerprint import (
    FileFingerprint,
    SharedSettings,
    load_fingerprint,
    make_fingerprint,
    save_fingerprint,
)
from clipping.repeats.shared import Place, Shared, swapped
from clipping.segments import Segment
from clipping.storage import url_of

FOLDER = ".avtnet"
"""Next to the media; hidden, so no search for media looks into it."""


class Cache:
    """Small results about media files, in folders next to them or in one folder.

    Those of a file are in ``.avtnet/`` next to it. Where that cannot be written, they are in the
    user's cache directory, and ``notes`` says so. A run never fails because nothing can be kept.
    """

    def __init__(self, folder: Path | None = None, *, fresh: bool = False) -> None:
        """Open a cache.

        Args:
            folder: one folder for everything, in place of those next to the media.
            fresh: take nothing from it; compute everything again, and keep that.

        Raises:
            ClippingError: where ``folder`` cannot be written.
        """
        if folder is not None:
            require_writable(folder)
        self.given, self.fresh = folder, fresh
        self._identities: dict[Path, tuple[tuple[int, int] | None, FileIdentity]] = {}
        self._closed: set[Path] = set()
        self._notes: dict[str, None] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user, each once."""
        return tuple(self._notes)

    def folders(self, path: Path) -> tuple[Path, ...]:
        """Return the folders that may hold entries of a file, the first choice first."""
        if self.given is not None:
            return (self.given,)
        if url_of(path) is not None:
            return (of_user(),)
        return (path.absolute().parent / FOLDER, of_user())

    def lasting_folders(self, path: Path) -> tuple[Path, ...]:
        """The same for what cannot be made again: no cache directory, which may be emptied."""
        return tuple(data_of_user() if each == of_user() else each for each in self.folders(path))

    def called(self, path: Path, folder: Path) -> str:
        """Return the name of a file in one of these folders: next to it the file name is enough."""
        next_to_it = self.given is None and folder.name == FOLDER
        return path.name if next_to_it else str(path.absolute())

    def identity(self, path: Path) -> FileIdentity:
        """Return the identity of a file, read again when its size or time has changed.

        Raises:
            ClippingError: where it is no file, or cannot be read.
        """
        stamp = None
        if url_of(path) is None:
            try:
                stat = path.stat()
            except OSError as error:
                raise ClippingError(f"{path}: cannot be read: {error.strerror or error}") from error
            stamp = stat.st_size, stat.st_mtime_ns
        known = self._identities.get(path)
        if known is None or known[0] != stamp:
            source = identify(path)
            mtime_ns = 0 if stamp is None else stamp[1]
            known = stamp, FileIdentity(source.size_bytes, mtime_ns, source.fingerprint)
            self._identities[path] = known
        return known[1]

    def fingerprint(self, path: Path, settings: SharedSettings | None = None) -> FileFingerprint:
        """Return the fingerprints of a file: those kept, or new ones, which are then kept.

        Raises:
            ClippingError: where the file cannot be read, or has nothing to compare.
        """
        settings = settings or SharedSettings()
        identity = self.identity(path)
        origin = {"identity": asdict(identity), "settings": settings.fingerprint_settings()}
        said = plain(origin)
        name = name_of([identity], origin, "prints")
        for folder in self._looked_at(path):
            try:
                return load_fingerprint(folder / "prints" / name, path, said)
            except ClippingError:
                continue
        made = make_fingerprint(path, settings)
        if self.identity(path) == identity:  # or it is being written just now
            self._keep(path, lambda folder: save_fingerprint(made, folder / "prints" / name, said))
        return made

    def pair(self, a: Path, b: Path, settings: SharedSettings) -> list[Shared] | None:
        """Return what :func:`keep_pair` was given for two files, in either order; None: unknown."""
        first, second, turned = self._ordered(a, b)
        identities = [self.identity(first), self.identity(second)]
        value = self._value(first, "pairs", identities, _pair_origin(identities, settings))
        try:
            found = [_shared(row, first, second) for row in value] if value is not None else None
        except (ValueError, TypeError):
            return None
        return swapped(found) if found is not None and turned else found

    def keep_pair(self, a: Path, b: Path, settings: SharedSettings, found: list[Shared]) -> None:
        """Keep the stretches that two files share (:func:`clipping.repeats.shared.compare`)."""
        first, second, turned = self._ordered(a, b)
        identities = [self.identity(first), self.identity(second)]
        rows = [_row(each) for each in (swapped(found) if turned else found)]
        self._keep_value(first, "pairs", identities, _pair_origin(identities, settings), rows)

    def fact(self, path: Path, name: str, key: object = "") -> Any:
        """Return the JSON value that :func:`keep_fact` was given of this file; None: unknown.

        Args:
            name: its subject (``"pictures"``).
            key: the settings on which it depends, as JSON values.
        """
        identity = self.identity(path)
        origin = {"identity": asdict(identity), "name": name, "settings": key}
        return self._value(path, "facts", [identity], origin)

    def keep_fact(self, path: Path, name: str, value: object, key: object = "") -> None:
        """Keep a small JSON value about a file; None would be no fact."""
        identity = self.identity(path)
        origin = {"identity": asdict(identity), "name": name, "settings": key}
        self._keep_value(path, "facts", [identity], origin, value)

    def named_fact(self, path: Path, name: str) -> Any:
        """Return a fact of the file of this name, which may have been replaced since.

        It is no finding, and is taken from a cache for fresh ones too.
        """
        for folder in self.folders(path):
            origin = {"file": self.called(path, folder), "name": name}
            try:
                return read_entry(folder / "named" / name_of([], origin, "named"), origin)
            except (ClippingError, ValueError, RecursionError):
                continue
        return None

    def keep_named_fact(self, path: Path, name: str, value: object) -> None:
        """Keep a small JSON value about a file of this name."""

        def write(folder: Path) -> None:
            origin = {"file": self.called(path, folder), "name": name}
            file = folder / "named" / name_of([], origin, "named")
            write_text(file, entry_text(origin, value))

        self._keep(path, write)

    def season(self, first: Path, key: object) -> Any:
        """Return what :func:`keep_season` was given; None where there is nothing.

        It is found by the name of the first file, so that nothing is read of the others where
        there is nothing: the value itself has to say of which files it is.
        """
        for folder in self._looked_at(first):
            origin = {"file": self.called(first, folder), "settings": key}
            try:
                return read_entry(folder / "seasons" / name_of([], origin, "seasons"), origin)
            except (ClippingError, ValueError, RecursionError):
                continue
        return None

    def keep_season(self, first: Path, key: object, value: object) -> None:
        """Keep a JSON value about several files in place of an older one with this first file."""

        def write(folder: Path) -> None:
            origin = {"file": self.called(first, folder), "settings": key}
            file = folder / "seasons" / name_of([], origin, "seasons")
            text = entry_text(origin, value, indent=None)
            if len(text) <= MOST_BYTES:  # more would not be read
                write_text(file, text, durable=False)

        self._keep(first, write)

    def prune(self, paths: Iterable[Path]) -> int:
        """Delete the entries of files that are no longer there; return how many.

        Next to the media, all media of these folders stay known. In a folder for everything only
        the files named here do. The user's cache directory is left as it is.

        Raises:
            ClippingError: where a file cannot be read, or the folder not be written.
        """
        groups: dict[Path, set[Path]] = {}
        for path in paths:
            if self.given is None and url_of(path) is not None:
                continue
            group = groups.setdefault(self.folders(path)[0], set())
            group.add(path)
            if self.given is None:
                siblings = path.absolute().parent.iterdir()
                group |= {each for each in siblings if each.suffix.lower() in MEDIA_SUFFIXES}
        removed = 0
        for folder, files in groups.items():
            known = {self.identity(file).key for file in files if file.is_file() or url_of(file)}
            removed += prune_folder(folder, known)
        return removed

    def _ordered(self, a: Path, b: Path) -> tuple[Path, Path, bool]:
        turned = self.identity(b).key < self.identity(a).key
        return (b, a, True) if turned else (a, b, False)

    def _looked_at(self, path: Path) -> tuple[Path, ...]:
        return () if self.fresh else self.folders(path)

    def _value(
        self, path: Path, kind: str, identities: Sequence[FileIdentity], origin: Mapping[str, Any]
    ) -> Any:
        name = name_of(identities, origin, kind)
        for folder in self._looked_at(path):
            try:
                return read_entry(folder / kind / name, origin)
            except (ClippingError, ValueError, RecursionError):
                continue
        return None

    def _keep_value(
        self,
        path: Path,
        kind: str,
        identities: Sequence[FileIdentity],
        origin: Mapping[str, Any],
        value: object,
    ) -> None:
        text, name = entry_text(origin, value), name_of(identities, origin, kind)
        self._keep(path, lambda folder: write_text(folder / kind / name, text, durable=False))

    def _keep(self, path: Path, write: Callable[[Path], None]) -> None:
        """Write in the first folder that takes it."""
        *others, last = self.folders(path)
        for folder in (*others, last):
            if folder in self._closed:
                continue
            try:
                write(folder)
                return
            except ClippingError as error:
                self._closed.add(folder)
                instead = "nothing is kept" if folder == last else f"{last} is used in its place"
                self._notes[f"cache: {error}; {instead}"] = None


def _pair_origin(identities: Sequence[FileIdentity], settings: SharedSettings) -> dict[str, Any]:
    # A command's settings are a subclass with more fields, of no matter here.
    names = {each.name for each in fields(SharedSettings)}
    return {
        "comparison": clipping.repeats.shared.VERSION,
        "identities": [asdict(identity) for identity in identities],
        "settings": {name: each for name, each in asdict(settings).items() if name in names},
    }


def _row(found: Shared) -> list[Any]:
    a, b = found.a.segment, found.b.segment
    return [a.start, a.end, b.start, b.end, found.offset, found.score, found.by, found.exact]


def _shared(row: object, a: Path, b: Path) -> Shared:
    """A stretch from its row.

    Raises:
        ValueError, TypeError: where it is none.
    """
    *numbers, by, exact = listed({"row": row}, "row")
    start_a, end_a, start_b, end_b, offset, score = (number(each, "row") for each in numbers)
    if by not in ("sound", "picture") or not isinstance(exact, bool):
        raise ValueError(f"is compared by {by!r}, exact is {exact!r}")
    places = Place(a, Segment(start_a, end_a)), Place(b, Segment(start_b, end_b))
    return Shared(*places, offset, score, by, exact)

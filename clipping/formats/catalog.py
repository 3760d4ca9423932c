"""All formats by name: the suffix of their files, and the module that writes and reads them.

Adding one is one module and one row of ``FORMATS``, here or in a plugin (docs/add-a-format.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from clipping.errors import ClippingError, ConfigError, TableError
from clipping.extra import require_package
from clipping.files import write_text
from clipping.formats.chapters import Chapter, chapters_of, segments_of
from clipping.formats.reading import About, LineError
from clipping.formats.tables import read_timelines, timelines_csv
from clipping.formats.timeline_json import json_text
from clipping.plugins import Table
from clipping.segments import Timeline
from clipping.storage import url_of
from clipping.text_files import read_text

MAX_BYTES = 4 * 2**20
"""A file of a player's format above this size is refused unread."""


@dataclass(frozen=True)
class Format:
    """A row: one format of files."""

    suffix: str
    """Suffix of its files, in place of the media's own suffix."""
    module: str
    """The module with ``to_text(timeline)`` and ``from_text(text, about)``; of a format of
    chapters, ``to_text(chapters)`` and ``from_text(text)``."""
    holds: Literal["timelines", "segments", "chapters"]
    writer: str = "to_text"
    """The name of the function that writes."""
    package: str = ""
    """The package of an extra without which it cannot be written."""


FORMATS = {
    "json": Format(".avtnet.json", "clipping.formats.timeline_json", "timelines"),
    "csv": Format(".avtnet.csv", "clipping.formats.timeline_json", "timelines"),
    "edl": Format(".edl", "clipping.formats.edl", "segments"),
    "edl45": Format(".edl", "clipping.formats.edl", "segments", "to_dialect_text"),
    "chapters": Format(".chapters.xml", "clipping.formats.matroska_xml", "chapters"),
    "ogm": Format(".chapters.txt", "clipping.formats.ogm", "chapters"),
    "ffmetadata": Format(".ffmetadata", "clipping.formats.ffmetadata", "chapters"),
    "webvtt": Format(".chapters.vtt", "clipping.formats.webvtt", "chapters"),
    "jellyfin": Format(".jellyfin.json", "clipping.formats.jellyfin", "segments"),
    "aniskip": Format(".aniskip.json", "clipping.formats.aniskip", "segments"),
    "needle": Format(".needle.skip.json", "clipping.formats.needle", "segments"),
    "mpv": Format(".mpv.txt", "clipping.formats.mpv", "segments"),
    "otio": Format(".otio", "clipping.formats.otio", "segments", package="opentimelineio"),
}
"""The formats of this package, in the order in which they are listed."""
_ALIASES = {"matroska": "chapters", "xml": "chapters", "mkv": "chapters", "kodi": "edl"}
_ALIASES |= {"vtt": "webvtt", "ffmeta": "ffmetadata", "opentimelineio": "otio"}
TABLE = Table("format", "FORMATS", Format, FORMATS, aliases=_ALIASES)
"""Those and the formats of plugins."""


def check_names(names: Sequence[str]) -> None:
    """See that all are formats, and that no two write the same file.

    Raises:
        ConfigError: naming the nearest right one.
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(TABLE.find(name).suffix, name)
        if other != name:
            raise ConfigError(f"{other} and {name} write the same file; name one of them")


def require_packages(names: Sequence[str]) -> None:
    """See, before long work, that the packages are installed with which formats are written.

    Raises:
        ExtraMissing: naming the line that installs one.
    """
    for name in names:
        package = TABLE.find(name).package
        if package:
            require_package(package)


def write_help() -> str:
    """Return the help of an option that takes names of formats (``--write``)."""
    names = ", ".join(TABLE.collect_rows()[0])
    return f"Files for players, of each episode: {names} (docs/formats.md)."


def text_of(timeline: Timeline, name: str) -> str:
    """Return a timeline as the text of a file of this format.

    Raises:
        ConfigError: for an unknown format.
        ClippingError: where the format needs what is not there (the video, a library).
    """
    form = TABLE.find(name)
    if name == "json":
        text = json_text([timeline])
    elif name == "csv":
        text = timelines_csv([timeline])
    else:
        with TABLE.guard(name):
            write = getattr(_module(name), form.writer)
            text = str(write(chapters_of(timeline) if form.holds == "chapters" else timeline))
    return text.encode("utf-8", "backslashreplace").decode()


def write(path: Path | str, timeline: Timeline, name: str) -> None:
    """Write a file of this format, whole or not at all.

    Raises:
        ClippingError: see :func:`text_of`; or where it cannot be written.
    """
    write_text(Path(path), text_of(timeline, name))


def write_beside(
    timeline: Timeline, names: Sequence[str], *, folder: Path | None = None, called: str = ""
) -> Iterator[Path]:
    """Write a timeline in several formats; each path when it is there.

    Args:
        folder: where to write; None: next to the media.
        called: what the files are called there, instead of the media's name; may hold ``/``.

    Raises:
        ClippingError: one for the whole media, after all formats were tried.
    """
    source = Path(timeline.source)
    if folder is None and url_of(source) is None and not source.is_file():
        raise ClippingError(f"{source}: this media is not there; name a folder to write to")
    stem = called or source.stem
    where = source.parent if folder is None else folder
    failures: list[str] = []
    for name in names:
        path = where / f"{stem}{TABLE.find(name).suffix}"
        try:
            write(path, timeline, name)
        except ClippingError as error:
            failures.append(str(error))
        else:
            yield path
    if failures:
        more = f" (and {len(failures) - 1} more of its files)" if len(failures) > 1 else ""
        raise ClippingError(f"{failures[0]}{more}")


def read(
    path: Path | str,
    name: str | None = None,
    *,
    duration: float = 0.0,
    frame_rate: Fraction | None = None,
) -> Timeline:
    """Return the timeline that a file holds.

    Args:
        name: its format; None: recognized by the suffix.
        duration: of the media, in seconds; formats without ends need it for the last chapter.
        frame_rate: of the media, for EDL files that count frames.

    Raises:
        TableError: naming file and line (or item) of what is wrong.
        ConfigError: for an unknown format.
    """
    path = Path(path)
    name = format_of_file(path) if name is None else name
    form = TABLE.find(name)
    if name in ("json", "csv"):
        timelines = read_timelines(path)
        if len(timelines) > 1:
            raise TableError(f"{path}: holds {len(timelines)} timelines; one is needed")
        # A CSV has no row for a file without segments.
        return timelines[0] if timelines else Timeline(_stem(path, form), duration)
    if form.holds == "chapters":
        chapters = read_chapters(path, name)
        segments = _named(path, lambda: segments_of(chapters, duration))
        return Timeline(_stem(path, form), duration, segments)
    about = About(path, _stem(path, form), duration, frame_rate)
    content = read_text(path, MAX_BYTES, empty=True)
    with TABLE.guard(name):
        found: Timeline = _named(path, lambda: _module(name).from_text(content, about))
    return found


def read_chapters(path: Path | str, name: str | None = None) -> list[Chapter]:
    """The chapters of a file as they are titled, those of the story too.

    Raises:
        TableError: naming file and line of what is wrong.
        ConfigError: for what is no format of chapters.
    """
    path = Path(path)
    name = format_of_file(path) if name is None else name
    form = TABLE.find(name)
    if form.holds != "chapters":
        raise ConfigError(f"{path}: {name} holds no chapters")
    content = read_text(path, MAX_BYTES, empty=True)
    with TABLE.guard(name):
        found: list[Chapter] = _named(path, lambda: _module(name).from_text(content))
    return found


def format_of_file(path: Path) -> str:
    """Return the format that a file's name stands for.

    Raises:
        ConfigError: if it stands for none.
    """
    low = path.name.lower()
    # Of two formats with one suffix the first counts. A plugin's may end in .json, which is plain.
    rows = TABLE.collect_rows()[0]
    suffixes = {form.suffix: name for name, form in reversed(rows.items())}
    for suffix in sorted([*suffixes, *_PLAIN], key=len, reverse=True):
        if low.endswith(suffix):
            return suffixes.get(suffix) or _PLAIN[suffix]
    raise ConfigError(f"{path}: its name tells no format; known are {', '.join(rows)}")


_PLAIN = {
    ".json": "json",
    ".csv": "csv",
    ".xml": "chapters",
    ".txt": "ogm",
    ".vtt": "webvtt",
    ".ffmeta": "ffmetadata",
}


def padded(timeline: Timeline, seconds: float) -> Timeline:
    """Return a timeline with every segment longer by ``seconds`` at both ends (negative: shorter).

    A segment stays inside the file and outside its neighbours; one without any length left is
    dropped.
    """
    last = timeline.duration or float("inf")
    wide = []
    for index, each in enumerate(timeline.segments):
        others = timeline.segments[:index] + timeline.segments[index + 1 :]
        left = max((o.end for o in others if o.end <= each.start), default=0.0)
        right = min((o.start for o in others if o.start >= each.end), default=last)
        # A gap between two is shared, so that both keep apart.
        start = max(each.start - seconds, (left + each.start) / 2 if left else 0.0)
        end = min(each.end + seconds, (each.end + right) / 2 if right < last else last)
        start, end = (start, max(end, each.end)) if seconds > 0 else (start, end)
        if start < end:
            wide.append(replace(each, start=start, end=end))
    return replace(timeline, segments=tuple(wide))


def _named(path: Path, read: Any) -> Any:
    """Call a reader; its ValueErrors name the file."""
    try:
        return read()
    except LineError as error:
        raise TableError(f"{path}:{error.line}: {error}") from error
    except ValueError as error:
        raise TableError(f"{path}: {error}") from error


def _stem(path: Path, form: Format) -> str:
    """The media's name without its suffix, as the file's own name tells it."""
    name = path.name
    return name[: -len(form.suffix)] if name.lower().endswith(form.suffix) else path.stem


def _module(name: str) -> Any:
    return TABLE.load(name, TABLE.find(name).module)

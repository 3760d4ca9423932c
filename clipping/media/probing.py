"""``python -m clipping probe``: show the streams of media files as a table and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipping import config
from clipping.errors import ClippingError, MediaError
from clipping.files import find_media, write_json
from clipping.media.probe import MediaInfo, Stream, probe
from clipping.segments import format_time

_PROG = "python -m clipping probe"


@dataclass(frozen=True)
class ProbeConfig:
    """Show the streams, duration and chapters of media files.

    A file that cannot be read is reported and the others are still shown; the exit code is then 1.
    """

    files: tuple[str, ...] = field(
        default=(), metadata={"help": "media files, or folders to search for them"}
    )
    json: Path | None = None
    """also write the result to this JSON file; - writes JSON to stdout instead of the table"""


def main(argv: Sequence[str] | None = None) -> int:
    """Probe the files of a command line; return 1 if a file could not be read."""
    settings = config.parse(ProbeConfig, argv, prog=_PROG, positional="files")
    return config.run(lambda: _run(settings), _PROG)


def media_info_to_json(info: MediaInfo) -> dict[str, Any]:
    """The description of one file as JSON values; times and durations in seconds."""
    return {
        "file": str(info.path),
        "container": info.container,
        "duration": info.duration,
        "truncated": info.truncated,
        "start_time": info.start_time,
        "size_bytes": info.size_bytes,
        "bit_rate": info.bit_rate,
        "streams": [_stream_to_json(stream) for stream in info.streams],
        "chapters": [
            {"start": chapter.start, "end": chapter.end, "title": chapter.label}
            for chapter in info.chapters
        ],
        "error": None,
    }


def _run(settings: ProbeConfig) -> int:
    if not settings.files:
        print(f"{_PROG}: name at least one file or folder", file=sys.stderr)
        return 2
    rows: list[dict[str, Any]] = []
    found: list[MediaInfo] = []
    failed = False
    for path, reason in _expand(settings.files):
        try:
            if reason is not None:
                raise MediaError(reason)
            info = probe(path)
        except MediaError as error:
            print(f"{_PROG}: {error}", file=sys.stderr)
            rows.append({"file": path, "error": str(error)})
            failed = True
        else:
            rows.append(media_info_to_json(info))
            found.append(info)
    if str(settings.json) != "-":
        for info in found:
            _print(info)
    if settings.json is not None:
        write_json(rows, settings.json)
    return int(failed)


def _expand(arguments: Sequence[str]) -> list[tuple[str, str | None]]:
    """(file, None) for each media file found; (argument, reason) for an argument without any.

    An argument is a file or a folder.
    """
    files: list[tuple[str, str | None]] = []
    for argument in arguments:
        try:
            inside = find_media([argument])
        except ClippingError as error:
            files.append((argument, str(error)))
            continue
        if not inside:
            files.append((argument, f"{argument}: there are no media files in this folder"))
        files += [(str(path), None) for path in inside.values()]
    return files


def _print(info: MediaInfo) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    facts = [
        info.container,
        format_time(info.duration),
        f"{info.size_bytes / 1e6:.1f} MB",
        f"{(info.bit_rate or 0) / 1000:.0f} kb/s",
    ]
    if info.start_time:
        facts.append(f"timestamps begin at {info.start_time:.3f} s")
    if info.truncated:
        facts.append("TRUNCATED: the header promises more")
    table = Table(
        title=f"{escape(str(info.path))}\n{escape(' · '.join(facts))}", title_justify="left"
    )
    for heading in ("#", "kind", "codec", "language", "what", "start", "duration"):
        table.add_column(heading)
    for stream in info.streams:
        length = "" if stream.duration is None else format_time(stream.duration)
        language = f"{stream.language or ''}{' *' if stream.default else ''}"
        cells = [str(stream.index), stream.kind, stream.codec, language, _details(stream)]
        table.add_row(*map(escape, cells), f"{stream.start:.3f}", length)
    console = Console()
    console.print(table)
    for chapter in info.chapters:
        console.print(f"  {escape(str(chapter))}", highlight=False)


def _details(stream: Stream) -> str:
    """The title, size and rate of a stream in words."""
    parts = [stream.title or ""]
    if stream.kind == "video":
        width, height = stream.display_size
        parts.append(f"{width}x{height}")
        if (width, height) != (stream.width, stream.height):
            parts.append(f"stored {stream.width}x{stream.height}")
        if stream.rotation:
            parts.append(f"turned {stream.rotation}°")
        if stream.frame_rate:
            parts.append(f"{float(stream.frame_rate):.3f} fps")
        parts.append(stream.pixel_format or "")
    elif stream.kind == "audio":
        parts += [f"{stream.sample_rate} Hz", f"{stream.channels} channels"]
    return ", ".join(part for part in parts if part)


def _stream_to_json(stream: Stream) -> dict[str, Any]:
    values: dict[str, Any] = {
        "index": stream.index,
        "kind": stream.kind,
        "codec": stream.codec,
        "language": stream.language,
        "title": stream.title,
        "default": stream.default,
        "start": stream.start,
        "duration": stream.duration,
    }
    if stream.kind == "video":
        values |= {
            "width": stream.width,
            "height": stream.height,
            "display_size": list(stream.display_size),
            "rotation": stream.rotation,
            "sample_aspect": str(stream.sample_aspect),
            "frame_rate": None if stream.frame_rate is None else str(stream.frame_rate),
            "pixel_format": stream.pixel_format,
        }
    elif stream.kind == "audio":
        values |= {"sample_rate": stream.sample_rate, "channels": stream.channels}
    return values

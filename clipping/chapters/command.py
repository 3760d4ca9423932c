"""``python -m clipping chapters``: show the chapters of media files, or put segments in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clipping import config
from clipping.chapters.embed import chapter_difference, chapters_in, embed
from clipping.chapters.merge import merge
from clipping.errors import ClippingError, ConfigError, MediaError
from clipping.formats.titles import role_of
from clipping.media.probe import MediaInfo, probe
from clipping.segments import Segment, format_time

_PROG = "python -m clipping chapters"


@dataclass(frozen=True)
class ChaptersConfig:
    """Print the chapters of media files and the roles of their titles, or put segments in.

    With --embed, existing chapters stay: one that means the same as a segment (OP for an opening)
    is kept in place of it, any other is cut to make room. A file that would lose something is not
    changed; the exit code is then 1.
    """

    files: tuple[str, ...] = field(
        default=(), metadata={"help": "media files, or folders to search for them"}
    )
    embed: bool = False
    """write the segments into the files (MKV, MP4) as chapters, without encoding"""
    segments: Path | None = None
    """segments to put in: JSON or CSV as avtnet locate writes it, or, for one media file, a file of
    any format of docs/formats.md; default: NAME.avtnet.json next to each file"""
    replace: bool = False
    """replace a chapter that means the same as a segment"""
    output: Path | None = None
    """write the result (of one file) to this file and keep the source"""
    json: Path | None = None
    """also write the chapters to this JSON file; - writes JSON to stdout instead of the text"""

    def __post_init__(self) -> None:
        if not self.files:
            raise ConfigError("name at least one media file")
        if (self.segments or self.output or self.replace) and not self.embed:
            raise ConfigError("--segments, --replace and --output are for --embed")


def main(argv: Sequence[str] | None = None) -> int:
    """Show or embed the chapters that a command line asks for; return 1 if a file failed."""
    settings = config.parse(ChaptersConfig, argv, prog=_PROG, positional="files")
    return config.run(lambda: _run(settings), _PROG)


def _run(settings: ChaptersConfig) -> int:
    from clipping.files import find_media, write_json

    paths = list(find_media(settings.files).values())
    if not paths:
        raise ClippingError(f"{', '.join(settings.files)}: there are no media files in it")
    if settings.output is not None and len(paths) != 1:
        raise ClippingError(f"--output names one file, and there are {len(paths)} to write")
    rows: list[dict[str, Any]] = []
    failed = False
    for path in paths:
        try:
            done = _embed(path, settings, len(paths)) if settings.embed else path
            info = probe(done)
        except ClippingError as error:
            print(f"{_PROG}: {error}", file=sys.stderr)
            rows.append({"file": str(path), "error": str(error)})
            failed = True
            continue
        rows.append(_to_json(info))
        if str(settings.json) != "-":
            _print(info)
    if settings.json is not None:
        write_json(rows, settings.json)
    return int(failed)


def _embed(path: Path, settings: ChaptersConfig, count: int) -> Path:
    """Put segments into one file; return the path of the file that now has them."""
    found = _segments(path, settings.segments, count)
    info = probe(path)
    if info.truncated:
        raise MediaError(f"{path}: ends before its header says; repair or download it again first")
    existing = chapters_in(info)
    wanted = merge(existing, found, info.duration, replace_roles=settings.replace)
    if chapter_difference(existing, wanted) is None and settings.output is None:
        print(f"{path}: has these chapters already", file=sys.stderr)
        return path
    embed(path, wanted, settings.output)
    return settings.output or path


def _segments(path: Path, table: Path | None, count: int) -> tuple[Segment, ...]:
    """The segments to put into one of ``count`` files."""
    from clipping.cutting.selection import SelectionConfig, select_segments
    from clipping.formats import catalog

    default = path.with_name(f"{path.stem}{catalog.FORMATS['json'].suffix}")
    if table is None and not default.exists():
        raise ClippingError(
            f"{path}: name the segments to put in with --segments ({default.name} is not there)"
        )
    table = table or default
    if catalog.format_of_file(table) in ("json", "csv"):
        (choice,) = select_segments(SelectionConfig(files=(str(path),), segments=table))
        if choice.error is not None:
            raise ClippingError(choice.error)
        return choice.segments
    if count != 1:
        raise ClippingError(f"{table}: is for one media file, and there are {count}")
    return catalog.read(table, duration=probe(path).duration).segments


def _to_json(info: MediaInfo) -> dict[str, Any]:
    return {
        "file": str(info.path),
        "duration": info.duration,
        "chapters": [
            {"start": c.start, "end": c.end, "title": c.label, "role": role_of(c.label)}
            for c in info.chapters
        ],
        "error": None,
    }


def _print(info: MediaInfo) -> None:
    from rich.console import Console

    out = Console(highlight=False, markup=False, soft_wrap=True)
    out.print(f"{info.path} ({format_time(info.duration)})")
    for chapter in info.chapters:
        role = role_of(chapter.label)
        span = f"{format_time(chapter.start)} - {format_time(chapter.end)}"
        out.print(f"  {span}  {chapter.label}{f'  [{role}]' if role else ''}")
    if not info.chapters:
        out.print("  no chapters")

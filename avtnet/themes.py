"""``python -m avtnet.themes``: remember openings and endings, and find them in single files."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from avtnet.correct import LABELS
from clipping import config
from clipping.errors import ClippingError, ConfigError
from clipping.files import find_media, require_output, write_json
from clipping.formats import catalog
from clipping.kept.cache import Cache
from clipping.kept.theme_file import Theme, make_theme, save_theme, theme_path
from clipping.kept.themes import (
    SHORTEST_PIECE,
    FoundTheme,
    find_themes,
    library_folder,
    read_library,
)
from clipping.media.probe import probe
from clipping.repeats.file_fingerprint import SharedSettings
from clipping.segments import format_time, parse_time

PROG = "python -m avtnet.themes"


def finding_row(path: Path, found: FoundTheme) -> dict[str, Any]:
    """Return a found theme as plain JSON values; times in seconds."""
    return {
        "file": str(path),
        "theme": found.theme.name,
        "role": found.theme.role,
        "start": round(found.start, 4),
        "end": round(found.end, 4),
        "score": round(found.score, 4),
        "exact": found.exact,
        "share": round(found.share, 4),
    }


@dataclass(frozen=True)
class ThemesConfig:
    """Remember openings and endings, and find them in single files and other releases.

    add NAME FILE START END keeps a span of a file (times as seconds or 1:23.5); list; remove NAME;
    find FILE… prints the places of the themes; move TIMES FILE converts the times of another
    release (AniSkip and every format of docs/formats.md) to this file: with --from-release by
    the stretches that both releases share, without it by the themes that are found.
    """

    words: tuple[str, ...] = field(
        default=(), metadata={"help": "add, list, find, remove or move, and their arguments"}
    )
    library: Path | None = None
    """folder of the themes; left out: in the user's data directory"""
    role: str | None = None
    """add: opening, ending, recap, preview, mixed, commercial; left out: opening in the first half
    of the file, else ending"""
    pictures: bool = True
    """add: remember the pictures too"""
    replace: bool = False
    """add: replace the theme that has this name"""
    by: Literal["both", "sound", "picture"] = "sound"
    """find, move: compare the sounds, the pictures, or both"""
    audio: str | None = None
    """language or index of the sound stream; left out: the default one"""
    from_release: Path | None = None
    """move: the media file to which TIMES belongs"""
    output: Path | None = None
    """move: write the moved times to this file, in the format of its suffix"""
    json: Path | None = None
    """find: write the found themes to this JSON file too; - writes JSON to stdout instead"""
    cache: Path | None = None
    """folder that keeps fingerprints of files; left out: .avtnet next to each"""

    def __post_init__(self) -> None:
        command, *rest = self.words or ("",)
        if command not in _COMMANDS:
            raise ConfigError(f"the first word is one of {', '.join(_COMMANDS)}; got {command!r}")
        least, most, usage = _COMMANDS[command]
        if not least <= len(rest) <= most:
            raise ConfigError(f"{usage} is needed, got {len(rest)} words after {command}")
        if self.role is not None and self.role not in LABELS:
            raise ConfigError(f"a role is one of {', '.join(LABELS)}, got {self.role!r}")
        if command == "add":
            for word in rest[2:]:
                parse_time(word)


_COMMANDS: dict[str, tuple[int, float, str]] = {
    "add": (4, 4, "add NAME FILE START END"),
    "list": (0, 0, "list alone"),
    "find": (1, math.inf, "find FILE…"),
    "remove": (1, 1, "remove NAME"),
    "move": (2, 2, "move TIMES FILE"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.themes``."""
    settings = config.parse(ThemesConfig, argv, prog=PROG, positional="words")
    commands = {"add": _add, "list": _list, "find": _find, "remove": _remove, "move": _move}
    return config.run(lambda: commands[settings.words[0]](settings), PROG)


def _add(settings: ThemesConfig) -> int:
    name, file, start, end = settings.words[1:]
    folder = settings.library or library_folder()
    if theme_path(folder, name).exists() and not settings.replace:
        raise ClippingError(f"{folder}: has a theme {name!r}; --replace replaces it")
    theme = make_theme(
        Path(file),
        parse_time(start),
        parse_time(end),
        name=name,
        role=settings.role,
        stream=_shared_settings(settings).stream,
        pictures=settings.pictures,
    )
    path = save_theme(theme, folder)
    print(f"{_line(theme)}: {path}")
    return 0


def _list(settings: ThemesConfig) -> int:
    themes, problems = _library(settings)
    for theme in themes:
        print(_line(theme))
    if not themes:
        print(f"{settings.library or library_folder()}: there are no themes")
    return int(bool(problems))


def _remove(settings: ThemesConfig) -> int:
    folder = settings.library or library_folder()
    path = theme_path(folder, settings.words[1])
    try:
        path.unlink()
    except FileNotFoundError:
        raise ClippingError(f"{folder}: has no theme {settings.words[1]!r}") from None
    except OSError as error:
        raise ClippingError(f"{path}: cannot be removed: {error.strerror}") from error
    return 0


def _find(settings: ThemesConfig) -> int:
    to_stdout = str(settings.json) == "-"
    if settings.json is not None and not to_stdout:
        require_output(settings.json)
    themes, problems = _library(settings)
    if not themes:
        raise ClippingError(f"{settings.library or library_folder()}: there are no themes to find")
    failed = bool(problems)
    cache, shared = Cache(settings.cache), _shared_settings(settings)
    rows: list[dict[str, Any]] = []
    for path in find_media(settings.words[1:]).values():
        try:
            found = find_themes(cache.fingerprint(path, shared), themes, shared)
        except ClippingError as error:
            print(f"{PROG}: {error}", file=sys.stderr)
            failed = True
            continue
        rows += [finding_row(path, each) for each in found]
        if not to_stdout:
            print(f"{path}:{'' if found else ' none of the themes'}")
            for each in found:
                span = f"{format_time(each.start)} - {format_time(each.end)}"
                part = "" if each.share > 0.995 else f", {each.share:.0%} of it"
                print(f"  {span}  {each.theme.role}  {each.theme.name} ({each.score:.2f}{part})")
    for note in cache.notes:
        print(f"{PROG}: {note}", file=sys.stderr)
    if settings.json is not None:
        write_json(rows, settings.json)
    return int(failed)


def _move(settings: ThemesConfig) -> int:
    from clipping.kept.move_times import move_times

    times, path = map(Path, settings.words[1:])
    if settings.output is not None:
        catalog.format_of_file(settings.output)
        require_output(settings.output)
    cache = Cache(settings.cache)
    shared = replace(_shared_settings(settings), shortest=SHORTEST_PIECE)
    fingerprint = cache.fingerprint(path, shared)
    other, themes, problems = None, list[Theme](), list[str]()
    if settings.from_release is not None:
        other = cache.fingerprint(settings.from_release, shared)
    else:
        themes, problems = _library(settings)
    info = probe(settings.from_release or path)
    rate = None if info.video is None else info.video.frame_rate
    timeline = catalog.read(times, duration=info.duration, frame_rate=rate)
    moved = move_times(timeline, fingerprint, other=other, themes=themes, settings=shared)
    for segment in moved.timeline.segments:
        print(f"{segment}: {'; '.join(segment.evidence[-1:])}")
    for reason in (*moved.left_out, *cache.notes):
        print(f"{PROG}: {reason}", file=sys.stderr)
    if settings.output is not None:
        catalog.write(settings.output, moved.timeline, catalog.format_of_file(settings.output))
    return int(bool(moved.left_out or problems))


def _library(settings: ThemesConfig) -> tuple[list[Theme], list[str]]:
    themes, problems = read_library(settings.library or library_folder())
    for problem in problems:
        print(f"{PROG}: {problem}", file=sys.stderr)
    return themes, problems


def _shared_settings(settings: ThemesConfig) -> SharedSettings:
    return SharedSettings(by=settings.by, audio=settings.audio)


def _line(theme: Theme) -> str:
    source = theme.source
    kinds = [name for name in ("sound", "looks") if getattr(theme, name) is not None]
    return (
        f"{theme.name}  {theme.role}  {theme.duration:.3f} s of {' and '.join(kinds)}, "
        f"from {source.get('file')}, {source.get('when')}"
    )


if __name__ == "__main__":
    sys.exit(main())

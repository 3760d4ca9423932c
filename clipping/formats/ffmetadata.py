"""FFmpeg's metadata file: chapters for ``ffmpeg -map_chapters`` and ``mpv --chapters-file``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from clipping.formats.chapters import Chapter, one_line
from clipping.formats.reading import LineError, bounded

_SPECIAL = re.compile(r"([=;#\\\n])")
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_BASE = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)
_NANOSECOND = Fraction(1, 10**9)
"""FFmpeg's unit where a chapter names none."""


def to_text(chapters: Sequence[Chapter], title: str = "") -> str:
    """A file of whole milliseconds; a chapter whose end is unknown is left out."""
    blocks = [";FFMETADATA1\n" + (f"title={_escaped(title)}\n" if title else "")]
    for chapter in chapters:
        if chapter.end is not None:
            start, end = round(chapter.start * 1000), round(chapter.end * 1000)
            blocks.append(
                f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\n"
                f"title={_escaped(chapter.title)}\n"
            )
    return "\n".join(blocks)


@dataclass
class _Open:
    """A chapter that is being read."""

    line: int
    base: Fraction = _NANOSECOND
    times: dict[str, int] = field(default_factory=dict)
    title: str = ""


def from_text(text: str) -> list[Chapter]:
    """The chapters of a file, in its order; other sections and keys are passed over.

    Raises:
        LineError: for a file of another kind, or a chapter with wrong times.
    """
    lines = _lines(text)
    line, head = next(lines, (1, ""))
    if not head.startswith(";FFMETADATA"):
        raise LineError(line, f"the first line is ;FFMETADATA1, got {head[:80]!r}")
    chapters: list[Chapter] = []
    current: _Open | None = None
    for line, content in lines:
        if content[0] in ";#":
            continue
        if content[0] == "[":
            chapters += _closed(current)
            is_chapter = content.strip().upper() == "[CHAPTER]"
            current = _Open(line) if is_chapter else None
            bounded(len(chapters) + 1, line)
            continue
        key, value = _pair(line, content)
        if current is not None:
            _take(current, line, key.strip().upper(), value)
    return [*chapters, *_closed(current)]


def _take(chapter: _Open, line: int, key: str, value: str) -> None:
    if key == "TIMEBASE":
        base = _BASE.fullmatch(value.strip())
        if base is None or not int(base[1]) or not int(base[2]):
            raise LineError(line, f"a TIMEBASE is a fraction of a second, got {value[:80]!r}")
        chapter.base = Fraction(int(base[1]), int(base[2]))
    elif key in ("START", "END"):
        if not _WHOLE.fullmatch(value.strip()):
            raise LineError(line, f"{key} is a whole number of TIMEBASEs, got {value[:80]!r}")
        chapter.times[key] = int(value)
    elif key == "TITLE":
        chapter.title = one_line(value)


def _closed(chapter: _Open | None) -> list[Chapter]:
    if chapter is None:
        return []
    if "START" not in chapter.times:
        raise LineError(chapter.line, "a chapter has no START")
    end = chapter.times.get("END")
    try:
        return [
            Chapter(
                float(chapter.times["START"] * chapter.base),
                None if end is None else float(end * chapter.base),
                chapter.title,
            )
        ]
    except ValueError as error:
        raise LineError(chapter.line, error) from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank; one that ends in a backslash goes on in the next."""
    begun, parts = 0, list[str]()
    for number, line in enumerate([*re.split(r"\r\n|\n|\r", text), ""], start=1):
        begun = begun or number
        parts.append(line)
        if (len(line) - len(line.rstrip("\\"))) % 2:
            continue
        if (whole := "\n".join(parts)).strip():
            yield begun, whole
        begun, parts = 0, []


def _pair(line: int, content: str) -> tuple[str, str]:
    """Both sides of the first ``=`` that no backslash stands before, without the backslashes."""
    match = re.match(r"((?:[^\\=]|\\.)*)=(.*)", content, re.DOTALL)
    if match is None:
        raise LineError(line, f"a line is key=value, got {content[:80]!r}")
    key, value = (re.sub(r"\\(.)", r"\1", side, flags=re.DOTALL) for side in match.groups())
    return key, value


def _escaped(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", one_line(value))

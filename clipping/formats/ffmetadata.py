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
"""FFmpeg's time base for a chapter that names none."""


def to_text(chapters: Sequence[Chapter], title: str = "") -> str:
    """The chapters in whole milliseconds; a chapter without an end is left out."""
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
    """A chapter whose end has not been read yet."""

    line: int
    base: Fraction = _NANOSECOND
    times: dict[str, int] = field(default_factory=dict)
    title: str = ""


def from_text(text: str) -> list[Chapter]:
    """The chapters of a file in file order; other sections and keys are skipped.

    Raises:
        LineError: if the file is of another format, or a chapter has wrong times.
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
    """(number, line) of each line that is not blank; a final backslash continues it in the next."""
    begun, parts = 0, list[str]()
    for number, line in enumerate([*re.split(r"\r\n|\n|\r", text), ""], start=1):
        begun = begun or number
        parts.append(line)
        # An even number of final backslashes is that of escaped backslashes.
        if (len(line) - len(line.rstrip("\\"))) % 2:
            continue
        if (whole := "\n".join(parts)).strip():
            yield begun, whole
        begun, parts = 0, []


def _pair(line: int, content: str) -> tuple[str, str]:
    """The two sides of the first ``=`` that is not escaped, without the escaping backslashes."""
    match = re.match(r"((?:[^\\=]|\\.)*)=(.*)", content, re.DOTALL)
    if match is None:
        raise LineError(line, f"a line is key=value, got {content[:80]!r}")
    key, value = (re.sub(r"\\(.)", r"\1", side, flags=re.DOTALL) for side in match.groups())
    return key, value


def _escaped(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", one_line(value))

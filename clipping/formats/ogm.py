"""Simple chapters (OGM): ``CHAPTER01=00:00:43.000`` and ``CHAPTER01NAME=Opening``, without ends."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clipping.formats.chapters import Chapter, one_line
from clipping.formats.reading import LineError, bounded, clock_text, numbered, parse_clock

_LINE = re.compile(r"CHAPTER(\d{1,9})(NAME)?\s*=\s*(.*)", re.IGNORECASE | re.ASCII)


def to_text(chapters: Sequence[Chapter]) -> str:
    """Two lines per chapter; its number has at least two digits."""
    return "".join(
        f"CHAPTER{number:02d}={clock_text(chapter.start)}\n"
        f"CHAPTER{number:02d}NAME={chapter.title}\n"
        for number, chapter in enumerate(chapters, start=1)
    )


def from_text(text: str) -> list[Chapter]:
    """The chapters in order of time; their ends are None, since the format has none.

    Raises:
        LineError: for a line of another form, a number that comes twice, or a wrong time.
    """
    starts: dict[int, float] = {}
    titles: dict[int, str] = {}
    for line, content in numbered(text):
        match = _LINE.fullmatch(content)
        if match is None:
            raise LineError(line, f"a line is CHAPTER01=… or CHAPTER01NAME=…: {content[:80]!r}")
        number, is_name = int(match[1]), match[2] is not None
        if number in (titles if is_name else starts):
            raise LineError(line, f"{content.partition('=')[0]} comes twice")
        if is_name:
            titles[number] = one_line(match[3])
            continue
        bounded(len(starts) + 1, line)
        try:
            starts[number] = parse_clock(match[3])
        except ValueError as error:
            raise LineError(line, error) from error
    if nameless := sorted(titles.keys() - starts.keys()):
        raise LineError(1, f"CHAPTER{nameless[0]:02d} has a name and no time")
    ordered = sorted(starts, key=lambda number: (starts[number], number))
    return [Chapter(starts[number], None, titles.get(number, "")) for number in ordered]

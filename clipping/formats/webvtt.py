"""Chapters as WebVTT, for players in browsers: ``<track kind="chapters">``."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from clipping.formats.chapters import Chapter, one_line
from clipping.formats.reading import LineError, bounded, clock_text, parse_clock

_TAG = re.compile(r"<[^<>]*>")


def to_text(chapters: Sequence[Chapter]) -> str:
    """One numbered cue per chapter; a chapter without an end is left out."""
    cues = [
        f"{number}\n{clock_text(chapter.start)} --> {clock_text(chapter.end)}\n"
        f"{html.escape(chapter.title, quote=False)}\n"
        for number, chapter in enumerate(chapters, start=1)
        if chapter.end is not None
    ]
    return "\n".join(["WEBVTT\n", *cues])


def from_text(text: str) -> list[Chapter]:
    """The cues of a file in file order; notes, styles, cue settings and tags are skipped.

    Raises:
        LineError: if the file is no WebVTT, or a cue has wrong times.
    """
    lines = re.split(r"\r\n|\n|\r", text)
    if not re.fullmatch(r"WEBVTT(?:[ \t].*)?", lines[0]):
        raise LineError(1, f"the first line is WEBVTT, got {lines[0][:80]!r}")
    chapters: list[Chapter] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if "-->" not in line:
            continue
        bounded(len(chapters) + 1, number)
        at = number
        payload: list[str] = []  # the lines up to a blank one or the next cue
        while number < len(lines) and lines[number].strip() and "-->" not in lines[number]:
            payload.append(lines[number])
            number += 1
        title = one_line(html.unescape(_TAG.sub("", " ".join(payload))))
        chapters.append(_cue(at, line, title))
    return chapters


def _cue(line: int, times: str, title: str) -> Chapter:
    start, _, rest = times.partition("-->")
    end = rest.split()[:1]  # settings may follow
    try:
        if not end:
            raise ValueError(f"a cue has two times, got {times[:80]!r}")
        return Chapter(parse_clock(start.strip()), parse_clock(end[0]), title)
    except ValueError as error:
        raise LineError(line, error) from error

"""Chapters as mkvmerge and mkvpropedit take them (``--chapters FILE``): XML, to the nanosecond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape

from clipping.formats.chapters import Chapter, one_line
from clipping.formats.reading import LineError, bounded, clock_text, parse_clock

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- <!DOCTYPE Chapters SYSTEM "matroskachapters.dtd"> -->
<Chapters>
  <EditionEntry>
    <EditionUID>1</EditionUID><EditionFlagHidden>0</EditionFlagHidden><EditionFlagDefault>1</EditionFlagDefault>
"""
_TAIL = "  </EditionEntry>\n</Chapters>\n"
_DEEPEST = 64
"""Most levels of nested elements."""
_LONGEST_TEXT = 10_000
"""Most characters in one element."""


def to_text(chapters: Sequence[Chapter]) -> str:
    """One edition. Its UIDs count from 1, so that the same chapters give the same text."""
    return _HEAD + "".join(map(_atom, range(2, len(chapters) + 2), chapters)) + _TAIL


def _atom(uid: int, chapter: Chapter) -> str:
    end = "" if chapter.end is None else clock_text(chapter.end, 9)
    end = end and f"<ChapterTimeEnd>{end}</ChapterTimeEnd>"
    return (
        "    <ChapterAtom>\n"
        f"      <ChapterUID>{uid}</ChapterUID>\n"
        f"      <ChapterTimeStart>{clock_text(chapter.start, 9)}</ChapterTimeStart>{end}\n"
        "      <ChapterFlagHidden>0</ChapterFlagHidden>"
        "<ChapterFlagEnabled>1</ChapterFlagEnabled>\n"
        f"      <ChapterDisplay><ChapterString>{escape(chapter.title)}</ChapterString>"
        "<ChapterLanguage>eng</ChapterLanguage></ChapterDisplay>\n"
        "    </ChapterAtom>\n"
    )


@dataclass
class _Open:
    """A ChapterAtom whose end has not been read yet."""

    line: int
    """Line of its start."""
    texts: dict[str, str] = field(default_factory=dict)


def from_text(text: str) -> list[Chapter]:
    """The chapters of all editions, in order of time, except hidden or disabled ones.

    Nested chapters are listed like others. Of several titles the first one counts. Entities are
    refused: no chapter file needs them, and nested ones can grow without bound ("billion laughs").

    Raises:
        LineError: for damaged XML, or a chapter with wrong times.
    """
    # Set the encoding: the text is decoded already, whatever the file's head names.
    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    path: list[str] = []
    atoms: list[_Open] = []
    found: list[Chapter] = []
    pieces: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        line = parser.CurrentLineNumber
        if not path and name != "Chapters":
            raise LineError(line, f"the outermost element is <Chapters>, got <{name[:80]}>")
        if len(path) >= _DEEPEST:
            raise LineError(line, f"elements lie more than {_DEEPEST} deep")
        path.append(name)
        pieces.clear()
        if name == "ChapterAtom":
            atoms.append(_Open(line))
            bounded(len(found) + len(atoms), line)

    def data(piece: str) -> None:
        pieces.append(piece)
        if sum(map(len, pieces)) > _LONGEST_TEXT:
            raise LineError(parser.CurrentLineNumber, f"<{path[-1]}> holds a text without end")

    def end(name: str) -> None:
        path.pop()
        if atoms and name == "ChapterAtom":
            if (chapter := _closed(atoms.pop())) is not None:
                found.append(chapter)
        elif atoms:
            atoms[-1].texts.setdefault(name, "".join(pieces).strip())
        pieces.clear()

    def refuse(*_: object) -> None:
        raise LineError(parser.CurrentLineNumber, "declares entities, which no chapter file needs")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise LineError(error.lineno, f"not XML: {expat.ErrorString(error.code)}") from error
    return sorted(found, key=lambda chapter: (chapter.start, -(chapter.end or 0.0)))


def _closed(atom: _Open) -> Chapter | None:
    """The chapter of a finished element; None if it is hidden or disabled."""
    texts = atom.texts
    if texts.get("ChapterFlagHidden") == "1" or texts.get("ChapterFlagEnabled") == "0":
        return None
    if "ChapterTimeStart" not in texts:
        raise LineError(atom.line, "a ChapterAtom has no ChapterTimeStart")
    try:
        begin = parse_clock(texts["ChapterTimeStart"])
        end = parse_clock(texts["ChapterTimeEnd"]) if texts.get("ChapterTimeEnd") else None
        return Chapter(begin, end, one_line(texts.get("ChapterString", "")))
    except ValueError as error:
        raise LineError(atom.line, error) from error

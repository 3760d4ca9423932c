"""EDL as MPlayer and Kodi read it: ``start end action``, one edit a line.

=======  =======================================================================================
action   what the player does
=======  =======================================================================================
0, 1     leaves the span out; plays it without sound
2        a place to jump to (the second time is the mark; a line of one time means the same)
3        jumps over the span once: what we write for an opening, ending, recap, commercial
4, 5     opening and ending in the dialect of the Notrobro add-on; Kodi itself refuses them
=======  =======================================================================================

Everything else of a timeline (a preview, a song over story) only gets a mark where it begins.
Kodi refuses edits that touch, so a millisecond is left between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from clipping.formats.reading import (
    About,
    LineError,
    apart,
    bounded,
    numbered,
    parse_clock,
    plain_number,
)
from clipping.segments import Segment, Timeline

SKIPPED = ("opening", "ending", "recap", "commercial")
"""Labels whose spans a player jumps over."""
LABELS = {0: "cut", 1: "mute", 3: "commercial", 4: "opening", 5: "ending"}
"""What a span is called that was read from a file: it holds no names."""
_ACTIONS = {"opening": 4, "ending": 5}
_GAP = 0.001


@dataclass(frozen=True)
class Edit:
    """One line: seconds, and a number of 0 to 5; a mark (2) has one time twice."""

    start: float
    end: float
    action: int


def to_text(timeline: Timeline) -> str:
    """Kodi's own actions."""
    return edits_text(edits_of(timeline))


def to_dialect_text(timeline: Timeline) -> str:
    """With 4 and 5 for openings and endings."""
    return edits_text(edits_of(timeline, _ACTIONS))


def from_text(text: str, about: About) -> Timeline:
    """The spans of an EDL, called as :data:`LABELS` says; marks are left out.

    Raises:
        LineError: for a line that is no edit.
    """
    segments = []
    for line, edit in parse(text, about.frame_rate):
        if edit.action != 2:
            try:
                segments.append(Segment(edit.start, edit.end, LABELS[edit.action]))
            except ValueError as error:
                raise LineError(line, error) from error
    return Timeline(about.source, about.duration, tuple(segments))


def edits_of(timeline: Timeline, actions: dict[str, int] | None = None) -> list[Edit]:
    """The edits of a timeline in order of time; ``actions`` beat 3 for the labels they name."""
    skipped = tuple(each for each in timeline.segments if each.label in SKIPPED)
    edits = []
    for segment in apart(_milliseconds(skipped), _GAP):
        action = (actions or {}).get(segment.label, 3)
        edits.append(Edit(segment.start, segment.end, action))
    edits += [Edit(s.start, s.start, 2) for s in timeline.segments if s.label not in SKIPPED]
    return sorted(edits, key=lambda edit: (edit.start, edit.action))


def edits_text(edits: Iterable[Edit]) -> str:
    """One line an edit, three decimals."""
    return "".join(f"{edit.start:.3f} {edit.end:.3f} {edit.action}\n" for edit in edits)


def parse(text: str, frame_rate: Fraction | None = None) -> list[tuple[int, Edit]]:
    """The edits of a text and their lines, in order of the file.

    Times are seconds, ``HH:MM:SS.sss``, or ``#`` and a number of frames. Blanks or tabs part the
    fields, and may end a line; ``##`` begins a comment.

    Raises:
        LineError: for a line that is no edit, or frames without a frame rate.
    """
    edits: list[tuple[int, Edit]] = []
    for line, content in numbered(text):
        words = content.partition("##")[0].split()
        if not words:
            continue
        bounded(len(edits) + 1, line)
        try:
            edits.append((line, _edit(words, frame_rate)))
        except ValueError as error:
            raise LineError(line, error) from error
    return edits


def _edit(words: list[str], frame_rate: Fraction | None) -> Edit:
    if len(words) == 2 and words[1] == "2":
        time = _time(words[0], frame_rate)
        return Edit(time, time, 2)
    if len(words) != 3:
        raise ValueError(f"an edit is 'start end action', got {' '.join(words)[:80]!r}")
    if not re.fullmatch("[0-5]", words[2]):
        raise ValueError(f"an action is a number from 0 to 5, got {words[2][:80]!r}")
    start, end = _time(words[0], frame_rate), _time(words[1], frame_rate)
    action = int(words[2])
    return Edit(end, end, 2) if action == 2 else Edit(start, end, action)


def _time(word: str, frame_rate: Fraction | None) -> float:
    if word[0] == "#":
        if not re.fullmatch(r"#\d{1,12}", word, re.ASCII):
            raise ValueError(f"a frame is # and its number, got {word[:80]!r}")
        if frame_rate is None or frame_rate <= 0:
            raise ValueError(f"{word} counts frames; say the frame rate of the media")
        return float(int(word[1:]) / frame_rate)
    return parse_clock(word) if ":" in word else plain_number(word)


def _milliseconds(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    rounded = ((round(s.start, 3), round(s.end, 3), s.label) for s in segments)
    return tuple(Segment(start, end, label) for start, end, label in rounded if start < end)

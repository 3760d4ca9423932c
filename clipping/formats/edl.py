"""EDL as MPlayer and Kodi read it: ``start end action``, one edit a line.

=======  =======================================================================================
action   meaning for the player
=======  =======================================================================================
0, 1     0: leave the span out; 1: play it without sound
2        a mark to jump to (the second time is the mark; a line of one time means the same)
3        jump over the span once: written for an opening, ending, recap or commercial
4, 5     opening and ending in the dialect of the Notrobro add-on; Kodi itself refuses them
=======  =======================================================================================

For other segments (a preview, a song over story) only a mark is written where they begin. Kodi
refuses edits that touch, so a millisecond is left between them.
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
"""Action → label of a span that is read; the format holds no labels of its own."""
_ACTIONS = {"opening": 4, "ending": 5}
"""Label → action in Notrobro's dialect."""
_GAP = 0.001
"""Seconds between two edits."""


@dataclass(frozen=True)
class Edit:
    """One line of an EDL."""

    start: float
    """Seconds."""
    end: float
    """Seconds; for a mark (action 2) the same as ``start``."""
    action: int
    """0 to 5; see the head of this module."""


def to_text(timeline: Timeline) -> str:
    """The EDL of a timeline, with the actions that Kodi knows."""
    return edits_text(edits_of(timeline))


def to_dialect_text(timeline: Timeline) -> str:
    """The EDL of a timeline, with actions 4 and 5 for openings and endings."""
    return edits_text(edits_of(timeline, _ACTIONS))


def from_text(text: str, about: About) -> Timeline:
    """The spans of an EDL, labelled by :data:`LABELS`; marks are left out.

    Raises:
        LineError: for a line that is no edit.
    """
    segments = []
    for line, edit in parse_edits(text, about.frame_rate):
        if edit.action != 2:
            try:
                segments.append(Segment(edit.start, edit.end, LABELS[edit.action]))
            except ValueError as error:
                raise LineError(line, error) from error
    return Timeline(about.source, about.duration, tuple(segments))


def edits_of(timeline: Timeline, actions: dict[str, int] | None = None) -> list[Edit]:
    """The edits of a timeline in order of time.

    Args:
        actions: label → action, for labels that get another action than 3.
    """
    skipped = tuple(each for each in timeline.segments if each.label in SKIPPED)
    edits = []
    for segment in apart(_milliseconds(skipped), _GAP):
        action = (actions or {}).get(segment.label, 3)
        edits.append(Edit(segment.start, segment.end, action))
    edits += [Edit(s.start, s.start, 2) for s in timeline.segments if s.label not in SKIPPED]
    return sorted(edits, key=lambda edit: (edit.start, edit.action))


def edits_text(edits: Iterable[Edit]) -> str:
    """One line per edit, times with three decimals."""
    return "".join(f"{edit.start:.3f} {edit.end:.3f} {edit.action}\n" for edit in edits)


def parse_edits(text: str, frame_rate: Fraction | None = None) -> list[tuple[int, Edit]]:
    """(line number, edit) for each edit of a text, in file order.

    A time is seconds, ``HH:MM:SS.sss``, or ``#`` and a number of frames. Fields are separated by
    blanks or tabs, which may also end a line; ``##`` begins a comment.

    Args:
        frame_rate: of the media, in frames per second; needed for times in frames.

    Raises:
        LineError: for a line that is no edit, or a time in frames without a frame rate.
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
            raise ValueError(f"{word} is a number of frames; give the frame rate of the media")
        return float(int(word[1:]) / frame_rate)
    return parse_clock(word) if ":" in word else plain_number(word)


def _milliseconds(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    rounded = ((round(s.start, 3), round(s.end, 3), s.label) for s in segments)
    return tuple(Segment(start, end, label) for start, end, label in rounded if start < end)

"""The script of a made-up episode: its boundaries, and the parts between them.

A script is cheap arithmetic on frame numbers, so a thousand scripts can be drawn without rendering
one. A boundary lies on a frame, and the sound changes at that frame's first sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW_SECONDS = 200
"""Seconds of an episode's first and last window."""

PERCENTILES = {
    "start": {
        0: 3.0, 5: 13.7, 25: 41.5, 50: 74.8, 56: 80.0, 75: 91.1, 89: 100.0, 95: 123.7, 100: 199.7,
    },
    "end": {0: 5.0, 5: 66.7, 25: 108.2, 50: 136.5, 75: 165.5, 95: 172.9, 100: 179.8},
}  # fmt: skip
"""Percentiles of the challenge's 1799 start labels (end of the opening) and 1600 end labels (start
of the ending), in seconds of the window. 56 and 89 hold the known third from 80 to 100 s."""

LABELS, SERIES, EPISODE, PART = range(4)
"""Purposes of random streams: streams of different purposes never give the same numbers."""


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers for one purpose; they depend only on the arguments.

    So any process can draw them, in any order.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def draw_label(side: str, rng: np.random.Generator, low: float = 0, high: float = 100) -> float:
    """Draw seconds in the window, distributed like the challenge's labels between percentiles."""
    table = PERCENTILES[side]
    return float(np.interp(rng.uniform(low, high), list(table), list(table.values())))


@dataclass(frozen=True)
class ScriptPart:
    """A stretch of an episode in one manner, in frames."""

    kind: str
    """``opening``, ``ending``, ``story``, ``title``, ``sponsor``, ``eyecatch`` or ``preview``."""
    start_frame: int
    frames: int
    cut_head: int = 0
    """Frames of the opening's song that are cut off because the file starts later."""

    @property
    def end_frame(self) -> int:
        """The first frame after it."""
        return self.start_frame + self.frames


@dataclass(frozen=True)
class Manner:
    """Properties that are drawn once for each episode: mix, noise, fades, captions."""

    gain_db: float
    speech_db: float
    """Loudness of the speech relative to the songs, in dB."""
    grain: float
    """Standard deviation of the picture's noise, in steps of 255; 0 is clean."""
    subtitles: bool
    opening_credits: bool
    fade_opening: bool
    """The opening fades to black."""
    fade_story: bool
    """The pictures before the ending fade to black."""
    insert_song: bool
    """A song plays somewhere in the story."""


@dataclass(frozen=True)
class Script:
    """One episode before it is rendered."""

    name: str
    index: int
    series: int
    rate: int
    """Frames a second."""
    parts: tuple[ScriptPart, ...]
    manner: Manner

    @property
    def frames(self) -> int:
        """Length of the episode in frames."""
        return self.parts[-1].end_frame

    @property
    def duration(self) -> float:
        """Length of the episode in seconds."""
        return self.frames / self.rate

    def span(self, kind: str) -> tuple[float, float]:
        """Start and end in seconds of the first part of a kind."""
        part = next(part for part in self.parts if part.kind == kind)
        return part.start_frame / self.rate, part.end_frame / self.rate

    @property
    def labels(self) -> dict[str, float]:
        """Seconds in the two windows: ``start`` the opening's end, ``end`` the ending's start."""
        window_start = max(0.0, self.duration - WINDOW_SECONDS)
        return {"start": self.span("opening")[1], "end": self.span("ending")[0] - window_start}


@dataclass(frozen=True)
class Habits:
    """Times that the episodes of a series share, in seconds."""

    opening_length: float
    ending_length: float
    opening_end: float | None = None
    """Usual end of the opening; None: drawn for each episode."""
    ending_start: float | None = None
    """Start of the ending in the end window; None: drawn for each episode."""


def draw_habits(seed: int, series: int, *, fixed: bool) -> Habits:
    """Draw the habits of a series; ``fixed``: all its openings are at about the same time."""
    rng = stream(seed, LABELS, SERIES, series)
    opening, ending = (
        rng.normal(88.5, 1.0) if rng.random() < 0.85 else rng.uniform(40, 80) for _ in range(2)
    )
    if not fixed:
        return Habits(opening, ending)
    return Habits(opening, ending, draw_label("start", rng, 50, 75), draw_label("end", rng, 10, 40))


def draw_script(
    seed: int,
    index: int,
    *,
    series: int,
    name: str,
    habits: Habits,
    duration: tuple[float, float],
    rate: int,
) -> Script:
    """Draw the script of episode ``index``; it depends only on the arguments.

    ``duration`` is the shortest and the longest in seconds. If the shortest is below two windows,
    all times shrink in proportion, so that an opening, a story and an ending fit.
    """
    rng = stream(seed, LABELS, EPISODE, index)
    seconds = rng.uniform(*duration)
    scale = min(1.0, duration[0] / (2 * WINDOW_SECONDS))  # one for all episodes of a series
    total = round(seconds * rate)
    if habits.opening_end is None or habits.ending_start is None:
        opening_end, into_window = draw_label("start", rng), draw_label("end", rng)
    else:
        opening_end = habits.opening_end + rng.triangular(-12, 0, 25)
        into_window = habits.ending_start + rng.uniform(-1, 1)
    second = scale * rate
    ending_frame = total - max(2, round((WINDOW_SECONDS - into_window) * second))
    opening_end_frame = min(max(2, round(opening_end * second)), ending_frame - 1)
    parts = [
        *_until_story(opening_end_frame, round(habits.opening_length * second)),
        *_story(opening_end_frame, ending_frame, second, rng),
        *_after_story(ending_frame, total, habits.ending_length, second, rng),
    ]
    return Script(name, index, series, rate, tuple(parts), _draw_manner(rng))


def _until_story(end: int, length: int) -> list[ScriptPart]:
    """A cold open (story before the opening), if there is room for one, and the opening."""
    start = end - length
    if start <= 0:  # the song began before the file did
        return [ScriptPart("opening", 0, end, cut_head=-start)]
    return [ScriptPart("story", 0, start), ScriptPart("opening", start, length)]


def _story(start: int, end: int, second: float, rng: np.random.Generator) -> list[ScriptPart]:
    """The story, with the title cards, sponsors and eyecatches of television."""
    sponsor = rng.random() < 0.15
    title = rng.random() < 0.4
    eyecatch = rng.random() < 0.3
    lengths = rng.uniform((6, 3, 4), (10, 6, 6))
    parts = []

    def add(kind: str, frames: int) -> None:
        nonlocal start
        if frames > 0:
            parts.append(ScriptPart(kind, start, frames))
            start += frames

    if end - start > 40 * second:
        if sponsor:
            add("sponsor", round(lengths[0] * second))
        if title:
            add("title", round(lengths[1] * second))
        if eyecatch:
            add("story", round((end - start) * rng.uniform(0.3, 0.7)))
            add("eyecatch", round(lengths[2] * second))
    add("story", end - start)
    return parts


def _after_story(
    start: int, end: int, length: float, second: float, rng: np.random.Generator
) -> list[ScriptPart]:
    """The ending until its song or the file ends, then the rest of the story, and a preview."""
    room = end - start
    ending = min(round(length * second), room)
    preview = max(1, round(rng.uniform(12, 30) * second))
    shortened = rng.random() < 0.35
    if room - ending < 4 * second:  # no room for anything else: the song is held, or makes room
        ending = room - preview if shortened and room > 60 * second else room
    left = room - ending
    parts = [ScriptPart("ending", start, ending)]
    if left == 0:
        return parts
    if left <= preview * 1.3:
        kind = "preview" if rng.random() < 0.7 else "story"
        return [*parts, ScriptPart(kind, start + ending, left)]
    if rng.random() < 0.4:
        return [*parts, ScriptPart("story", start + ending, left)]
    return [
        *parts,
        ScriptPart("story", start + ending, left - preview),
        ScriptPart("preview", end - preview, preview),
    ]


def _draw_manner(rng: np.random.Generator) -> Manner:
    return Manner(
        gain_db=rng.uniform(-10, 0),
        speech_db=rng.uniform(-6, 3),
        grain=rng.uniform(1, 4) if rng.random() < 0.25 else 0.0,
        subtitles=bool(rng.random() < 0.35),
        opening_credits=bool(rng.random() < 0.9),
        fade_opening=bool(rng.random() < 0.35),
        fade_story=bool(rng.random() < 0.35),
        insert_song=bool(rng.random() < 0.12),
    )

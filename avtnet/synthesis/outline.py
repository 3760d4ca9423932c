"""The outline of a varied episode: its stretches in order, with openings anywhere or none.

Unlike the scripts of :mod:`avtnet.synthesis.script`, which follow one pattern, outlines are in
seconds (without a frame rate), and may lack an opening or an ending. Shares and lengths are those
of 15,000 real episodes and of the challenge's labels (docs/model-card.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avtnet.synthesis.script import LABELS, WINDOW_SECONDS, draw_label, stream

KINDS = tuple(
    "story opening ending title sponsor eyecatch preview recap logo warning".split()
)  # what a stretch may be
VARIED = 7
"""Keeps these random streams apart from those of :mod:`avtnet.synthesis.script`."""
OPENING_STARTS = (
    (0.148, 0, 5),
    (0.308, 5, 60),
    (0.275, 60, 110),
    (0.195, 110, 200),
    (0.074, 200, 700),
)  # share, and seconds from and to, of real openings' starts


@dataclass(frozen=True)
class OutlineStretch:
    """A part of an episode of one kind, ``[start, end)`` in seconds."""

    kind: str
    start: float
    end: float
    seed: int
    """Seed of its pictures and sound."""
    head: float = 0.0
    """Seconds of an opening that are cut off because the file starts later."""

    @property
    def length(self) -> float:
        """Seconds."""
        return self.end - self.start


@dataclass(frozen=True)
class Outline:
    """One episode before it is rendered."""

    name: str
    series_seed: int
    stretches: tuple[OutlineStretch, ...]
    seed: int

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.stretches[-1].end

    def span(self, kind: str) -> tuple[float, float] | None:
        """Return start and end in seconds of the opening or the ending; None if there is none."""
        for stretch in self.stretches:
            if stretch.kind == kind:
                return stretch.start, stretch.end
        return None

    @property
    def labels(self) -> dict[str, float]:
        """Boundaries that lie in their windows, in seconds of the window.

        ``start`` is the opening's end in the first window, ``end`` the ending's start in the last.
        """
        labels = {}
        opening, ending = self.span("opening"), self.span("ending")
        if opening is not None and opening[1] <= WINDOW_SECONDS:
            labels["start"] = opening[1]
        begin = max(0.0, self.duration - WINDOW_SECONDS)
        if ending is not None and ending[0] >= begin:
            labels["end"] = ending[0] - begin
        return labels


def draw_outline(
    seed: int, index: int, *, series: int, name: str, duration: tuple[float, float] | None = None
) -> Outline:
    """Draw the outline of episode ``index``.

    Args:
        seed: one for each split; outlines of two seeds share nothing.
        series: its episodes share songs, pictures of songs, characters and fonts.
        duration: shortest and longest in seconds; None: 20 to 25 minutes for most, less for some.
    """
    rng = stream(seed, LABELS, VARIED, index)
    own = stream(seed, LABELS, VARIED, 0, series)
    series_seed = int(own.integers(2**31))
    total = _draw_duration(rng) if duration is None else rng.uniform(*duration)
    before = _draw_opening(rng, total)
    after = _draw_ending(rng, total)
    plan: list[tuple[str, float]] = []
    if before is not None:
        start, length, head = before
        plan += _cold_open(rng, start)
        plan.append(("opening", length - head))
    else:
        head = 0.0
        if rng.random() < 0.3:
            plan.append(("title", rng.uniform(3, 8)))
    tail: list[tuple[str, float]] = []
    if after is not None:
        length, rest = after
        tail = [("ending", length), *_after_ending(rng, rest)]
    used = sum(length for _, length in [*plan, *tail])
    plan += _middle(rng, max(10.0, total - used))
    stretches: list[OutlineStretch] = []
    at = 0.0
    songs = {"opening": series_seed + 1, "ending": series_seed + 2, "eyecatch": series_seed + 3}
    for kind, length in [*plan, *tail]:
        drawn = int(rng.integers(2**31))
        stretches.append(
            OutlineStretch(
                kind,
                at,
                at + length,
                songs.get(kind, drawn),
                head if kind == "opening" else 0.0,
            )
        )
        at += length
    return Outline(name, series_seed, tuple(stretches), int(rng.integers(2**31)))


def single(kind: str, length: float, seed: int) -> Outline:
    """Return an episode of one stretch, for a piece (:mod:`avtnet.synthesis.library`)."""
    stretch = OutlineStretch(kind, 0.0, length, seed)
    return Outline(f"{kind}-{seed}", seed // 5, (stretch,), seed)


def song_length(rng: np.random.Generator) -> float:
    """Draw the length of an opening or an ending in seconds."""
    return float(
        rng.choice(
            [rng.normal(89, 1.5), rng.uniform(15, 80), rng.uniform(95, 140)], p=[0.75, 0.18, 0.07]
        )
    )


def _draw_duration(rng: np.random.Generator) -> float:
    return float(rng.uniform(1260, 1500) if rng.random() < 0.7 else rng.uniform(300, 1260))


def _draw_opening(rng: np.random.Generator, total: float) -> tuple[float, float, float] | None:
    """Draw start, whole length and cut-off head of the opening; None for no opening."""
    if rng.random() < 0.12:
        return None
    length = song_length(rng)
    if rng.random() < 0.5:  # as the challenge's
        start = draw_label("start", rng) - length
    else:  # as a catalogue's
        at = rng.choice(len(OPENING_STARTS), p=[share for share, *_ in OPENING_STARTS])
        start = rng.uniform(*OPENING_STARTS[at][1:])
        if rng.random() < 0.06:
            start = 0.0
    start = min(start, 0.45 * total)
    if start < 0:
        head = min(-start, length - 5)
        return 0.0, length, head
    return start, length, 0.0


def _draw_ending(rng: np.random.Generator, total: float) -> tuple[float, float] | None:
    """Length of the ending and seconds after it."""
    if rng.random() < 0.1:
        return None
    length = min(song_length(rng), 0.4 * total)
    if rng.random() < 0.4:
        left = max(8.0, WINDOW_SECONDS - draw_label("end", rng))
        return (length, left - length) if left > length + 3 else (left, 0.0)
    rest = rng.choice([0, rng.uniform(0.5, 5), rng.uniform(5, 40), rng.uniform(40, 150)])
    return length, float(min(rest, 0.2 * total))


def _cold_open(rng: np.random.Generator, length: float) -> list[tuple[str, float]]:
    """Draw the stretches before the opening, exactly ``length`` seconds in all."""
    plan: list[tuple[str, float]] = []
    left = length
    for kind, share, low, high in (
        ("logo", 0.15, 2, 8),
        ("warning", 0.08, 4, 10),
        ("recap", 0.15, 15, 70),
        ("title", 0.05, 3, 6),
    ):
        size = rng.uniform(low, high)
        if rng.random() < share and left > size + 2:
            plan.append((kind, size))
            left -= size
    if left > 0:
        plan.append(("story", left))
    return plan


def _middle(rng: np.random.Generator, length: float) -> list[tuple[str, float]]:
    """The episode proper."""
    plan: list[tuple[str, float]] = []
    left = length
    for kind, share, low, high in (("sponsor", 0.15, 5, 11), ("title", 0.45, 3, 8)):
        size = rng.uniform(low, high)
        if rng.random() < share and left > 40 + size:
            plan.append((kind, size))
            left -= size
    if left > 60 and rng.random() < 0.5:
        first = left * rng.uniform(0.35, 0.65)
        plan.append(("story", first))
        left -= first
        for _ in range(int(rng.integers(1, 3))):
            size = rng.uniform(2.5, 6.5)
            plan.append(("eyecatch", size))
            left -= size
    return [*plan, ("story", left)]


def _after_ending(rng: np.random.Generator, length: float) -> list[tuple[str, float]]:
    """A scene, a preview, a sponsor or an end card: exactly so many seconds."""
    plan: list[tuple[str, float]] = []
    left = length
    preview, card = rng.uniform(12, 32), rng.uniform(3, 10)
    if left > 1.2 * card and rng.random() < 0.3:
        plan.insert(0, (str(rng.choice(["sponsor", "logo", "title"])), card))
        left -= card
    if left > preview and rng.random() < 0.6:
        plan.insert(0, ("preview", preview))
        left -= preview
    if left > 0:
        plan.insert(0, ("preview" if left < 35 and rng.random() < 0.5 else "story", left))
    return plan

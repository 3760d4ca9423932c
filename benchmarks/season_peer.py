"""Openings and endings as users have them today: chromaprint, matched as intro-skipper does."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from season_scores import Episode
from shared import CREDITS_SECONDS, INTRO_SECONDS, INTRO_SHARE, LONGEST, Span, compared, points

from clipping.segments import Segment

END_SNAP_SECONDS = 2.0
"""An end so close to the file's end is moved there."""
WHOLE_SECONDS = 300.0
"""Of episodes up to this length the whole is searched for an opening."""


def peer(folder: Path, episodes: Sequence[Episode]) -> list[Episode]:
    """The longest stretch of each window that an episode shares with its first valid sibling.

    A later sibling replaces it only where its stretch is longer. There is no confidence. Its
    snapping to silence and keyframes, and its search for black pictures, are left out.
    """
    found: dict[str, list[Segment]] = {each.file: [] for each in episodes}
    for label, longest in (("opening", LONGEST), ("ending", CREDITS_SECONDS - 1)):
        windows = []
        for episode in episodes:
            begin, end = window(label, episode.duration)
            try:
                words = points(folder / episode.file, begin, end)
            except subprocess.CalledProcessError:  # no media, or no sound
                words = np.zeros(0, "<u4")
            windows.append((begin, words))
        best = first_valid([words for _, words in windows], longest)
        for place, (start, end) in best.items():
            begin, whole = windows[place][0], episodes[place].duration
            stop = whole if whole - begin - end <= END_SNAP_SECONDS else begin + end
            if begin + max(start, 0.0) < stop:
                segment = Segment(begin + max(start, 0.0), stop, label)
                found[episodes[place].file].append(segment)
    return [replace(each, found=tuple(found[each.file])) for each in episodes]


def window(label: str, duration: float) -> Span:
    """The region that it searches, in seconds."""
    if label == "ending":
        return max(0.0, duration - CREDITS_SECONDS), duration
    if duration < WHOLE_SECONDS:
        return 0.0, duration
    return 0.0, min(INTRO_SHARE * duration, INTRO_SECONDS)


def first_valid(windows: Sequence[np.ndarray], longest: float) -> dict[int, Span]:
    """The stretch of each window: number of the window → seconds in it."""
    best: dict[int, Span] = {}
    settled: set[int] = set()
    for i, j in itertools.combinations(range(len(windows)), 2):
        if i in settled:
            continue
        spans = compared(windows[i], windows[j], longest)
        if spans is None:
            continue
        settled.add(i)
        for place, span in zip((i, j), spans, strict=True):
            span = float(span[0]), float(span[1])
            if place not in best or span[1] - span[0] > best[place][1] - best[place][0]:
                best[place] = span
    return best

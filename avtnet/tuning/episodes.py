"""A person's own labelled episodes as windows to train on, cut anywhere out of whole episodes.

Of an episode its sound is known throughout, its pictures and text at whole seconds. A window may
begin at any instant all the same: a second of it shows the picture of the nearest whole second on
the same side of every boundary, so the picture never contradicts the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avtnet.dense.inputs import (
    COLUMNS_A_SECOND,
    Example,
    Examples,
    Inputs,
    boundary_times,
    class_shares,
    halved,
    place,
    stacked,
)
from avtnet.dense.settings import SLOTS
from avtnet.tuning.labels import KINDS, Labels
from clipping.segments import Segment
from clipping.windows import WINDOW_SECONDS
from preprocess.audio import mfcc
from preprocess.episode import Episode

PART = 2560
"""Seconds whose MFCC are made at once: a whole number of columns, so that parts fit together."""
ABOUT = 60.0
"""Seconds around a file's start or end within which most windows begin or end."""


@dataclass(frozen=True)
class OwnEpisode:
    """All seconds of an episode, about 7 KB each in memory, and what is known of them."""

    name: str
    duration: float
    frames: np.ndarray
    """uint8 (n, 3, 33, 44): shown at the seconds 0, 1, …"""
    text: np.ndarray
    """bool (n, 27, 36)"""
    mfcc: np.ndarray
    """float16 (20, columns)"""
    labels: Labels

    @property
    def seconds(self) -> int:
        """Pictures."""
        return len(self.frames)


def read_own(episode: Episode, labels: Labels) -> OwnEpisode:
    """Read all that a network needs of a kept episode.

    Raises:
        FeatureError: where its file is damaged.
    """
    parts = []
    for first in range(0, episode.seconds, PART):
        last = min(first + PART, episode.seconds)
        length = min(episode.duration, last) - first
        given = episode.samples(first, last)[: round(length * episode.settings.sample_rate)]
        parts.append(_cepstrum(given, episode, last - first))
    frames = [
        halved(episode.frames(first, min(first + PART, episode.seconds)))
        for first in range(0, episode.seconds, PART)
    ]
    return OwnEpisode(
        episode.name,
        episode.duration,
        np.concatenate(frames),
        episode.text(),
        np.concatenate(parts, axis=1),
        labels,
    )


def _cepstrum(samples: np.ndarray, episode: Episode, seconds: int) -> np.ndarray:
    from dataclasses import replace

    settings = replace(episode.settings, window=float(seconds))
    made = mfcc(samples if samples.any() else samples[:0], settings)
    return made[:, : round(seconds * COLUMNS_A_SECOND)].astype(np.float16)


def window(episode: OwnEpisode, start: float, seconds: int = int(WINDOW_SECONDS)) -> Example:
    """The seconds from ``start`` on (0 or later), and what should be said of them.

    Where the truth is not known, a second has no class (all zeros, see
    :func:`avtnet.dense.losses.dense_loss`).
    """
    times = start + np.arange(seconds)
    inside = times < episode.duration
    shown = _shown(times, episode)
    frames = np.where(inside[:, None, None, None], episode.frames[shown], 0).astype(np.uint8)
    text = episode.text[shown] & inside[:, None, None]
    instants = start + (np.arange(seconds * SLOTS) + 0.5) / SLOTS
    columns = np.rint(instants * COLUMNS_A_SECOND).astype(int)
    heard = (columns < episode.mfcc.shape[1]) & (instants < episode.duration)
    sound = np.where(heard, episode.mfcc[:, np.where(heard, columns, 0)], 0).astype(np.float32)
    spans, rest = _spans(episode.labels, start, start + seconds)
    classes = class_shares(spans, start, seconds)
    classes[_unknown(episode, rest, start, seconds)] = 0
    return Example(
        sound,
        frames,
        text,
        place(times, episode.duration),
        classes,
        boundary_times(spans, start, seconds),
        start,
        episode.duration,
    )


def _shown(times: np.ndarray, episode: OwnEpisode) -> np.ndarray:
    """Which picture stands for each time."""
    near = np.clip(np.rint(times).astype(int), 0, episode.seconds - 1)
    for span in episode.labels.spans:
        for edge in (span.start, span.end):
            after = times >= edge
            wrong = after != (near >= edge)
            near = np.where(wrong & after, np.ceil(edge), near).astype(int)
            near = np.where(wrong & ~after, np.ceil(edge) - 1, near).astype(int)
    return np.clip(near, 0, episode.seconds - 1)


def _spans(
    labels: Labels, first: float, last: float
) -> tuple[dict[str, tuple[float, float] | None], list[Segment]]:
    """The span of each kind that a window is about, and all others, of which it says nothing.

    A file of two episodes has two openings; the network names one a window.
    """
    stretch = Segment(first, last)
    chosen: dict[str, tuple[float, float] | None] = {}
    rest = [each for each in labels.spans if each.label not in KINDS]
    for kind in KINDS:
        spans = sorted(labels.of(kind), key=stretch.overlap)
        if spans:
            chosen[kind] = (spans[-1].start, spans[-1].end)
            rest += spans[:-1]
    return chosen, rest


def _unknown(
    episode: OwnEpisode, rest: Sequence[Segment], start: float, seconds: int
) -> np.ndarray:
    """Which seconds of a window have no truth: bool (T,).

    Where only the opening was spoken of, the ending may be anywhere in the second half outside of
    it; where only the ending was, the opening in the first.
    """
    at = start + np.arange(seconds) + 0.5
    unknown = np.zeros(seconds, bool)
    for span in rest:
        unknown |= (at > span.start - 0.5) & (at < span.end + 0.5)
    for kind, possible in (
        ("opening", at < episode.duration / 2),
        ("ending", at > episode.duration / 2),
    ):
        if kind not in episode.labels.known:
            told = np.zeros(seconds, bool)
            for span in episode.labels.spans:
                told |= (at > span.start) & (at < span.end)
            unknown |= possible & ~told
    return unknown


class OwnWindows:
    """Windows of episodes drawn by chance: most begin near a file's start or end near its end."""

    def __init__(
        self, episodes: Sequence[OwnEpisode], seed: int, seconds: int = int(WINDOW_SECONDS)
    ) -> None:
        self.episodes, self.seed, self.seconds = tuple(episodes), seed, seconds

    def example(self, index: int) -> Example:
        """Example ``index``; the same for the same episodes and seed. Each has its turn."""
        rng = np.random.default_rng([self.seed, 25, index])
        order = np.random.default_rng([self.seed, 26, index // len(self.episodes)])
        turn = order.permutation(len(self.episodes))[index % len(self.episodes)]
        episode = self.episodes[turn]
        latest = max(0.0, episode.duration - self.seconds)
        near = min(latest, rng.uniform(0, ABOUT) * (rng.random() < 0.6))
        manner = rng.choice(3, p=[0.4, 0.4, 0.2])
        start = (near, latest - near, rng.uniform(0, latest))[manner]
        return window(episode, float(start), self.seconds)


class Mixed:
    """Own windows among composed ones."""

    def __init__(self, composed: Examples, own: Examples, share: float, seed: int) -> None:
        """Args: share: of the examples that are own ones, 0..1."""
        self.composed, self.own, self.share, self.seed = composed, own, share, seed

    def example(self, index: int) -> Example:
        """Example ``index`` of one of both."""
        mine = np.random.default_rng([self.seed, 27, index]).random() < self.share
        return (self.own if mine else self.composed).example(index)


def part_of(episode: OwnEpisode, first: int, last: int) -> Inputs:
    """The seconds ``[first, last)`` as :func:`avtnet.dense.inference.evidence` asks for them."""
    return stacked([window(episode, float(first), last - first)])

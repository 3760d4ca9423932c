"""Windows to train on, cut out of a person's own labelled episodes at any instant.

The features of an episode hold all of its sound, but pictures and text at whole seconds only. A
window that begins between them takes, for each of its seconds, the picture of the nearest whole
second on the same side of every boundary, so that no picture contradicts the labels.
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
"""Seconds whose MFCC are made at once: a whole number of columns, so that parts join exactly."""
ABOUT = 60.0
"""Seconds from a file's start (or end) within which most windows begin (or end)."""


@dataclass(frozen=True)
class OwnEpisode:
    """Features of all seconds of an episode, about 7 KB each in memory, and its labels."""

    name: str
    duration: float
    frames: np.ndarray
    """uint8 (n, 3, 33, 44): pictures at the seconds 0, 1, …"""
    text: np.ndarray
    """bool (n, 27, 36)"""
    mfcc: np.ndarray
    """float16 (20, columns)"""
    labels: Labels

    @property
    def seconds(self) -> int:
        """Number of pictures, one for each second."""
        return len(self.frames)


def read_own(episode: Episode, labels: Labels) -> OwnEpisode:
    """Read all features of an episode's file, thumbnails at half size.

    Raises:
        FeatureError: if the file is damaged.
    """
    parts = []
    for first in range(0, episode.seconds, PART):
        last = min(first + PART, episode.seconds)
        length = min(episode.duration, last) - first
        samples = episode.samples(first, last)[: round(length * episode.settings.sample_rate)]
        parts.append(_cepstrum(samples, episode, last - first))
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
    """Return ``seconds`` of an episode from ``start`` on (0 or later), with their labels.

    A second without a label has no class: all zeros, which
    :func:`avtnet.dense.losses.dense_loss` leaves out.
    """
    times = start + np.arange(seconds)
    inside = times < episode.duration
    pictures = _nearest_pictures(times, episode)
    frames = np.where(inside[:, None, None, None], episode.frames[pictures], 0).astype(np.uint8)
    text = episode.text[pictures] & inside[:, None, None]
    instants = start + (np.arange(seconds * SLOTS) + 0.5) / SLOTS
    columns = np.rint(instants * COLUMNS_A_SECOND).astype(int)
    exists = (columns < episode.mfcc.shape[1]) & (instants < episode.duration)
    sound = np.where(exists, episode.mfcc[:, np.where(exists, columns, 0)], 0).astype(np.float32)
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


def _nearest_pictures(times: np.ndarray, episode: OwnEpisode) -> np.ndarray:
    """Return the number of the picture for each time: the nearest not across a boundary."""
    near = np.clip(np.rint(times).astype(int), 0, episode.seconds - 1)
    for span in episode.labels.spans:
        for edge in (span.start, span.end):
            # A time just behind a boundary must not show the second in front of it, or reverse.
            after = times >= edge
            wrong = after != (near >= edge)
            near = np.where(wrong & after, np.ceil(edge), near).astype(int)
            near = np.where(wrong & ~after, np.ceil(edge) - 1, near).astype(int)
    return np.clip(near, 0, episode.seconds - 1)


def _spans(
    labels: Labels, first: float, last: float
) -> tuple[dict[str, tuple[float, float] | None], list[Segment]]:
    """Return the span of each kind that a window is labelled with, and all other spans.

    A file of two episodes has two openings, but the network names one in a window: the one with
    the most seconds in it. The seconds of the others are left out of training.
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
    """Return the seconds of a window without a label: bool (T,).

    If only the opening is labelled, an ending may be anywhere in the second half outside of it; if
    only the ending is labelled, an opening may be anywhere in the first half.
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
            labelled = np.zeros(seconds, bool)
            for span in episode.labels.spans:
                labelled |= (at > span.start) & (at < span.end)
            unknown |= possible & ~labelled
    return unknown


class OwnWindows:
    """Random windows of episodes: most begin near a file's start or end near its end."""

    def __init__(
        self, episodes: Sequence[OwnEpisode], seed: int, seconds: int = int(WINDOW_SECONDS)
    ) -> None:
        self.episodes, self.seed, self.seconds = tuple(episodes), seed, seconds

    def example(self, index: int) -> Example:
        """Return example ``index``; it depends only on the episodes, the seed and ``index``.

        Each episode is used once before any is used again.
        """
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
    """Examples of a person's own episodes mixed with composed ones."""

    def __init__(self, composed: Examples, own: Examples, share: float, seed: int) -> None:
        """Args: share: share of the examples that come from own episodes, 0..1."""
        self.composed, self.own, self.share, self.seed = composed, own, share, seed

    def example(self, index: int) -> Example:
        """Return example ``index`` of one of the two sources."""
        mine = np.random.default_rng([self.seed, 27, index]).random() < self.share
        return (self.own if mine else self.composed).example(index)


def own_part(episode: OwnEpisode, first: int, last: int) -> Inputs:
    """Return the seconds ``[first, last)`` as input of :func:`avtnet.dense.inference.evidence`."""
    return stacked([window(episode, float(first), last - first)])

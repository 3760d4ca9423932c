"""The arrays that AVTNetDense takes, from features or composed of pieces, and their truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from avtnet.dense.settings import BOUNDARIES, CLASSES, SLOTS
from preprocess.features import Features


class Inputs(NamedTuple):
    """B stretches of T seconds as the network takes them, but for frames and text, still bytes."""

    sound: np.ndarray
    """float32 (B, 20, SLOTS · T)"""
    frames: np.ndarray
    """uint8 (B, T, 3, 33, 44)"""
    text: np.ndarray
    """bool (B, T, 27, 36)"""
    place: np.ndarray
    """float32 (B, T, PLACES)"""


@dataclass(frozen=True)
class Example:
    """One stretch as arrays, and its truth."""

    sound: np.ndarray
    frames: np.ndarray
    text: np.ndarray
    place: np.ndarray
    classes: np.ndarray
    times: np.ndarray
    start: float
    """Second of its file that it begins at."""
    duration: float
    """Length of that file in seconds."""


def from_features(features: Features, first: int = 0, last: int | None = None) -> Inputs:
    """The seconds ``[first, last)`` of a window, as one row; zeros where it has none."""
    last = features.settings.seconds if last is None else last
    frames = halved(features.frames[first:last])[None]
    text = features.text[first:last][None]
    columns = slots(first, last)
    inside = (columns >= 0) & (columns < features.mfcc.shape[1])
    sound = np.where(inside, features.mfcc[:, np.where(inside, columns, 0)], 0)[None]
    where = place(features.start + np.arange(first, last), features.duration)[None]
    return Inputs(
        sound.astype(np.float32), np.ascontiguousarray(frames), np.ascontiguousarray(text), where
    )


def slots(first: int, last: int) -> np.ndarray:
    """The MFCC columns that stand for the seconds ``[first, last)``: SLOTS for each."""
    times = first + (np.arange((last - first) * SLOTS) + 0.5) / SLOTS
    return np.rint(times * COLUMNS_A_SECOND).astype(int)


def place(seconds: np.ndarray, duration: float) -> np.ndarray:
    """Return the place of seconds in their file, as the network gets it: float32 (T, PLACES).

    By column: the time since the file's start and the time to its end (both as logarithms), how
    near the second is to either (1 at the edge, 1/e at 30 s from it), and 1 if it is in the file.
    """
    left = np.maximum(0, duration - seconds)
    begun = np.maximum(0, seconds)
    return np.stack(
        [
            np.log1p(begun / 10) / 5,
            np.log1p(left / 10) / 5,
            np.exp(-begun / 30),
            np.exp(-left / 30),
            (seconds < duration).astype(float),
        ],
        axis=1,
    ).astype(np.float32)


def class_shares(
    spans: Mapping[str, tuple[float, float] | None], start: float, seconds: int
) -> np.ndarray:
    """Shares of each second from ``start`` on that are story, opening, ending: float32 (T, 3)."""
    edges = start + np.arange(seconds + 1)
    shares = np.zeros((seconds, len(CLASSES)), np.float32)
    for number, kind in enumerate(CLASSES[1:], start=1):
        if (span := spans.get(kind)) is not None:
            inside = np.minimum(edges[1:], span[1]) - np.maximum(edges[:-1], span[0])
            shares[:, number] = np.clip(inside, 0, 1)
    shares[:, 0] = 1 - shares[:, 1:].sum(1)
    return shares


def boundary_times(
    spans: Mapping[str, tuple[float, float] | None], start: float, seconds: int
) -> np.ndarray:
    """The four boundaries in seconds after ``start``; not a number where outside: float32 (4,)."""
    times = np.full(len(BOUNDARIES), np.nan, np.float32)
    for number, kind in enumerate(CLASSES[1:]):
        if (span := spans.get(kind)) is not None:
            for side, time in enumerate(span):
                if -0.01 <= time - start <= seconds:
                    times[2 * number + side] = time - start
    return times


def stacked(examples: Sequence[Example]) -> Inputs:
    """Return what the network takes of examples of one length, one row each."""
    return Inputs(
        *(np.stack([getattr(each, name) for each in examples]) for name in Inputs._fields)
    )


COLUMNS_A_SECOND = 22050 / 512
"""Columns a second of mel bands and of MFCC."""


def halved(frames: np.ndarray) -> np.ndarray:
    """Two by two pixels averaged: uint8 (n, 3, 66, 88) → uint8 (n, 3, 33, 44)."""
    # By slices: a sum over two axes of blocks takes ten times as long, half of all of a window.
    rows = frames[..., 0::2, :].astype(np.uint16) + frames[..., 1::2, :]
    sums: np.ndarray = rows[..., 0::2] + rows[..., 1::2]
    return ((sums + 2) >> 2).astype(np.uint8)


class Examples(Protocol):
    """Something to train on."""

    def example(self, index: int) -> Example:
        """Example ``index``: always the same."""

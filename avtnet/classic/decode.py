"""Positions in windows → the timeline of an episode."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avtnet.evidence import NETWORKS, Candidate, fuse_candidates
from clipping.segments import Timeline
from clipping.windows import WINDOW_SECONDS, Side
from ensemble import Fusion, fuse_positions
from ensemble.fusion import agreement
from preprocess.features import Features

SHIFTS = (0, 2, 5)
"""Seconds by which a window is moved to see whether a model's answer moves with it."""
LABELS: dict[Side, str] = {"start": "opening", "end": "ending"}
SIGMA = 3.0
"""Seconds by which the networks are off where they are right."""
NAMES: dict[Side, str] = {"start": "the opening ends", "end": "the ending starts"}


@dataclass(frozen=True)
class Boundary:
    """The boundary of one window, agreed on by all models."""

    features: Features
    fusion: Fusion
    views: Mapping[str, Sequence[float]]
    """The positions of each model, one for each of SHIFTS."""
    confidence: float
    """How far all views back the fused position, 0..1; not calibrated."""

    @property
    def side(self) -> Side:
        """Which window."""
        return self.features.side

    @property
    def time(self) -> float:
        """Seconds of media time."""
        return self.features.start + self.fusion.position


def shifted(features: Features, seconds: int) -> Features:
    """The window without its first seconds; black and silence stand at its end instead."""
    settings = features.settings
    columns = round(seconds * settings.sample_rate / settings.hop_samples)
    return dataclasses.replace(
        features,
        mfcc=np.pad(features.mfcc[:, columns:], ((0, 0), (0, columns))),
        frames=np.pad(features.frames[seconds:], ((0, seconds), (0, 0), (0, 0), (0, 0))),
        text=np.pad(features.text[seconds:], ((0, seconds), (0, 0), (0, 0))),
    )


def fuse_views(features: Features, views: Mapping[str, Sequence[float]]) -> Boundary:
    """Fuse the models' unmoved views by two-means; all views decide how sure that is.

    A model whose answer stays where it is when the window moves has found nothing in it: its moved
    views then stand away from the fused position and take confidence away.
    """
    fusion = fuse_positions({model: positions[0] for model, positions in views.items()})
    every = tuple(position for positions in views.values() for position in positions)
    return Boundary(features, fusion, views, round(agreement(fusion.position, every), 3))


def timeline(
    source: str, boundaries: Sequence[Boundary], *, min_confidence: float, weights: str
) -> Timeline:
    """The opening and the ending of a file by the networks alone, as far as they are believed.

    Args:
        source: what the timeline calls the file.
        boundaries: of the start window, the end window, or both.
        min_confidence: below it nothing is said.
        weights: who the models are, for the evidence.
    """
    duration = max((boundary.features.duration for boundary in boundaries), default=0.0)
    candidates = [each for each in map(_of(weights), boundaries) if each is not None]
    segments = fuse_candidates(candidates, duration, min_confidence=min_confidence)
    return Timeline(source, round(duration, 3), segments)


def candidate_of(boundary: Boundary, weights: str, *, trust: float = 1.0) -> Candidate | None:
    """Return the boundary of a window as a candidate; None if it lies outside of the window.

    The networks know the end of an opening and the start of an ending. The other end is that of
    the window or the file, unless another source knows it; the evidence says so.

    Args:
        weights: who the models are, for the evidence.
        trust: what their confidence is multiplied with, where it counts for less.
    """
    features, time = boundary.features, boundary.time
    if not 0 < boundary.fusion.position < min(features.covered, WINDOW_SECONDS):
        return None
    opening = boundary.side == "start"
    told = f"{NAMES[boundary.side]} at {time:.2f} s: {weights}{_votes(boundary)}"
    return Candidate(
        NETWORKS,
        "opening" if opening else "ending",
        None if opening else time,
        time if opening else None,
        SIGMA,
        boundary.confidence * trust,
        (told, *features.notes),
        assumed=(
            "the opening's start is not searched yet: the window's start stands for it"
            if opening
            else "the ending's end is not searched yet: the file's end stands for it"
        ),
    )


def _of(weights: str) -> Callable[[Boundary], Candidate | None]:
    return lambda boundary: candidate_of(boundary, weights)


def _votes(boundary: Boundary) -> str:
    fusion = boundary.fusion
    views = [position for positions in boundary.views.values() for position in positions]
    near = sum(abs(position - fusion.position) <= 2 for position in views)
    told = f"; {near} of {len(views)} views within 2 s"
    return f"{told}; outvoted: {', '.join(fusion.outvoted)}" if fusion.outvoted else told

"""Positions in windows → what the networks say of an episode."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from avtnet.evidence import NETWORKS, Candidate
from clipping.judging.judgement import RIGHT_SECONDS
from clipping.windows import WINDOW_SECONDS, Side
from ensemble import Fusion, fuse_positions
from ensemble.fusion import agreement
from preprocess.features import Features

SHIFTS = (0, 2, 5)
"""Seconds by which a window is moved; a model's answer should move with it."""
LABELS: dict[Side, str] = {"start": "opening", "end": "ending"}
SIGMA = 3.0
"""Usual error of the networks in seconds if they are right."""
NAMES: dict[Side, str] = {"start": "the opening ends", "end": "the ending starts"}


@dataclass(frozen=True)
class Boundary:
    """The boundary of one window, agreed on by all models."""

    features: Features
    fusion: Fusion
    views: Mapping[str, Sequence[float]]
    """The positions of each model, one for each of SHIFTS."""
    confidence: float
    """Agreement of all views with the fused position, 0..1; not calibrated."""

    @property
    def side(self) -> Side:
        """The window's side."""
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


def candidate_of(boundary: Boundary, weights: str, *, trust: float = 1.0) -> Candidate | None:
    """Return the boundary of a window as a candidate; None if it lies outside of the window.

    The networks know the end of an opening and the start of an ending. The other end is that of
    the window or the file, unless another source knows it; the evidence says so.

    Args:
        weights: names of the models, for the evidence.
        trust: factor of their confidence, 0..1.
    """
    features, time = boundary.features, boundary.time
    if not 0 < boundary.fusion.position < min(features.covered, WINDOW_SECONDS):
        return None
    opening = boundary.side == "start"
    reason = f"{NAMES[boundary.side]} at {time:.2f} s: {weights}{_votes(boundary)}"
    return Candidate(
        NETWORKS,
        "opening" if opening else "ending",
        None if opening else time,
        time if opening else None,
        SIGMA,
        boundary.confidence * trust,
        (reason, *features.notes),
        assumed=(
            "the opening's start is not searched yet: the window's start stands for it"
            if opening
            else "the ending's end is not searched yet: the file's end stands for it"
        ),
    )


def _votes(boundary: Boundary) -> str:
    fusion = boundary.fusion
    views = [position for positions in boundary.views.values() for position in positions]
    near = sum(abs(position - fusion.position) <= RIGHT_SECONDS for position in views)
    votes = f"; {near} of {len(views)} views within {RIGHT_SECONDS:g} s"
    return f"{votes}; outvoted: {', '.join(fusion.outvoted)}" if fusion.outvoted else votes

"""On-screen text as a witness: credits run over openings and endings, not over story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avtnet.evidence import Candidate
from preprocess.features import Features

_LEAST_SEEN = 8
"""Whole seconds that must be seen of a stretch, and of what is outside of it."""
_DENSE, _CONTRAST = 0.4, 2.0
"""Share of seconds with text from which it looks like credits, and times what is outside."""
_DOUBT_LEFT = 0.6
"""Of a candidate's doubt, where text backs it."""


def with_text(candidates: Sequence[Candidate], features: Sequence[Features]) -> list[Candidate]:
    """The candidates, openings and endings surer by the credits that the features hold there."""
    return [_backed(candidate, features) for candidate in candidates]


def _backed(candidate: Candidate, features: Sequence[Features]) -> Candidate:
    if candidate.role not in ("opening", "ending") or candidate.settled:
        return candidate
    if candidate.start is None or candidate.end is None:
        return candidate
    inside, outside = [], []
    for window in features:
        seconds = window.start + np.arange(len(window.text))
        shown = np.asarray(window.text.any(axis=(1, 2)))
        here = (seconds >= candidate.start) & (seconds < candidate.end)
        there = ~here & (seconds < window.start + window.covered)
        inside.append(shown[here])
        outside.append(shown[there])
    in_, out = (np.concatenate([*parts, np.zeros(0, bool)]) for parts in (inside, outside))
    if len(in_) < _LEAST_SEEN or len(out) < _LEAST_SEEN:
        return candidate
    share, usual = float(in_.mean()), float(out.mean())
    if share < _DENSE or share < _CONTRAST * usual:
        return candidate
    told = f"text on {share:.0%} of its seconds, on {usual:.0%} of those about it"
    trust = 1 - _DOUBT_LEFT * (1 - candidate.trust)
    return replace(candidate, trust=trust, reasons=(*candidate.reasons, told))

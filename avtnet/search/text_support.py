"""On-screen text as support: credits run over openings and endings, seldom over the story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avtnet.evidence import SAME_STRETCH, Candidate
from preprocess.features import Features

_LEAST_SECONDS = 8
"""Smallest number of whole seconds with features inside a stretch, and outside of it."""
_LEAST_SHARE = 0.4
"""Smallest share of a stretch's seconds with text that looks like credits."""
_CONTRAST = 2.0
"""Smallest ratio of that share to the share of the other seconds."""
_DOUBT_LEFT = 0.6
"""Factor on a candidate's doubt (1 - trust) if text supports it."""


def with_text(candidates: Sequence[Candidate], features: Sequence[Features]) -> list[Candidate]:
    """Return the candidates in their order, openings and endings surer where credits run.

    Of candidates that mean the same stretch only the most trusted one is made surer: the same
    text would otherwise count once for each of them.

    Args:
        features: windows of the episode; seconds that lie in two of them count once.
    """
    seconds, has_text = _seconds_with_text(features)
    result = list(candidates)
    supported: list[Candidate] = []
    for number in sorted(range(len(result)), key=lambda number: -result[number].trust):
        candidate = candidates[number]
        if any(candidate.overlap(other) >= SAME_STRETCH for other in supported):
            continue
        result[number] = _with_support(candidate, seconds, has_text)
        if result[number] is not candidate:
            supported.append(candidate)
    return result


def _seconds_with_text(features: Sequence[Features]) -> tuple[np.ndarray, np.ndarray]:
    """Return the start of each second with features, in media time, and if it shows text."""
    starts: list[np.ndarray] = [np.zeros(0)]
    texts: list[np.ndarray] = [np.zeros(0, bool)]
    reached = -np.inf
    for window in sorted(features, key=lambda window: window.start):
        seconds = window.start + np.arange(len(window.text))
        end = window.start + window.covered
        # In a file shorter than 400 s the windows overlap; the grid of the second one may lie
        # between the seconds of the first.
        new = (seconds >= reached) & (seconds < end)
        starts.append(seconds[new])
        texts.append(np.asarray(window.text.any(axis=(1, 2)))[new])
        reached = max(reached, end)
    return np.concatenate(starts), np.concatenate(texts)


def _with_support(candidate: Candidate, seconds: np.ndarray, has_text: np.ndarray) -> Candidate:
    """Return the candidate, surer if text stands on it and much less often elsewhere."""
    if candidate.role not in ("opening", "ending") or candidate.settled:
        return candidate
    if candidate.start is None or candidate.end is None:
        return candidate
    inside = (seconds >= candidate.start) & (seconds < candidate.end)
    if min(inside.sum(), (~inside).sum()) < _LEAST_SECONDS:
        return candidate
    share, usual = float(has_text[inside].mean()), float(has_text[~inside].mean())
    if share < _LEAST_SHARE or share < _CONTRAST * usual:
        return candidate
    reason = f"text on {share:.0%} of its seconds, on {usual:.0%} of the other seconds looked at"
    trust = 1 - _DOUBT_LEFT * (1 - candidate.trust)
    return replace(candidate, trust=trust, reasons=(*candidate.reasons, reason))

"""Several models' positions of one window, or of many, to one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from clipping.errors import ClippingError
from clipping.windows import WindowId
from ensemble.kmeans import larger_cluster

Method = Literal["kmeans", "mean", "median"]
HALF_AGREEMENT_SECONDS = 2.0
"""A model this far from the fused position agrees with it by half."""


@dataclass(frozen=True)
class Fusion:
    """What several models say about one window, as one answer."""

    position: float
    """Seconds in the window, rounded to 3 decimals."""
    confidence: float
    """How much the models agree, 0..1; not calibrated, see :func:`agreement`."""
    spread: float
    """Seconds between the first and the last model's position, rounded to 3 decimals."""
    models: tuple[str, ...]
    """Who had a say."""
    outvoted: tuple[str, ...] = ()
    """Who was in the smaller cluster."""


def fuse_positions(positions: Mapping[str, float], method: Method = "kmeans") -> Fusion:
    """Fuse one window: ``{"avtnet": 64.7, "yolt": 65.1, "other": 12.0}`` → 64.9, without "other".

    ``kmeans`` is the mean of the larger of two clusters; what happens in a tie is said at
    :func:`ensemble.kmeans.larger_cluster`. ``mean`` and ``median`` are those of all positions. One
    model alone is believed.

    Raises:
        ValueError: for no positions, one that is not finite, or an unknown method.
    """
    models, values = tuple(positions), tuple(positions.values())
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"fusing needs one or more finite positions, got {dict(positions)}")
    outvoted: tuple[str, ...] = ()
    if method == "kmeans":
        cluster = larger_cluster(values)
        fused = cluster.mean
        outvoted = tuple(
            model for model, member in zip(models, cluster.members, strict=True) if not member
        )
    elif method == "mean":
        fused = math.fsum(values) / len(values)
    elif method == "median":
        fused = statistics.median(values)
    else:
        raise ValueError(f"the method is kmeans, mean or median, got {method!r}")
    return Fusion(
        position=round(fused, 3),
        confidence=round(agreement(fused, values), 3),
        spread=round(max(values) - min(values), 3),
        models=models,
        outvoted=outvoted,
    )


def agreement(fused: float, values: tuple[float, ...]) -> float:
    """How far the models back the fused position: ``sum(1 / (1 + (distance / 2 s)²)) / (n + 1)``.

    From 0 (nobody near) to below 1: one model alone gives 0.5, five equal ones 0.83, and a model
    further off never gives more. Over windows it ranks well; it is no probability of being right.
    """
    near = math.fsum(1 / (1 + ((v - fused) / HALF_AGREEMENT_SECONDS) ** 2) for v in values)
    return near / (len(values) + 1)


def fuse_submissions(
    submissions: Mapping[str, Mapping[WindowId, float]],
    *,
    method: Method = "kmeans",
    missing: Literal["fail", "skip"] = "fail",
) -> dict[WindowId, Fusion]:
    """Fuse whole submissions, joined by window and sorted by it.

    Args:
        submissions: the positions of every model, by its name.
        method: see :func:`fuse_positions`.
        missing: what to do about a window that some submissions lack: ``"fail"``, or ``"skip"``
            those submissions for it, so that it is fused from the others.

    Raises:
        ClippingError: naming the submission and its missing windows.
    """
    windows = sorted({window for submission in submissions.values() for window in submission})
    if missing != "skip":
        for name, submission in submissions.items():
            lacking = [window for window in windows if window not in submission]
            if lacking:
                having = next(other for other, found in submissions.items() if lacking[0] in found)
                more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
                raise ClippingError(
                    f"{name}: there is no row for {lacking[0]}{more}, which {having} has; "
                    f"--missing skip fuses such windows from the other submissions"
                )
    fused = {}
    for window in windows:
        positions = {name: found[window] for name, found in submissions.items() if window in found}
        fused[window] = fuse_positions(positions, method)
    return fused

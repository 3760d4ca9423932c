"""Fuse the positions that several models give to a boundary, window by window."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from clipping.errors import ClippingError
from clipping.windows import WindowId
from ensemble.kmeans import larger_cluster

Method = Literal["kmeans", "sklearn", "mean", "median"]
HALF_AGREEMENT_SECONDS = 2.0
"""Distance from the fused position, in seconds, at which a model counts as half agreeing."""


@dataclass(frozen=True)
class Fusion:
    """The fused answer of several models for one window."""

    position: float
    """Seconds in the window, rounded to 3 decimals."""
    confidence: float
    """Agreement of the models, 0..1; not calibrated, see :func:`agreement`."""
    spread: float
    """Seconds between the earliest and the latest position, rounded to 3 decimals."""
    models: tuple[str, ...]
    """Names of all models."""
    outvoted: tuple[str, ...] = ()
    """Names of the models in the smaller cluster."""


def fuse_positions(positions: Mapping[str, float], method: Method = "kmeans") -> Fusion:
    """Fuse one window: ``{"avtnet": 64.7, "yolt": 65.1, "other": 12.0}`` → 64.9, without "other".

    ``kmeans`` is the mean of the larger of two clusters (ties: see
    :func:`ensemble.kmeans.larger_cluster`). ``mean`` and ``median`` are those of all positions. The
    position of a single model is taken as it is. ``sklearn`` is kmeans by scikit-learn's KMeans.

    Raises:
        ValueError: for no positions, one that is not finite, or an unknown method.
    """
    models, values = tuple(positions), tuple(positions.values())
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"fusing needs one or more finite positions, got {dict(positions)}")
    outvoted: tuple[str, ...] = ()
    if method in ("kmeans", "sklearn"):
        cluster = larger_cluster(values, "sklearn" if method == "sklearn" else "cuts")
        fused = cluster.mean
        outvoted = tuple(
            model for model, member in zip(models, cluster.members, strict=True) if not member
        )
    elif method == "mean":
        fused = math.fsum(values) / len(values)
    elif method == "median":
        fused = statistics.median(values)
    else:
        raise ValueError(f"the method is kmeans, sklearn, mean or median, got {method!r}")
    return Fusion(
        position=round(fused, 3),
        confidence=round(agreement(fused, values), 3),
        spread=round(max(values) - min(values), 3),
        models=models,
        outvoted=outvoted,
    )


def agreement(fused: float, values: tuple[float, ...]) -> float:
    """Return the agreement with the fused position: ``sum(1 / (1 + (distance / 2 s)²)) / (n + 1)``.

    From 0 (no model near) to below 1: one model alone gives 0.5, five equal positions 0.83, and a
    larger distance never gives more. The n + 1 keeps few models below many. It ranks windows by
    reliability; it is no probability of being right.
    """
    near = math.fsum(1 / (1 + ((v - fused) / HALF_AGREEMENT_SECONDS) ** 2) for v in values)
    return near / (len(values) + 1)


def fuse_submissions(
    submissions: Mapping[str, Mapping[WindowId, float]],
    *,
    method: Method = "kmeans",
    missing: Literal["fail", "skip"] = "fail",
) -> dict[WindowId, Fusion]:
    """Fuse submissions window by window; the result is sorted by window.

    Args:
        submissions: the positions of every model, by its name.
        method: see :func:`fuse_positions`.
        missing: for a window that some submissions lack: ``"fail"`` raises an error, ``"skip"``
            fuses it from the others.

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

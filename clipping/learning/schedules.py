"""Learning rates over the steps of a training."""

from __future__ import annotations

import math

FIRST = 0.1
"""Share of the peak rate at which a warm-up begins."""


def warm_cosine(
    peak: float, done: float, *, warm: float, total: float, least: float = 0.0
) -> float:
    """Return the learning rate after ``done`` of ``total`` steps (or epochs).

    It climbs in a line from a tenth of the peak to the peak, then falls as half a cosine
    (Loshchilov and Hutter, SGDR, 2017, without restarts).

    Args:
        warm: steps of the climb.
        least: share of the peak below which the rate does not fall.
    """
    if done < warm:
        return peak * (FIRST + (1 - FIRST) * done / warm)
    share = min(1.0, (done - warm) / max(1, total - warm))
    return peak * max(least, 0.5 * (1 + math.cos(math.pi * share)))

"""Two-means of a handful of numbers, made exact and repeatable.

K-means from random starts may stop at a poor split, and at another one tomorrow. In one dimension
the best split is a cut of the sorted values, so scikit-learn's KMeans is started from every cut:
its steps never make a split worse and one of the starts is the best, so the best of its results is
the best there is. Results are compared in whole microseconds, so that rounding decides no tie.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

TICKS_PER_SECOND = 1_000_000
"""Values are told apart down to 1 µs."""


@dataclass(frozen=True)
class Cluster:
    """The larger of two clusters of some values."""

    mean: float
    """Of its members; of a tie the median of all values."""
    members: tuple[bool, ...]
    """Which values belong to it, in their order; all of them in a tie."""
    tie: bool = False
    """Whether no cluster was larger or tighter than the other, so that nobody is outvoted."""


def larger_cluster(values: Sequence[float]) -> Cluster:
    """The larger cluster of the best split of ``values`` (seconds) in two.

    The best split has the smallest sum of squared distances to the clusters' means. Of two clusters
    of one size the tighter wins, by the same sum. Where that is equal too (10, 20), or equally good
    splits have equal claims (10, 15, 20), it is a tie. Equal values are one cluster. The order of
    the values does not matter.

    Raises:
        ValueError: for no values, or one that is not finite.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"a cluster needs one or more finite numbers, got {list(values)}")
    order = sorted(range(len(values)), key=values.__getitem__)
    ticks = [round(values[place] * TICKS_PER_SECOND) for place in order]
    everybody = (True,) * len(values)
    if ticks[0] == ticks[-1]:
        return Cluster(math.fsum(values) / len(values), everybody)

    cuts = _kmeans_cuts(ticks)
    loss = {cut: _squares(ticks[:cut]) + _squares(ticks[cut:]) for cut in cuts}
    best = [cut for cut in cuts if loss[cut] == min(loss.values())]
    sides = [slice(0, cut) for cut in best] + [slice(cut, len(ticks)) for cut in best]
    ranks = [(-len(ticks[side]), _squares(ticks[side])) for side in sides]
    if ranks.count(min(ranks)) > 1:
        return Cluster(statistics.median(values), everybody, tie=True)
    winners = order[sides[ranks.index(min(ranks))]]
    mean = math.fsum(values[place] for place in winners) / len(winners)
    return Cluster(mean, tuple(place in winners for place in range(len(values))))


def _kmeans_cuts(ticks: Sequence[int]) -> list[int]:
    """Where KMeans comes to rest from each cut of the ascending ``ticks``, without repeats."""
    from sklearn.cluster import KMeans

    data = np.array(ticks, np.float64).reshape(-1, 1) / TICKS_PER_SECOND
    cuts = set()
    with _one_thread():
        for start in range(1, len(ticks)):
            if ticks[start - 1] != ticks[start]:
                centres = np.array([data[:start].mean(axis=0), data[start:].mean(axis=0)])
                labels = KMeans(2, init=centres, n_init=1, tol=0).fit(data).labels_
                cuts.add(int(np.count_nonzero(labels == labels[0])))
    return sorted(cuts)


def _squares(ticks: Sequence[int]) -> Fraction:
    """The exact sum of squared distances to the mean."""
    return sum(tick * tick for tick in ticks) - Fraction(sum(ticks) ** 2, len(ticks))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Fit a handful of numbers in 0.2 ms: waking the other cores for them takes 1 to 14 ms."""
    import sklearn

    quick = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with _threads().limit(limits=1), quick:
        yield


@functools.cache
def _threads() -> Any:
    """The thread pools in this process; finding them takes 2 ms, so they are looked up once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

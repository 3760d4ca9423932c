"""Two-means (k-means with two clusters) of a few numbers, exact and repeatable.

K-means from random starts may stop at a poor split (Lloyd's algorithm finds a local optimum only),
and at another one in the next run. In one dimension an optimal cluster is always an interval of the
sorted values (Fisher, On Grouping for Maximum Homogeneity, JASA 53, 1958), so the best split is one
of n - 1 cuts. Every cut
is tried. scikit-learn's KMeans, which the original used, comes to the same if it is started from
each of them (``engine="sklearn"``, of the extra of that name): its steps never make a split worse.
Splits are compared in whole microseconds, so that rounding decides no tie.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from clipping.extra import extra_imports

TICKS_PER_SECOND = 1_000_000
"""Values that differ by less than 1 µs count as equal."""


@dataclass(frozen=True)
class Cluster:
    """The larger of two clusters of some values."""

    mean: float
    """Mean of its members; in a tie the median of all values."""
    members: tuple[bool, ...]
    """True for each value that belongs to it, in their order; all True in a tie."""
    tie: bool = False
    """True if no cluster was larger or tighter than the other, so that no value is outvoted."""


def larger_cluster(values: Sequence[float], engine: Literal["cuts", "sklearn"] = "cuts") -> Cluster:
    """Return the larger cluster of the best split of ``values`` (seconds) in two.

    The best split has the smallest sum of squared distances to the clusters' means. Of two clusters
    of equal size the tighter one wins, by the same sum. It is a tie if that sum is equal too
    (10, 20), or if several best splits exist whose winners are equal in size and sum (10, 15, 20).
    Equal values are one cluster. The order of the values does not matter.

    Args:
        engine: how the splits to choose from are found; the answer is the same.

    Raises:
        ExtraMissing: where scikit-learn is wanted and not installed.
        ValueError: for no values, or one that is not finite.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"a cluster needs one or more finite numbers, got {list(values)}")
    order = sorted(range(len(values)), key=values.__getitem__)
    ticks = [round(values[place] * TICKS_PER_SECOND) for place in order]
    all_members = (True,) * len(values)
    if ticks[0] == ticks[-1]:
        return Cluster(math.fsum(values) / len(values), all_members)

    cuts = _kmeans_cuts(ticks) if engine == "sklearn" else _all_cuts(ticks)
    loss = {cut: _squares(ticks[:cut]) + _squares(ticks[cut:]) for cut in cuts}
    best = [cut for cut in cuts if loss[cut] == min(loss.values())]
    # The winner is sought among both sides of all best cuts: more members, then smaller sum.
    sides = [slice(0, cut) for cut in best] + [slice(cut, len(ticks)) for cut in best]
    ranks = [(-len(ticks[side]), _squares(ticks[side])) for side in sides]
    if ranks.count(min(ranks)) > 1:
        return Cluster(statistics.median(values), all_members, tie=True)
    winners = order[sides[ranks.index(min(ranks))]]
    mean = math.fsum(values[place] for place in winners) / len(winners)
    return Cluster(mean, tuple(place in winners for place in range(len(values))))


def _all_cuts(ticks: Sequence[int]) -> list[int]:
    """The places between two different values of the ascending ``ticks``."""
    return [cut for cut in range(1, len(ticks)) if ticks[cut - 1] != ticks[cut]]


def _kmeans_cuts(ticks: Sequence[int]) -> list[int]:
    """Return the cuts at which KMeans stops, started from each cut of the ascending ``ticks``."""
    with extra_imports():
        from sklearn.cluster import KMeans

    data = np.array(ticks, np.float64).reshape(-1, 1) / TICKS_PER_SECOND
    cuts = set()
    with _one_thread():
        for start in _all_cuts(ticks):
            centres = np.array([data[:start].mean(axis=0), data[start:].mean(axis=0)])
            labels = KMeans(2, init=centres, n_init=1, tol=0).fit(data).labels_
            cuts.add(int(np.count_nonzero(labels == labels[0])))
    return sorted(cuts)


def _squares(ticks: Sequence[int]) -> Fraction:
    """Return the sum of squared distances to the mean, exactly: Σx² - (Σx)² / n."""
    return sum(tick * tick for tick in ticks) - Fraction(sum(ticks) ** 2, len(ticks))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread in the block: a fit takes 0.2 ms, starting other threads 1 to 14 ms."""
    import sklearn

    quick = sklearn.config_context(assume_finite=True, skip_parameter_validation=True)
    with _threads().limit(limits=1), quick:
        yield


@functools.cache
def _threads() -> Any:
    """Return the thread pools of this process; the search takes 2 ms, so it is done once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

"""Find one end of a shared thing in a file from the votes of several comparisons."""

from __future__ import annotations

from collections.abc import Sequence

Vote = tuple[float, float, int]
"""(time in seconds, weight, number of the file that votes)."""

_TOGETHER = 0.4
"""Votes at most this many seconds apart belong to one cluster."""
_ENOUGH = 0.15
"""Smallest support of an outer end, as a fraction of all votes; less is a chance likeness."""
_LITTLE = 12.0
"""Seconds that two files may share beyond a song by chance: the same jingle after it."""


def end_consensus(votes: Sequence[Vote], outward: int) -> tuple[float, float]:
    """Return (the end that the votes agree on, seconds between the extreme votes).

    The outermost cluster of votes wins if enough files support it, not the largest one. A file may
    hold less of a thing (cut short, damaged, speech over it), and then its votes lie further
    inward; they say nothing against the files that share more. If no cluster has enough support,
    the one with most support wins.

    Args:
        outward: direction of this end: 1 for an end, -1 for a start.
    """
    # From the outermost vote inward; a gap above _TOGETHER begins a new cluster.
    ordered = sorted(votes, key=lambda vote: -outward * vote[0])
    clusters: list[list[Vote]] = []
    for vote in ordered:
        if clusters and abs(clusters[-1][-1][0] - vote[0]) <= _TOGETHER:
            clusters[-1].append(vote)
        else:
            clusters.append([vote])
    total = _support(votes)
    for place, cluster in enumerate(clusters):
        if _support(cluster) >= _ENOUGH * total and not _is_lonely(clusters[place:], votes):
            break
    else:
        cluster = max(clusters, key=_support)
    times = [time for time, _, _ in votes]
    return _weighted_median(cluster), max(times) - min(times)


def _is_lonely(
    clusters: Sequence[Sequence[Vote]],
    votes: Sequence[Vote],
) -> bool:
    """True if a single file supports the first cluster and should not be believed.

    With four voting files or more a single one is never believed. With three it is believed only
    if the next cluster is more than ``_LITTLE`` seconds away; with two, always.
    """
    voters = len({file for _, _, file in votes})
    if voters < 3 or len({file for _, _, file in clusters[0]}) > 1:
        return False
    little = len(clusters) > 1 and abs(clusters[0][-1][0] - clusters[1][0][0]) <= _LITTLE
    return voters > 3 or little


def _support(votes: Sequence[Vote]) -> float:
    """The sum over the files of the weight of each one's best vote."""
    best: dict[int, float] = {}
    for _, weight, file in votes:
        best[file] = max(best.get(file, 0.0), weight)
    return sum(best.values())


def _weighted_median(votes: Sequence[Vote]) -> float:
    """The time with half of the weight before it and half after it."""
    ordered = sorted(votes)
    half = sum(weight for _, weight, _ in ordered) / 2
    passed = 0.0
    for index, (time, weight, _) in enumerate(ordered):
        passed += weight
        if passed > half:
            return time
        if passed == half and index + 1 < len(ordered):
            return (time + ordered[index + 1][0]) / 2
    return ordered[-1][0]

"""Where several files' votes put one end of a thing that they share."""

from __future__ import annotations

from collections.abc import Sequence

Vote = tuple[float, float, int]
"""(seconds, weight, whose it is)."""

_TOGETHER = 0.4
"""Seconds between votes up to which they tell of one moment."""
_ENOUGH = 0.15
"""Share of the votes that an outer end needs: less is a chance likeness of two files."""
_LITTLE = 12.0
"""Seconds that two files may share beyond a song by chance: the same jingle behind it."""


def end_consensus(votes: Sequence[Vote], outward: int) -> tuple[float, float]:
    """(the end that the votes agree on, seconds that they lie apart).

    What lies furthest outward wins, if enough files say so: a file may hold less of a thing (cut
    short, damaged, talked over), and then its votes fall inside the others'.
    """
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
    """Whether the first cluster is one file's word against several: never believed of four and
    more, and of three not for a little more than the others say."""
    voters = len({who for _, _, who in votes})
    if voters < 3 or len({who for _, _, who in clusters[0]}) > 1:
        return False
    little = len(clusters) > 1 and abs(clusters[0][-1][0] - clusters[1][0][0]) <= _LITTLE
    return voters > 3 or little


def _support(votes: Sequence[Vote]) -> float:
    """The weight of the best vote of each file."""
    best: dict[int, float] = {}
    for _, weight, who in votes:
        best[who] = max(best.get(who, 0.0), weight)
    return sum(best.values())


def _weighted_median(votes: Sequence[Vote]) -> float:
    """The time at which half of the weight lies on either side."""
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

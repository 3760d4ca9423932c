"""Find the stretches that two fingerprints share, at any offset.

1. **Vote** (``_offsets``). Two rows that agree in about twenty chosen bits
   (:mod:`clipping.repeats.index`) give their offset, the distance between them, a vote. Votes are
   counted by offset and by place in the first file (offset histograms: A. Wang, "An
   Industrial-Strength Audio Search Algorithm", ISMIR 2003).
2. **Follow** (``_runs``). At each offset with many votes, all rows are compared. A stretch is where
   the share of different bits, averaged over ``smooth`` seconds, stays below ``errors``; short
   damage is bridged.
3. **Sharpen** (``_sharpened``). Averaging blurs the ends, so each end moves to where the sum of the
   evidence of single rows is greatest.
4. Stretches inside a better one are dropped (``match``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clipping.repeats.index import Index

_PLACE_SECONDS = 10.0
"""Votes are counted in places of this length, so that a short stretch stands out in its place."""
_LEAST_VOTES = 3
"""Fewest votes of an offset in a place."""
_VOTE_BITS = 17
"""Bits of the hash by which rare votes are dropped before they are sorted."""
_MOST_OFFSETS = 24
"""Most offsets at which rows are compared."""
_MOST_VOTED = 1000
"""Most offsets that are considered, those with most votes first."""
_NEAR = 5
"""Rows: an offset so near to one with more votes is left out. Words change slowly, so equal rows
vote for the neighbouring offsets too."""
_THIN = 5
"""At first only every fifth row is compared."""
_DOUBT = 0.03
"""By how much every fifth row may miss the tolerance before a place is left out."""
_LITTLE = 0.01
"""By how much all rows of a place may miss it."""
_ABOUT = 10.0
"""Seconds around a promising place that are compared too, in addition to gap and smoothing."""

_LEAST_CHANGES = 3
"""Fewest changes of the word in a stretch: a still picture is no stretch."""


@dataclass(frozen=True)
class Tolerance:
    """The limits within which two stretches count as the same."""

    errors: float = 0.36
    """fraction of bits that may differ, averaged over smooth seconds; unrelated files: 0.5"""
    smooth: float = 2.0
    """seconds over which differences are averaged"""
    gap: float = 4.0
    """longest damage inside a stretch, in seconds (another sound over it, a lost packet)"""

    def __post_init__(self) -> None:
        if not 0 < self.errors < 0.5:
            raise ValueError(f"errors is a share above 0 and below 0.5, got {self.errors}")
        if not (self.smooth > 0 and self.gap >= 0):
            raise ValueError(f"smooth > 0 and gap >= 0 are needed, got {self.smooth}, {self.gap}")


@dataclass(frozen=True)
class MatchRun:
    """A stretch that two fingerprints share: rows ``[first, last)`` of a."""

    first: int
    """The first row of a."""
    last: int
    """The row of a after the last one."""
    offset: int
    """Row ``first`` of a is row ``first + offset`` of b."""
    score: float
    """Agreement of the bits: 0 as unrelated files, 1 equal."""


def match(
    a: Index, b: Index, *, shortest: float, tolerance: Tolerance | None = None
) -> list[MatchRun]:
    """All stretches of at least ``shortest`` seconds that two files share, best first.

    A stretch is left out if more than half of it lies, in both files, inside a better one: a loop
    matches itself again at every repetition.

    Raises:
        ValueError: if the fingerprints differ in kind or step.
    """
    tolerance = tolerance or Tolerance()
    if a.fingerprint.kind != b.fingerprint.kind or a.fingerprint.step != b.fingerprint.step:
        raise ValueError("fingerprints of one kind and step are needed")
    found: list[MatchRun] = []
    compared = 0
    for offset, rows in _offsets(a, b):
        # All places that voted for this offset lie in stretches found already.
        if all(any(_covers(run, row, row + offset) for run in found) for row in rows):
            continue
        found += _runs(a, b, offset, shortest=shortest, tolerance=tolerance)
        compared += 1
        if compared == _MOST_OFFSETS:
            break
    found.sort(key=lambda run: (-(run.last - run.first) * run.score, run.first, run.offset))
    kept: list[MatchRun] = []
    for run in found:
        if not any(_inside(run, better) for better in kept):
            kept.append(run)
    return kept


def _offsets(a: Index, b: Index) -> Iterator[tuple[int, list[int]]]:
    """The offsets with most votes, and for each the middle rows (of a) of the places that voted."""
    places = max(1, round(_PLACE_SECONDS / a.fingerprint.step))
    reach = len(a.words)
    width = reach // places + 1
    small = (reach + len(b.words)) * width < 1 << 31
    # One number for (offset, place), so that both are counted by one sort.
    codes = []
    for table_a, table_b in zip(a.tables, b.tables, strict=True):
        rows_a, rows_b = table_a.alike(table_b)
        offsets = (rows_b - rows_a + reach).astype(np.int32 if small else np.int64)
        codes.append(offsets * width + rows_a // places)
    voted, votes = np.unique(_frequent(np.concatenate(codes)), return_counts=True)
    enough = votes >= _LEAST_VOTES
    voted, votes = voted[enough], votes[enough]
    single, begins = np.unique(voted // width - reach, return_index=True)
    ends = np.append(begins[1:], len(voted))
    totals = np.add.reduceat(votes, begins) if len(votes) else votes
    near: set[int] = set()
    for index in np.argsort(-totals, kind="stable")[:_MOST_VOTED]:
        offset = int(single[index])
        if offset not in near:
            near.update(range(offset - _NEAR, offset + _NEAR + 1))
            where = voted[begins[index] : ends[index]] % width
            yield offset, (where * places + places // 2).tolist()


def _frequent(codes: np.ndarray) -> np.ndarray:
    """Drop most votes with too few equals, by counting hashes; the rest has to be sorted."""
    short = codes & ((1 << _VOTE_BITS) - 1)
    return codes[np.bincount(short, minlength=1 << _VOTE_BITS)[short] >= _LEAST_VOTES]


def _runs(
    a: Index, b: Index, offset: int, *, shortest: float, tolerance: Tolerance
) -> list[MatchRun]:
    """The stretches that the files share at one offset."""
    step = a.fingerprint.step
    begin, end = max(0, -offset), min(len(a.words), len(b.words) - offset)
    least = max(1, round(tolerance.smooth / step), round(shortest / step))
    if end - begin < least // 2:
        return []
    runs: list[MatchRun] = []
    margin = round((_ABOUT + tolerance.gap + tolerance.smooth) / step)
    for low, high in _promising(a, b, begin, end, offset, least, margin, tolerance.errors):
        runs += _runs_within(a, b, low, high, offset, least, tolerance)
    return runs


def _promising(
    a: Index,
    b: Index,
    begin: int,
    end: int,
    offset: int,
    least: int,
    margin: int,
    most: float,
) -> list[tuple[int, int]]:
    """The ranges ``[low, high)`` of rows of a in which a stretch may lie, at one offset.

    Comparing every fifth row is enough to rule most of a file out; what is left is checked with
    all its rows.

    Args:
        begin: the first row of a that has a counterpart in b; ``end``: the row after the last one.
        least: rows of the shortest stretch.
        margin: rows added on both sides of a range.
        most: fraction of bits that may differ.
    """
    size = least // _THIN
    if size < _THIN or end - begin < 2 * least:
        return [(begin, end)]
    bits = a.fingerprint.bits
    sums = _wrong_sums(a, b, offset, slice(begin, end, _THIN), bits * most)
    good = np.flatnonzero(sums[size:] - sums[:-size] < bits * size * (most + _DOUBT)) * _THIN
    if not len(good):
        return []
    apart = np.flatnonzero(np.diff(good) > least + 2 * margin)
    lows = good[np.concatenate([[0], apart + 1])] + begin
    highs = good[np.append(apart, len(good) - 1)] + begin + least
    promising = []
    for low, high in zip(lows.tolist(), highs.tolist(), strict=True):
        # Few places are left, so all their rows can be compared.
        near = max(begin, low - _THIN), min(end, high + _THIN)
        sums = _wrong_sums(a, b, offset, slice(*near), bits * most)
        if (sums[least:] - sums[:-least]).min(initial=np.inf) < bits * least * (most + _LITTLE):
            promising.append((max(begin, low - margin), min(end, high + margin)))
    return promising


def _wrong_sums(a: Index, b: Index, offset: int, rows: slice, blank: float) -> np.ndarray:
    """Cumulative sums, from 0 on, of the number of different bits over ``rows`` of a.

    Args:
        blank: the number that counts for a row that is blank in both files.
    """
    others = slice(rows.start + offset, rows.stop + offset, rows.step)
    wrong = differing(a.words[rows], b.words[others])
    if a.has_blanks and b.has_blanks:
        wrong[a.blank[rows] & b.blank[others]] = blank
    sums = np.zeros(len(wrong) + 1)
    np.cumsum(wrong, out=sums[1:])
    return sums


def _runs_within(
    a: Index, b: Index, begin: int, end: int, offset: int, least: int, tolerance: Tolerance
) -> list[MatchRun]:
    """The stretches of at least ``least`` rows within rows ``[begin, end)`` of a, at one offset."""
    step, bits = a.fingerprint.step, a.fingerprint.bits
    width = max(1, round(tolerance.smooth / step))
    blank_a, blank_b = a.blank[begin:end], b.blank[begin + offset : end + offset]
    both_blank = blank_a & blank_b
    wrong = differing(a.words[begin:end], b.words[begin + offset : end + offset])
    # Blank in one file only: as different as unrelated rows. Blank in both: neither for nor
    # against a stretch.
    wrong[blank_a ^ blank_b] = bits / 2
    wrong[both_blank] = bits * tolerance.errors
    sums = np.concatenate([[0.0], np.cumsum(wrong, dtype=np.float64)])
    low = np.maximum(np.arange(len(wrong)) - width // 2, 0)
    high = np.minimum(low + width, len(wrong))
    good = (sums[high] - sums[low]) / (high - low) < bits * tolerance.errors
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]])))
    filled = np.concatenate([[0], np.cumsum(~(blank_a | blank_b))])
    runs: list[MatchRun] = []
    for first, last in _bridged(edges.reshape(-1, 2).tolist(), round(tolerance.gap / step)):
        errors = _errors(sums, filled, first, last, bits, tolerance.errors)
        # Evidence of a row that it belongs to the stretch: positive if its share of wrong bits is
        # nearer to the stretch's own than to that of unrelated rows, 0.5.
        evidence = (errors + 0.5) / 2 * bits - wrong
        evidence[both_blank] = 0.0
        first, last = _sharpened(evidence, first, last, width)
        errors = _errors(sums, filled, first, last, bits, tolerance.errors)
        enough = filled[last] - filled[first] >= least / 2
        rows = a.words[begin + first : begin + last]
        moving = np.count_nonzero((rows[1:] != rows[:-1]).any(axis=1)) >= _LEAST_CHANGES
        if last - first >= least and enough and moving and errors < tolerance.errors:
            score = max(0.0, min(1.0, 1 - 2 * errors))
            runs.append(MatchRun(begin + first, begin + last, offset, score))
    return runs


def _sharpened(evidence: np.ndarray, first: int, last: int, width: int) -> tuple[int, int]:
    """The ends (first, last) of a run without the blur of smoothing.

    Near each end, take the row at which the sum of the evidence, counted outward, is greatest
    (cumulative sums: E. Page, "Continuous Inspection Schemes", Biometrika 41, 1954).
    """
    reach = max(1, min(width, (last - first) // 2))
    low, high = max(0, first - width), min(len(evidence), last + width)
    start = np.cumsum(evidence[low : first + reach][::-1])
    end = np.cumsum(evidence[last - reach : high])
    first = first + reach - 1 - int(np.argmax(start))
    return first, last - reach + 1 + int(np.argmax(end))


def _errors(
    sums: np.ndarray, filled: np.ndarray, first: int, last: int, bits: int, blank: float
) -> float:
    """The fraction of wrong bits in rows ``[first, last)``, without what blank rows count.

    Args:
        sums: cumulative wrong bits.
        filled: cumulative number of rows that are blank in neither file.
        blank: fraction of wrong bits that a blank row counts.
    """
    rows = int(filled[last] - filled[first])
    if not rows:
        return 0.5
    total = float(sums[last] - sums[first]) - (last - first - rows) * bits * blank
    return max(0.0, total) / rows / bits


def differing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of different bits in each row, float32 (rows,), of two uint32 (rows, words a row)."""
    ones = np.bitwise_count(np.bitwise_xor(a, b))
    total = ones[:, 0].astype(np.float32)
    for column in range(1, ones.shape[1]):
        total += ones[:, column]
    return total


def _bridged(runs: Sequence[Sequence[int]], gap: int) -> list[tuple[int, int]]:
    """Join runs ``[first, last)`` with at most ``gap`` rows between them."""
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and first - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _covers(run: MatchRun, row_a: int, row_b: int) -> bool:
    """True if row ``row_a`` of a and row ``row_b`` of b both lie in a run."""
    second = row_b - run.offset
    return run.first <= row_a < run.last and run.first <= second < run.last


def _inside(run: MatchRun, better: MatchRun) -> bool:
    """True if more than half of a run lies inside a better one, in a and in b."""
    half = (run.last - run.first) / 2
    in_a = min(run.last, better.last) - max(run.first, better.first)
    in_b = min(run.last + run.offset, better.last + better.offset) - max(
        run.first + run.offset, better.first + better.offset
    )
    return in_a > half and in_b > half

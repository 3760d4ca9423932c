"""Where two fingerprints tell of the same thing: every stretch, at every offset.

Rows that agree in some twenty chosen bits give their offset a vote; an offset with votes in one
place is looked at along its whole length, so a stretch is found whole wherever it lies in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from clipping.repeats.fingerprint import Fingerprint
from clipping.repeats.memory_cache import MemoryCache

_SOUND_KEYS = tuple(
    (0, mask) for mask in (0x000FFFFF, 0xFFFFF000, 0x3FF003FF, 0xF0F0FFF0, 0x55BB5DB7, 0xDB6EAA6D)
)
_PICTURE_KEYS = ((0, 0x3FFFFFFF), (1, 0x3FFFFFFF), (0, 0x00007FFF | 1 << 31), (1, 0x00007FFF))
"""(word, mask) of the bits that must agree for a vote."""

_MOST_ALIKE = 24
"""Rows of a file with the same key that may vote: a loop has thousands, and tells nothing new."""
_PLACE_SECONDS = 10.0
"""Votes are counted by offset and by place: a short stretch must stand out in its place."""
_LEAST_VOTES = 3
_VOTE_BITS = 17
_MOST_OFFSETS = 24
_MOST_VOTED = 1000
_NEAR = 5
"""Rows by which offsets differ at least: words change slowly, and vote for their neighbours too."""
_THIN = 5
_DOUBT = 0.03
"""An offset is looked at in every fifth row first, and only about where that comes so near."""
_LITTLE = 0.01
"""The same of all rows."""
_ABOUT = 10.0
"""Seconds, besides a gap and what is smoothed."""

_LEAST_CHANGES = 3
"""A picture that stands still for a while is no more than one picture."""


@dataclass(frozen=True)
class Tolerance:
    """When two stretches count as the same."""

    errors: float = 0.36
    """share of the bits that may differ, averaged over ``smooth`` seconds; strangers differ in 0.5
    """
    smooth: float = 2.0
    """seconds over which differences are averaged"""
    gap: float = 4.0
    """seconds of damage (another sound over it, a lost packet) that do not end a stretch"""

    def __post_init__(self) -> None:
        if not 0 < self.errors < 0.5:
            raise ValueError(f"errors is a share above 0 and below 0.5, got {self.errors}")
        if not (self.smooth > 0 and self.gap >= 0):
            raise ValueError(f"smooth > 0 and gap >= 0 are needed, got {self.smooth}, {self.gap}")


@dataclass(frozen=True)
class MatchRun:
    """Rows of two fingerprints that tell of the same: ``first + offset`` of b is ``first`` of a."""

    first: int
    """The first row of a."""
    last: int
    """The row of a behind the last one."""
    offset: int
    """Rows from a's to b's."""
    score: float
    """Agreement of the bits, 0 as strangers to 1 the same."""


class Index:
    """A fingerprint, sorted by its keys; made once for all comparisons of a file."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        self.fingerprint = fingerprint
        self.words = fingerprint.words
        self.blank = self.words[:, 0] == 0
        self.has_blanks = bool(self.blank.any())

    @property
    def tables(self) -> tuple[_Table, ...]:
        """One for each choice of bits; kept for a while, as they take 25 times the words."""
        return _TABLES.take(self, "tables", self._made)

    def _made(self) -> tuple[_Table, ...]:
        choices = _SOUND_KEYS if self.fingerprint.kind == "sound" else _PICTURE_KEYS
        rows = np.flatnonzero(~self.blank).astype(np.uint64)
        tables = []
        for word, mask in choices:
            keys = self.words[~self.blank, word] & np.uint32(mask)
            # Sorted with their rows as one number: quicker by half than the order of the keys.
            both = np.sort(keys.astype(np.uint64) << np.uint64(32) | rows)
            keys = (both >> np.uint64(32)).astype(np.uint32)
            begins = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
            counts = np.diff(begins, append=len(keys))
            rare = counts <= _MOST_ALIKE
            begins = begins[rare]
            there = np.zeros(1 << _SHORT_BITS, bool)
            there[_shortened(keys[begins])] = True
            tables.append(
                _Table(
                    keys[begins],
                    begins.astype(np.int32),
                    counts[rare].astype(np.int32),
                    (both & np.uint64(0xFFFFFFFF)).astype(np.int32),
                    there,
                )
            )
        return tuple(tables)


@dataclass(frozen=True, eq=False)
class _Table:
    """The rows of a fingerprint by some of their bits; what many rows have is left out."""

    keys: np.ndarray
    """In order, each once."""
    begins: np.ndarray
    """Where the rows of each key begin in ``rows``."""
    counts: np.ndarray
    rows: np.ndarray
    there: np.ndarray
    """bool (1 << _SHORT_BITS,): whether a key that is shortened to this is among its keys."""

    @property
    def bytes(self) -> int:
        """Of its memory."""
        parts = (self.keys, self.begins, self.counts, self.rows, self.there)
        return sum(each.nbytes for each in parts)

    def alike(self, other: _Table) -> tuple[np.ndarray, np.ndarray]:
        """Every pair of a row of this one and a row of the other that have the same key."""
        # Most keys are not there at all: one look tells that of seven in eight, a search costs 16.
        maybe = np.flatnonzero(other.there[_shortened(self.keys)])
        keys = self.keys[maybe]
        at = np.searchsorted(other.keys, keys)
        inside = np.flatnonzero(at < len(other.keys))
        same = inside[other.keys[at[inside]] == keys[inside]]
        mine, others = maybe[same], at[same]
        wide = other.counts[others]
        pairs = self.counts[mine] * wide
        begins = np.cumsum(pairs, dtype=np.int32) - pairs
        turn = np.arange(pairs.sum(), dtype=np.int32) - np.repeat(begins, pairs)
        step, rest = np.divmod(turn, np.repeat(wide, pairs))
        rows = self.rows[np.repeat(self.begins[mine], pairs) + step]
        return rows, other.rows[np.repeat(other.begins[others], pairs) + rest]


_SHORT_BITS = 18


def _shortened(keys: np.ndarray) -> np.ndarray:
    """uint32 keys to ``_SHORT_BITS`` bits that tell most of them apart."""
    return keys * np.uint32(2654435769) >> np.uint32(32 - _SHORT_BITS)


_TABLES: MemoryCache[tuple[_Table, ...]] = MemoryCache(
    1 << 28, lambda tables: sum(each.bytes for each in tables)
)
"""Of the files that were compared last: 3 MB for a sound of 24 minutes."""


def match(
    a: Index, b: Index, *, shortest: float, tolerance: Tolerance | None = None
) -> list[MatchRun]:
    """All stretches of ``shortest`` seconds or more that two files share, best first.

    A stretch is left out where most of it lies, in both files, inside a better one: a loop agrees
    with itself at every turn.
    """
    tolerance = tolerance or Tolerance()
    if a.fingerprint.kind != b.fingerprint.kind or a.fingerprint.step != b.fingerprint.step:
        raise ValueError("fingerprints of one kind and step are needed")
    found: list[MatchRun] = []
    looked = 0
    for offset, rows in _offsets(a, b):
        if all(any(_covers(run, row, row + offset) for run in found) for row in rows):
            continue
        found += _runs(a, b, offset, shortest=shortest, tolerance=tolerance)
        looked += 1
        if looked == _MOST_OFFSETS:
            break
    found.sort(key=lambda run: (-(run.last - run.first) * run.score, run.first, run.offset))
    kept: list[MatchRun] = []
    for run in found:
        if not any(_inside(run, better) for better in kept):
            kept.append(run)
    return kept


def _offsets(a: Index, b: Index) -> Iterator[tuple[int, list[int]]]:
    """The offsets with most votes in few places, and the rows of a in the middle of these."""
    places = max(1, round(_PLACE_SECONDS / a.fingerprint.step))
    reach = len(a.words)
    width = reach // places + 1
    small = (reach + len(b.words)) * width < 1 << 31
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
    """Votes without most of those that stand alone: what is counted has to be sorted."""
    short = codes & ((1 << _VOTE_BITS) - 1)
    return codes[np.bincount(short, minlength=1 << _VOTE_BITS)[short] >= _LEAST_VOTES]


def _runs(
    a: Index, b: Index, offset: int, *, shortest: float, tolerance: Tolerance
) -> list[MatchRun]:
    """The stretches that agree at an offset."""
    step = a.fingerprint.step
    begin, end = max(0, -offset), min(len(a.words), len(b.words) - offset)
    least = max(1, round(tolerance.smooth / step), round(shortest / step))
    if end - begin < least // 2:
        return []
    runs: list[MatchRun] = []
    margin = round((_ABOUT + tolerance.gap + tolerance.smooth) / step)
    for low, high in _hopeful(a, b, begin, end, offset, least, margin, tolerance.errors):
        runs += _runs_within(a, b, low, high, offset, least, tolerance)
    return runs


def _hopeful(
    a: Index,
    b: Index,
    begin: int,
    end: int,
    offset: int,
    least: int,
    margin: int,
    most: float,
) -> list[tuple[int, int]]:
    """The rows of a about which a fifth of the rows leaves it possible that a stretch agrees."""
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
    hopeful = []
    for low, high in zip(lows.tolist(), highs.tolist(), strict=True):
        # All rows of the place itself leave little doubt, and cost little.
        near = max(begin, low - _THIN), min(end, high + _THIN)
        sums = _wrong_sums(a, b, offset, slice(*near), bits * most)
        if (sums[least:] - sums[:-least]).min(initial=np.inf) < bits * least * (most + _LITTLE):
            hopeful.append((max(begin, low - margin), min(end, high + margin)))
    return hopeful


def _wrong_sums(a: Index, b: Index, offset: int, rows: slice, blank: float) -> np.ndarray:
    """How many bits differ in the first 0, 1, 2 … of some rows of a, ``blank`` in those that have
    no word in both files."""
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
    step, bits = a.fingerprint.step, a.fingerprint.bits
    width = max(1, round(tolerance.smooth / step))
    blank_a, blank_b = a.blank[begin:end], b.blank[begin + offset : end + offset]
    both_blank = blank_a & blank_b
    wrong = differing(a.words[begin:end], b.words[begin + offset : end + offset])
    wrong[blank_a ^ blank_b] = bits / 2
    wrong[both_blank] = bits * tolerance.errors
    sums = np.concatenate([[0.0], np.cumsum(wrong, dtype=np.float64)])
    low = np.maximum(np.arange(len(wrong)) - width // 2, 0)
    high = np.minimum(low + width, len(wrong))
    good = (sums[high] - sums[low]) / (high - low) < bits * tolerance.errors
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]])))
    heard = np.concatenate([[0], np.cumsum(~(blank_a | blank_b))])
    runs: list[MatchRun] = []
    for first, last in _bridged(edges.reshape(-1, 2).tolist(), round(tolerance.gap / step)):
        errors = _errors(sums, heard, first, last, bits, tolerance.errors)
        evidence = (errors + 0.5) / 2 * bits - wrong
        evidence[both_blank] = 0.0
        first, last = _sharpened(evidence, first, last, width)
        errors = _errors(sums, heard, first, last, bits, tolerance.errors)
        enough = heard[last] - heard[first] >= least / 2
        rows = a.words[begin + first : begin + last]
        moving = np.count_nonzero((rows[1:] != rows[:-1]).any(axis=1)) >= _LEAST_CHANGES
        if last - first >= least and enough and moving and errors < tolerance.errors:
            score = max(0.0, min(1.0, 1 - 2 * errors))
            runs.append(MatchRun(begin + first, begin + last, offset, score))
    return runs


def _sharpened(evidence: np.ndarray, first: int, last: int, width: int) -> tuple[int, int]:
    """The ends of a run, no more smoothed: where the sum of the evidence is greatest."""
    reach = max(1, min(width, (last - first) // 2))
    low, high = max(0, first - width), min(len(evidence), last + width)
    start = np.cumsum(evidence[low : first + reach][::-1])
    end = np.cumsum(evidence[last - reach : high])
    first = first + reach - 1 - int(np.argmax(start))
    return first, last - reach + 1 + int(np.argmax(end))


def _errors(
    sums: np.ndarray, heard: np.ndarray, first: int, last: int, bits: int, blank: float
) -> float:
    """The share of wrong bits among the rows that are not blank in both."""
    known = int(heard[last] - heard[first])
    if not known:
        return 0.5
    total = float(sums[last] - sums[first]) - (last - first - known) * bits * blank
    return max(0.0, total) / known / bits


def differing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many bits differ row by row, float32, of two uint32 arrays (rows, words a row)."""
    ones = np.bitwise_count(np.bitwise_xor(a, b))
    total = ones[:, 0].astype(np.float32)
    for column in range(1, ones.shape[1]):
        total += ones[:, column]
    return total


def _bridged(runs: Sequence[Sequence[int]], gap: int) -> list[tuple[int, int]]:
    """Runs joined over gaps."""
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and first - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _covers(run: MatchRun, row_a: int, row_b: int) -> bool:
    """Whether a row of each file lies in a run."""
    second = row_b - run.offset
    return run.first <= row_a < run.last and run.first <= second < run.last


def _inside(run: MatchRun, better: MatchRun) -> bool:
    """Whether more than half of a run lies inside another, in a and in b."""
    half = (run.last - run.first) / 2
    in_a = min(run.last, better.last) - max(run.first, better.first)
    in_b = min(run.last + run.offset, better.last + better.offset) - max(
        run.first + run.offset, better.first + better.offset
    )
    return in_a > half and in_b > half

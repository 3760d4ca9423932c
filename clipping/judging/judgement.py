"""What was said of episodes beside what is true: how far ends are off, what is right, the worst.

One measure for whatever is evaluated: windows of which one end is asked, windows with both ends,
whole episodes with segments of any role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

RIGHT_SECONDS = 2.0
"""A span is right where every end that is both named and known is at most so far off."""
WORST_SECONDS = 60.0
"""What a missed or made-up span counts for among the worst; no end counts for more."""
BINS = 10
"""Of scores, from 0 to 1."""

Pictures = Callable[[Sequence[float]], Sequence[np.ndarray | None]]
"""Ascending times of a case → pictures, uint8 (height, width, 3), None where there is none."""


@dataclass(frozen=True)
class JudgedSpan:
    """An opening, an ending or the like, in seconds; an end that is not named is None."""

    role: str
    start: float | None
    end: float | None
    score: float | None = None
    """How sure it is, 0..1; None where nobody said."""


@dataclass(frozen=True)
class Case:
    """A window or an episode."""

    name: str
    begin: float
    """Where its time begins, in the seconds of its spans."""
    length: float
    """Seconds that it lasts."""
    true: tuple[JudgedSpan, ...]
    said: tuple[JudgedSpan, ...]
    pictures: Pictures | None = field(default=None, compare=False)
    """What it shows, read only when asked for."""
    note: str = ""
    """What a reader should know of it."""
    asked: frozenset[str] = frozenset()
    """The roles that are asked of it; empty: all that there are in any case."""

    def asks(self, role: str) -> bool:
        """Whether a role is asked of it."""
        return not self.asked or role in self.asked


@dataclass(frozen=True)
class Judged:
    """A case with every span that was said, every true one, and which stands for which."""

    case: Case
    pairs: tuple[tuple[JudgedSpan | None, JudgedSpan | None], ...]
    """Said and true; None where the one or the other is missing."""
    cost: float
    """Seconds by which its ends are off, as the worst are sorted by."""


@dataclass(frozen=True)
class EndErrors:
    """How far one kind of end is off."""

    errors: tuple[float, ...]
    """Said minus true, seconds, of all that were named."""
    missed: int
    """True ones for which none was named."""

    @property
    def total(self) -> int:
        """True ones."""
        return len(self.errors) + self.missed

    def within(self, seconds: float) -> float:
        """The share of the true ones that were named at most so far off, 0..1."""
        close = sum(abs(error) <= seconds for error in self.errors)
        return close / self.total if self.total else 0.0


@dataclass(frozen=True)
class RoleCounts:
    """How often a role was said, and was right."""

    true: int = 0
    said: int = 0
    right: int = 0
    without: int = 0
    """Cases in which none is."""
    false: int = 0
    """Of these, the ones in which one was said."""

    @property
    def precision(self) -> float | None:
        """The share of those said that are right; None where none was."""
        return self.right / self.said if self.said else None

    @property
    def recall(self) -> float | None:
        """The share of the true ones that were said right; None where there are none."""
        return self.right / self.true if self.true else None


@dataclass(frozen=True)
class ScoreBin:
    """Spans whose scores are alike."""

    count: int
    score: float
    """Their mean."""
    right: float
    """The share of them that is right."""


@dataclass(frozen=True)
class Judgement:
    """All cases together."""

    cases: tuple[Judged, ...]
    """The worst first."""
    ends: dict[str, EndErrors]
    """By role and side: ``opening end``; only those that are known and were asked."""
    roles: dict[str, RoleCounts]
    bins: tuple[ScoreBin, ...]
    """Of all spans that were said with a score, by score; empty ones are left out."""

    @property
    def calibration_error(self) -> float | None:
        """How far scores are from shares of right ones, over all spans; None without scores."""
        count = sum(each.count for each in self.bins)
        gaps = sum(each.count * abs(each.score - each.right) for each in self.bins)
        return gaps / count if count else None


def judge(cases: Iterable[Case]) -> Judgement:
    """Pair what was said with what is true in every case, and count.

    A span stands for the true one of its role whose ends are nearest, each for one at most; how
    far they are off then says how good it is. An end that the truth or a whole method does not
    name is not asked.
    """
    listed = list(cases)
    named = {(span.role, side) for case in listed for span in case.said for side in _sides(span)}
    # A method that says nothing at all of a role is asked for both ends of it.
    spoken = {role for role, _ in named}
    errors: dict[str, list[float]] = {}
    missed: dict[str, int] = {}
    counts: dict[str, RoleCounts] = {}
    scores: list[tuple[float, bool]] = []
    judged = []
    roles = _in_order(listed)
    for case in listed:
        mine = [role for role in roles if case.asks(role)]
        pairs = tuple(pair for role in mine for pair in _paired(case, role))
        cost = 0.0
        for said, true in pairs:
            if said is not None and said.score is not None:
                scores.append((said.score, _is_right(said, true)))
            if true is None:
                assert said is not None  # a pair holds one of them
                cost += WORST_SECONDS * (1.0 if said.score is None else said.score)
                continue
            for side in _sides(true):
                if true.role in spoken and (true.role, side) not in named:
                    continue
                end = f"{true.role} {side}"
                errors.setdefault(end, [])
                off = None if said is None else end_error(said, true, side)
                if off is None:
                    missed[end] = missed.get(end, 0) + 1
                    cost += WORST_SECONDS
                else:
                    errors[end].append(off)
                    cost += min(WORST_SECONDS, abs(off))
        for role in mine:
            counts[role] = _counted(counts.get(role, RoleCounts()), case, role, pairs)
        judged.append(Judged(case, pairs, cost))
    ordered = [f"{role} {side}" for role in roles for side in ("start", "end")]
    return Judgement(
        tuple(sorted(judged, key=lambda each: -each.cost)),
        {
            end: EndErrors(tuple(errors[end]), missed.get(end, 0))
            for end in ordered
            if end in errors
        },
        counts,
        _binned(scores),
    )


def end_error(said: JudgedSpan, true: JudgedSpan, side: str) -> float | None:
    """Said minus true at one end; None where one of them does not name it."""
    one, other = getattr(said, side), getattr(true, side)
    return None if one is None or other is None else float(one - other)


def _in_order(cases: Sequence[Case]) -> list[str]:
    """The roles there are: openings and endings first."""
    found = {
        span.role for case in cases for span in (*case.true, *case.said) if case.asks(span.role)
    }
    first = [role for role in ("opening", "ending") if role in found]
    return [*first, *sorted(found - set(first))]


def _sides(span: JudgedSpan) -> list[str]:
    return [side for side in ("start", "end") if getattr(span, side) is not None]


def _offs(said: JudgedSpan, true: JudgedSpan) -> list[float]:
    both = (end_error(said, true, side) for side in ("start", "end"))
    return [off for off in both if off is not None]


def _is_right(said: JudgedSpan, true: JudgedSpan | None) -> bool:
    return true is not None and max(map(abs, _offs(said, true))) <= RIGHT_SECONDS


def _paired(case: Case, role: str) -> list[tuple[JudgedSpan | None, JudgedSpan | None]]:
    """The pairs of a role: the nearest first, then what is left alone."""
    said = [span for span in case.said if span.role == role]
    true = [span for span in case.true if span.role == role]
    near = sorted(
        (float(np.mean(np.abs(offs))), i, j)
        for i, one in enumerate(said)
        for j, other in enumerate(true)
        if (offs := _offs(one, other))
    )
    mine: dict[int, int] = {}
    for _, i, j in near:
        if i not in mine and j not in mine.values():
            mine[i] = j
    pairs: list[tuple[JudgedSpan | None, JudgedSpan | None]] = [
        (one, true[mine[i]] if i in mine else None) for i, one in enumerate(said)
    ]
    alone = [other for j, other in enumerate(true) if j not in mine.values()]
    return [*pairs, *((None, other) for other in alone)]


def _counted(
    before: RoleCounts,
    case: Case,
    role: str,
    pairs: Sequence[tuple[JudgedSpan | None, JudgedSpan | None]],
) -> RoleCounts:
    said = sum(span.role == role for span in case.said)
    true = sum(span.role == role for span in case.true)
    right = sum(
        _is_right(one, other) for one, other in pairs if one is not None and one.role == role
    )
    return RoleCounts(
        before.true + true,
        before.said + said,
        before.right + right,
        before.without + (true == 0),
        before.false + (true == 0 and said > 0),
    )


def _binned(scores: Sequence[tuple[float, bool]]) -> tuple[ScoreBin, ...]:
    bins = []
    for number in range(BINS):
        inside = [each for each in scores if min(int(each[0] * BINS), BINS - 1) == number]
        if inside:
            told, right = np.mean(np.array(inside, float), axis=0)
            bins.append(ScoreBin(len(inside), float(told), float(right)))
    return tuple(bins)

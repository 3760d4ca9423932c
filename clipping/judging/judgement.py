"""Compare predictions with the truth: errors of ends, right and wrong spans, the worst cases.

One measure for everything that is evaluated: windows of which one end is asked, windows with both
ends, whole episodes with segments of any role. In names, ``said`` is a prediction and ``true`` a
label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

RIGHT_SECONDS = 2.0
"""Largest error, in seconds, of each end of a right span; the one tolerance of this project. Only
ends that are both predicted and labelled count."""
WORST_SECONDS = 60.0
"""Error, in seconds, that a missed or invented span counts as; no end counts for more."""
BINS = 10
"""Number of bins for scores from 0 to 1."""

Pictures = Callable[[Sequence[float]], Sequence[np.ndarray | None]]
"""Function of ascending times of a case: its pictures, uint8 (height, width, 3), or None."""


@dataclass(frozen=True)
class JudgedSpan:
    """A stretch with a role, in seconds; an end that is not predicted or labelled is None."""

    role: str
    start: float | None
    end: float | None
    score: float | None = None
    """Confidence of the prediction, 0..1; None for labels and methods without one."""


@dataclass(frozen=True)
class Case:
    """A window or an episode with its labels and the predictions."""

    name: str
    begin: float
    """Time of its first second, in the seconds of its spans."""
    length: float
    """Length in seconds."""
    true: tuple[JudgedSpan, ...]
    """Labels."""
    said: tuple[JudgedSpan, ...]
    """Predictions."""
    pictures: Pictures | None = field(default=None, compare=False)
    """Its pictures, read only when they are needed."""
    note: str = ""
    """Remark for the reader of a report."""
    asked: frozenset[str] = frozenset()
    """Roles that are judged in it; empty: every role of any case."""

    def asks(self, role: str) -> bool:
        """Return whether a role is judged in this case."""
        return not self.asked or role in self.asked


@dataclass(frozen=True)
class Judged:
    """A case with each prediction paired with the label that it stands for."""

    case: Case
    pairs: tuple[tuple[JudgedSpan | None, JudgedSpan | None], ...]
    """(prediction, label); None if one of the two is missing."""
    cost: float
    """Sum of the errors of its ends in seconds; the worst cases have the highest."""


@dataclass(frozen=True)
class EndErrors:
    """Errors of one kind of end, such as the starts of openings."""

    errors: tuple[float, ...]
    """Predicted minus true time in seconds, of all ends that were predicted."""
    missed: int
    """Number of labelled ends without a prediction."""

    @property
    def total(self) -> int:
        """Number of labelled ends."""
        return len(self.errors) + self.missed

    def within(self, seconds: float) -> float:
        """Return the share of the labelled ends predicted at most ``seconds`` off, 0..1."""
        close = sum(abs(error) <= seconds for error in self.errors)
        return close / self.total if self.total else 0.0


@dataclass(frozen=True)
class RoleCounts:
    """Counts of one role over all cases."""

    true: int = 0
    """Labels."""
    said: int = 0
    """Predictions."""
    right: int = 0
    """Predictions that are right."""
    without: int = 0
    """Cases without a label of this role."""
    false: int = 0
    """Cases without a label, but with a prediction."""

    @property
    def precision(self) -> float | None:
        """Share of the predictions that are right; None without predictions."""
        return self.right / self.said if self.said else None

    @property
    def recall(self) -> float | None:
        """Share of the labels that were predicted right; None without labels."""
        return self.right / self.true if self.true else None


@dataclass(frozen=True)
class ScoreBin:
    """Predictions with similar scores, for a calibration curve."""

    count: int
    score: float
    """Mean score."""
    right: float
    """Share of them that is right; equal to ``score`` if the scores are calibrated."""


@dataclass(frozen=True)
class Judgement:
    """All cases together."""

    cases: tuple[Judged, ...]
    """All cases, the worst first."""
    ends: dict[str, EndErrors]
    """Errors by role and side (``opening end``) of the ends that are labelled and judged."""
    roles: dict[str, RoleCounts]
    bins: tuple[ScoreBin, ...]
    """Predictions with a score, by score; empty bins are left out."""

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error: mean distance of score and share right, weighted by count.

        None without scores. (Guo et al., On Calibration of Modern Neural Networks, ICML 2017.)
        """
        count = sum(each.count for each in self.bins)
        gaps = sum(each.count * abs(each.score - each.right) for each in self.bins)
        return gaps / count if count else None


def judge(cases: Iterable[Case]) -> Judgement:
    """Pair predictions with labels in every case, and count.

    A prediction is paired with the label of its role whose ends are nearest, each label with one
    prediction at most. An end that is not labelled, or that a method never predicts (as a network
    that knows only the end of openings), is not judged.
    """
    listed = list(cases)
    named = {(span.role, side) for case in listed for span in case.said for side in _sides(span)}
    # A role of which there is no prediction at all is judged at both ends: all are missed.
    predicted_roles = {role for role, _ in named}
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
                if true.role in predicted_roles and (true.role, side) not in named:
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
    """Predicted minus true time of one end in seconds; None if one of the two is missing."""
    one, other = getattr(said, side), getattr(true, side)
    return None if one is None or other is None else float(one - other)


def _in_order(cases: Sequence[Case]) -> list[str]:
    """The roles of all cases: openings and endings first, then the others by name."""
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
    """Pair predictions and labels of a role, the nearest first; then list those left alone."""
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
            score, right = np.mean(np.array(inside, float), axis=0)
            bins.append(ScoreBin(len(inside), float(score), float(right)))
    return tuple(bins)

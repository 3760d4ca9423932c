"""The page of benchmarks/accuracy.py: all methods' figures, and AVTNetDense's windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from avtnet.evaluate import of_features
from clipping.judging.judgement import Case, JudgedSpan, judge
from clipping.judging.report import ReportPage, made_now, table_of, write_page


def write_accuracy(
    path: Path,
    rows: dict[str, dict[str, float]],
    method: Callable[[Any], Any],
    asked: Sequence[Any],
    labels: dict[str, str],
    about: Sequence[tuple[str, str]],
) -> Path:
    """Write the page; returns the file.

    Args:
        rows: the figures of each method.
        method: AVTNetDense: a window of the benchmark → its answer or None.
        asked: the windows.
        labels: the role of each side.
    """
    cases = [case(window, method(window), labels[window.side]) for window in asked]
    note = "See the head of benchmarks/accuracy.py for what each column is."
    report = ReportPage(
        "Openings and endings of made-up test episodes",
        (*about, ("below", "AVTNetDense alone"), *made_now()),
        judge(cases),
        (table_of("Methods", rows, note),),
    )
    return write_page(path, report)


def case(window: Any, answer: Any, role: str) -> Case:
    """A window of the benchmark with what is true of it and what was said."""
    features = window.features
    true = () if window.truth is None else (JudgedSpan(role, *window.truth),)
    said = (
        ()
        if answer is None or not answer.says
        else (JudgedSpan(role, answer.start, answer.end, answer.score),)
    )
    return Case(
        f"{features.name}_{features.side}",
        features.start,
        features.covered,
        true=true,
        said=said,
        pictures=of_features(features),
        note="; ".join(features.notes),
        asked=frozenset((role,)),
    )

"""Evaluate segments of whole episodes, as ``avtnet locate`` writes them, against labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from clipping.errors import ClippingError, TableError
from clipping.files import MEDIA_SUFFIXES, write_text
from clipping.formats.tables import read_timelines
from clipping.judging.judgement import Case, JudgedSpan, Judgement, Pictures, judge
from clipping.judging.metrics import evaluate_segments
from clipping.judging.pictures import of_media
from clipping.judging.report import (
    REPORT,
    FigureTable,
    ReportPage,
    made_now,
    page_tables,
    table_of,
    write_page,
)
from clipping.segments import Segment, Timeline
from clipping.text_files import csv_text, read_text

ROLES = ("opening", "ending")
"""Roles that are always judged; other roles are judged if the labels have any."""


@dataclass(frozen=True)
class EpisodesEvaluation:
    """Predicted segments of whole episodes, judged."""

    segments: Path
    labels: Path
    seconds: dict[str, float]
    """The figures of :func:`clipping.judging.metrics.evaluate_segments`."""
    judgement: Judgement


def evaluate_episodes(segments: Path, labels: Path) -> EpisodesEvaluation:
    """Score the predicted segments of one file of timelines against the labels in another.

    Raises:
        TableError: if one of them cannot be read.
        ClippingError: naming a file that has labels and no prediction.
    """
    pairs = join_episodes(read_timelines(segments), read_truth(labels))
    found = [replace(one, source=true.source) for one, true in pairs]
    roles = _roles(pairs)
    return EpisodesEvaluation(
        segments,
        labels,
        evaluate_segments(found, [true for _, true in pairs], roles),
        judge(timeline_cases(pairs, labels.parent)),
    )


def print_episodes(evaluation: EpisodesEvaluation, worst: int, console: Console) -> None:
    """Print the figures, and the episodes with the largest errors."""
    table = _narrow("seconds", "", title="all files")
    for name, value in evaluation.seconds.items():
        table.add_row(name, f"{value:.4g}")
    console.print(table)
    for page_table in page_tables(evaluation.judgement):
        table = _narrow(*page_table.head, title=page_table.title)
        for row in page_table.rows:
            table.add_row(*map(escape, row))
        console.print(table)
    if worst:
        table = _narrow("worst episodes", "seconds off, at most 60 an end")
        for judged in evaluation.judgement.cases[:worst]:
            table.add_row(escape(judged.case.name), f"{judged.cost:.2f}")
        console.print(table)


def _narrow(*head: str, title: str = "") -> RichTable:
    """Return an empty table whose many columns fit into a terminal."""
    table = RichTable(title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(head):
        table.add_column(
            name, justify="right" if number else "left", overflow="fold", min_width=7 * (not number)
        )
    return table


def write_episodes(evaluation: EpisodesEvaluation, folder: Path, worst: int) -> None:
    """Write metrics.json, errors.csv and report.html into ``folder``."""
    judgement = evaluation.judgement
    figures = {
        "seconds": evaluation.seconds,
        "roles": {
            role: {**asdict(counts), "precision": counts.precision, "recall": counts.recall}
            for role, counts in judgement.roles.items()
        },
        "ends": {
            end: {
                "true": each.total,
                "missed": each.missed,
                "mae": float(np.mean(np.abs(each.errors))) if each.errors else None,
            }
            for end, each in judgement.ends.items()
        },
        "calibration_error": judgement.calibration_error,
    }
    write_text(folder / "metrics.json", json.dumps(figures, indent=1) + "\n")
    rows: list[Sequence[object]] = [["file", "role", "end", "true", "said", "error", "score"]]
    for judged in judgement.cases:
        for said, true in judged.pairs:
            for side in ("start", "end"):
                times = [_end(true, side), _end(said, side)]
                off = f"{float(times[1]) - float(times[0]):+.3f}" if all(times) else ""
                role = next(each.role for each in (true, said) if each is not None)
                score = "" if said is None or said.score is None else said.score
                rows.append([judged.case.name, role, side, *times, off, score])
    write_text(folder / "errors.csv", csv_text(rows))
    write_page(
        folder / REPORT,
        ReportPage(
            f"Evaluation of {evaluation.segments.name}",
            (
                ("scored", str(evaluation.segments)),
                ("labels", str(evaluation.labels)),
                *made_now(),
            ),
            judgement,
            (_seconds_table(evaluation),),
            worst,
        ),
    )


def _seconds_table(evaluation: EpisodesEvaluation) -> FigureTable:
    return table_of(
        "Seconds",
        {"all files": evaluation.seconds},
        "Shares of seconds; story_skipped: seconds said to be a segment that are none.",
    )


def join_episodes(
    found: Sequence[Timeline], labels: Sequence[Timeline]
) -> list[tuple[Timeline, Timeline]]:
    """Pair each label's timeline with the predicted one of the same file.

    Two timelines are of the same file if their paths are equal, else if their file names are, else
    if their names without suffix are, as long as no other file has that name.

    Returns:
        Pairs (predicted, label) in the order of the labels.

    Raises:
        ClippingError: naming a file of the labels without a prediction.
    """
    if not labels:
        raise ClippingError("the labels name no file")
    keys: tuple[Callable[[str], str], ...] = (
        str,
        lambda source: Path(source).name,
        lambda source: Path(source).name.removesuffix(_suffix(source)),
    )
    pairs = []
    tables = [(_unique(found, key), _unique(labels, key), key) for key in keys]
    for true in labels:
        for mine, theirs, key in tables:
            name = key(true.source)
            if name in mine and name in theirs:
                pairs.append((mine[name], true))
                break
        else:
            raise ClippingError(f"{true.source}: has labels, and nothing was said of it")
    return pairs


def read_truth(path: Path) -> list[Timeline]:
    """Read labels: timelines, or ``episodes.json`` as ``avtnet synthesize`` writes it.

    Raises:
        TableError: if the file is neither.
    """
    try:
        return read_timelines(path)
    except TableError:
        made = _of_synthesis(read_text(path))
        if made is None:
            raise
        return made


def _of_synthesis(text: str) -> list[Timeline] | None:
    """The timelines of made-up episodes; None for any other text."""
    try:
        return [
            Timeline(
                str(made["name"]),
                float(made["duration"]),
                tuple(
                    Segment(float(made[role][0]), float(made[role][1]), role)
                    for role in ROLES
                    if made[role] is not None
                ),
            )
            for made in json.loads(text)
        ]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def timeline_cases(pairs: Sequence[tuple[Timeline, Timeline]], folder: Path) -> list[Case]:
    """Return a case for each file, with openings, endings and the other roles of the labels.

    Args:
        pairs: (predicted, label) of :func:`join_episodes`.
        folder: searched for media files that are not at the paths in their timelines.
    """
    roles = _roles(pairs)
    cases = []
    for found, true in pairs:
        both = [
            tuple(_span(each) for each in timeline.segments if each.label in roles)
            for timeline in (found, true)
        ]
        ends = [span.end or 0.0 for spans in both for span in spans]
        duration = max((found.duration, true.duration, *ends))
        cases.append(
            Case(
                found.source,
                0.0,
                duration,
                true=both[1],
                said=both[0],
                pictures=_pictures((found.source, true.source), folder),
                note="" if found.error is None else f"failed: {found.error}",
            )
        )
    return cases


def _end(span: JudgedSpan | None, side: str) -> str:
    """Return an end of a span with three decimals; empty without a span."""
    return "" if span is None else f"{getattr(span, side):.3f}"


def _roles(pairs: Sequence[tuple[Timeline, Timeline]]) -> list[str]:
    labelled = {segment.label for _, true in pairs for segment in true.segments}
    return [*ROLES, *sorted(labelled - set(ROLES))]


def _suffix(source: str) -> str:
    """Return the suffix of a media file, else nothing: made-up episodes have names without one."""
    suffix = Path(source).suffix
    return suffix if suffix.lower() in MEDIA_SUFFIXES else ""


def _unique(timelines: Sequence[Timeline], key: Callable[[str], str]) -> dict[str, Timeline]:
    uses = Counter(key(timeline.source) for timeline in timelines)
    return {name: timeline for timeline in timelines if uses[name := key(timeline.source)] == 1}


def _span(segment: Segment) -> JudgedSpan:
    return JudgedSpan(segment.label, segment.start, segment.end, segment.score)


def _pictures(sources: Sequence[str], folder: Path) -> Pictures | None:
    """Return the pictures of the first media file that exists; None if none does."""
    for source in sources:
        for path in (Path(source), folder / Path(source).name):
            if path.suffix.lower() in MEDIA_SUFFIXES and path.is_file():
                return of_media(path)
    return None

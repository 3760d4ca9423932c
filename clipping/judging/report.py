"""Write an evaluation as one HTML file that needs no other file and no network.

One writer for everything that is evaluated: cases go through
:func:`clipping.judging.judgement.judge`, figures that were counted elsewhere come as tables. All
text that comes from files (names, labels, notes) is escaped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clipping.files import write_text
from clipping.judging import charts
from clipping.judging.judgement import RIGHT_SECONDS, Judged, JudgedSpan, Judgement, end_error
from clipping.judging.metrics import HIT_SECONDS
from clipping.judging.pictures import case_span, picture_case
from clipping.segments import clock

TEMPLATE = Path(__file__).with_name("report.html")
REPORT = "report.html"
"""File name of the page in a folder of results."""
WORST = 12
"""Number of cases that are shown, the worst first."""


@dataclass(frozen=True)
class FigureTable:
    """Figures in rows."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class ReportPage:
    """The contents of the page."""

    title: str
    about: tuple[tuple[str, str], ...]
    """Names and values that say how the evaluation was made."""
    judgement: Judgement
    tables: tuple[FigureTable, ...] = ()
    """Further tables; they stand first on the page."""
    worst: int = WORST


def write_page(path: Path, report: ReportPage) -> Path:
    """Write the page, whole or not at all, and return the path.

    Raises:
        ClippingError: if it cannot be written.
    """
    write_text(path, page(report))
    return path


def page(report: ReportPage) -> str:
    """Return the page as HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = visible
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    judgement = report.judgement
    worst = [_case(each) for each in judgement.cases[: report.worst]]
    return template.render(
        report=report,
        tables=(*report.tables, *page_tables(judgement)),
        histograms={end: charts.histogram(each) for end, each in judgement.ends.items()},
        ends=judgement.ends,
        edges=charts.EDGES,
        bins=[(each, charts.radius(each, judgement.bins)) for each in judgement.bins],
        calibration_error=judgement.calibration_error,
        right_seconds=RIGHT_SECONDS,
        worst=worst,
        count=len(judgement.cases),
    )


def visible(text: object) -> str:
    """Return text with invisible and direction-changing characters as escapes (``\\u202e``)."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else character
        for character in str(text)
    )


def page_tables(judgement: Judgement) -> list[FigureTable]:
    """Return the tables of a judgement: counts of roles, then errors of ends."""
    return [*_counts(judgement), *_ends(judgement)]


def _counts(judgement: Judgement) -> list[FigureTable]:
    """Return the table of roles: labels, predictions, right ones; empty without roles."""
    rows = [
        (
            role,
            str(each.true),
            str(each.said),
            str(each.right),
            _share(each.precision),
            _share(each.recall),
            f"{each.false} of {each.without}",
        )
        for role, each in judgement.roles.items()
    ]
    head = ("", "true", "said", "right", "precision", "recall", "said where none is")
    note = f"Right: every end that is named and known is at most {RIGHT_SECONDS:g} s off."
    return [FigureTable("Right and wrong", head, tuple(rows), note)] if rows else []


def _ends(judgement: Judgement) -> list[FigureTable]:
    """Return the table of ends: errors in seconds and hit rates; empty without ends."""
    rows = []
    for end, each in judgement.ends.items():
        sizes = np.abs(each.errors) if each.errors else None
        figures = (
            ["-"] * 3
            if sizes is None
            else [
                f"{sizes.mean():.3f}",
                f"{np.median(sizes):.3f}",
                f"{np.percentile(sizes, 95):.3f}",
            ]
        )
        hits = [f"{each.within(seconds):.3f}" for seconds in HIT_SECONDS]
        rows.append((end, str(each.total), str(each.missed), *figures, *hits))
    head = ("", "true", "missed", "mean error (s)", "median", "95 %")
    hits_head = tuple(f"within {seconds:g} s" for seconds in HIT_SECONDS)
    note = "Errors are of the ends that were named; the shares are of all true ones."
    return [FigureTable("Ends", (*head, *hits_head), tuple(rows), note)] if rows else []


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _case(judged: Judged) -> dict[str, Any]:
    """Return the values of a case that the template shows."""
    case = judged.case
    return {
        "name": case.name,
        "note": case.note,
        "length": case_span(case),
        "rows": [_pair(said, true) for said, true in judged.pairs],
        "ticks": charts.ticks(case),
        "tracks": {
            "true": [charts.mark(span, case) for span in case.true],
            "said": [charts.mark(span, case) for span in case.said],
        },
        "seen": picture_case(judged),
    }


def _pair(said: JudgedSpan | None, true: JudgedSpan | None) -> tuple[str, ...]:
    """Return a row: role, label, prediction, score, error of each end, verdict."""
    off = [_off(said, true, side) for side in ("start", "end")]
    verdict = "" if said and true else "not true" if said else "missed"
    role = (said or true or JudgedSpan("", None, None)).role
    return (role, _times(true), _times(said), _score(said), *map(_signed, off), verdict)


def _off(said: JudgedSpan | None, true: JudgedSpan | None, side: str) -> float | None:
    if said is None or true is None:
        return None
    return end_error(said, true, side)


def _signed(off: float | None) -> str:
    return "" if off is None else f"{off:+.2f}"


def _score(span: JudgedSpan | None) -> str:
    return "" if span is None or span.score is None else f"{span.score:.2f}"


def _times(span: JudgedSpan | None) -> str:
    if span is None:
        return "none"
    times = [span.start, span.end]
    return " - ".join("?" if time is None else clock(time, 2) for time in times)


def made_now() -> tuple[tuple[str, str], ...]:
    """Return date and version of the page, for :attr:`ReportPage.about`."""
    from datetime import date
    from importlib import metadata

    return (("made", f"{date.today().isoformat()} by avtnet {metadata.version('avtnet')}"),)


def table_of(title: str, rows: dict[str, dict[str, float]], note: str = "") -> FigureTable:
    """Return named rows of named figures as a table, one column for each figure."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    return FigureTable(
        title,
        ("", *names),
        tuple((label, *_cells(row, names)) for label, row in rows.items()),
        note,
    )


def _cells(row: dict[str, float], names: Sequence[str]) -> list[str]:
    return [f"{row[name]:.4g}" if name in row else "" for name in names]

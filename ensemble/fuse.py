"""python -m ensemble.fuse A.csv B.csv … -o fused.csv: fuse several submissions into one."""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from clipping.config import parse, run
from clipping.errors import ClippingError, ConfigError
from clipping.files import write_text
from clipping.text_files import csv_text
from clipping.windows import WindowId, read_submission, write_submission
from ensemble.fusion import Fusion, Method, fuse_submissions

PROG = "python -m ensemble.fuse"
REPORT_COLUMNS = ("window", "position", "confidence", "spread", "models", "outvoted")


@dataclass(frozen=True)
class FuseConfig:
    """Fuse submissions: per window the mean of the larger of two clusters of their positions."""

    inputs: tuple[str, ...] = field(
        default=(), metadata={"help": "submissions (CSV), or folders of them; two or more"}
    )
    output: Path = Path("fused.csv")
    """the fused submission, sorted by window"""
    method: Method = "kmeans"
    """kmeans: the mean of the larger of two clusters; sklearn: the same by scikit-learn's KMeans;
    mean or median: of all positions"""
    missing: Literal["fail", "skip"] = "fail"
    """a window that some submissions lack: fail, or skip those submissions and fuse the others"""
    report: Path | None = None
    """write the confidence, the spread and the outvoted submissions of each window (.csv, .json)"""

    def __post_init__(self) -> None:
        if self.report is not None and self.report.suffix.lower() not in (".csv", ".json"):
            raise ConfigError(f"--report ends in .csv or .json, got {self.report}")
        if self.report is not None and self.report.resolve() == self.output.resolve():
            raise ConfigError(f"--report and --output are one file: {self.output}")


def fuse_files(config: FuseConfig) -> dict[WindowId, Fusion]:
    """Read, fuse and write submissions; return the fused answer of every window.

    Raises:
        TableError: naming file and line of a wrong row; nothing is written.
        ClippingError: for too few submissions, a missing window, or a file that cannot be written.
    """
    paths = find_submissions(config)
    submissions = {name: read_submission(path) for name, path in paths.items()}
    fused = fuse_submissions(submissions, method=config.method, missing=config.missing)
    write_submission(config.output, {window: item.position for window, item in fused.items()})
    if config.report is not None:
        write_fusions(config.report, fused)
    return fused


def find_submissions(config: FuseConfig) -> dict[str, Path]:
    """Return the files to fuse by their names, or by their paths if two have the same name.

    A folder stands for the ``*.csv`` files in it, in order, without the files that this command
    writes. A file that is named twice counts once.

    Raises:
        ClippingError: for fewer than two files, a missing one, or one that is also the output.
    """
    written = {path.resolve() for path in (config.output, config.report) if path is not None}
    found: dict[Path, Path] = {}
    for entry in map(Path, config.inputs):
        if entry.is_dir():
            inside = sorted(path for path in entry.glob("*.csv") if not path.name.startswith("."))
            found |= {path.resolve(): path for path in inside if path.resolve() not in written}
        elif not entry.exists():
            raise ClippingError(f"{entry}: there is no such file or folder")
        elif entry.resolve() in written:
            raise ClippingError(f"{entry}: this submission would be overwritten; write elsewhere")
        else:
            found[entry.resolve()] = entry
    if len(found) < 2:
        names_found = ", ".join(map(str, found.values())) or "none"
        raise ClippingError(f"fusing needs two or more submissions, got {names_found}")
    uses = Counter(path.name for path in found.values())
    names = [path.name if uses[path.name] == 1 else str(path) for path in found.values()]
    # A name with bytes that are no UTF-8 can neither be printed nor written into the report.
    printable = (name.encode("utf-8", "backslashreplace").decode() for name in names)
    return dict(zip(printable, found.values(), strict=True))


def write_fusions(path: Path, fused: Mapping[WindowId, Fusion]) -> None:
    """Write one row, or JSON object, for each window, the least confident first."""
    doubtful_first = sorted(fused.items(), key=lambda item: (item[1].confidence, item[0]))
    if path.suffix.lower() == ".json":
        items = [
            {
                "window": str(window),
                "position": item.position,
                "confidence": item.confidence,
                "spread": item.spread,
                "models": list(item.models),
                "outvoted": list(item.outvoted),
            }
            for window, item in doubtful_first
        ]
        write_text(path, json.dumps(items, indent=2, ensure_ascii=False) + "\n")
        return
    rows: list[Sequence[object]] = [REPORT_COLUMNS]
    for window, item in doubtful_first:
        numbers = (f"{item.position:.3f}", f"{item.confidence:.3f}", f"{item.spread:.3f}")
        rows.append((window, *numbers, len(item.models), " | ".join(item.outvoted)))
    write_text(path, csv_text(rows))


def print_fusions(fused: Mapping[WindowId, Fusion]) -> None:
    """Print a table of the submissions: windows, share outvoted, and how much all agree."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    windows, outvoted = Counter[str](), Counter[str]()
    for item in fused.values():
        windows.update(item.models)
        outvoted.update(item.outvoted)
    table = Table("submission", title=f"{len(fused)} windows")
    table.add_column("windows", justify="right")
    table.add_column("outvoted", justify="right")
    for name, count in windows.items():
        table.add_row(Text(name), str(count), f"{outvoted[name] / count:.1%}")
    spreads = sorted(item.spread for item in fused.values())
    confidence = statistics.fmean(item.confidence for item in fused.values())
    console = Console()
    console.print(table)
    console.print(
        f"spread: median {statistics.median(spreads):.2f} s, largest {spreads[-1]:.2f} s; "
        f"mean confidence {confidence:.2f}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    config = parse(FuseConfig, argv, prog=PROG, positional="inputs")
    if not config.inputs:
        print(f"{PROG}: give two or more submissions, or a folder of them", file=sys.stderr)
        return 2

    def command() -> None:
        print_fusions(fuse_files(config))
        print(f"{config.output} written", file=sys.stderr)

    return run(command, PROG)


if __name__ == "__main__":
    raise SystemExit(main())

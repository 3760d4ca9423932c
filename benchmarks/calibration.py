"""How often what is said of a season is right, by the confidence it is said with.

    python benchmarks/calibration.py [--first 10000 --seasons 1000]

Seasons of words and samples of chance (tests/making/prints.py), each with its own errors, through
the parts that compare, gather, name and fuse. Those that the confidences were fitted on have
numbers below 10000. ``--rows FILE`` writes what was known of each segment, as JSON lines.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from making.prints import locate_made, make_plan
from season_scores import is_right, pairs

EDGES = (0.0, 0.5, 0.65, 0.8, 0.875, 0.925, 0.96, 1.01)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=10_000)
    parser.add_argument("--seasons", type=int, default=1000)
    parser.add_argument("--rows", type=Path)
    options = parser.parse_args()
    began = time.process_time()
    rows = []
    for number in range(options.first, options.first + options.seasons):
        episodes = make_plan(number)
        with tempfile.TemporaryDirectory() as folder:
            found = locate_made(episodes, Path(folder))
        for made, segments in zip(episodes, found, strict=True):
            right = {id(pair[0]) for pair in pairs(segments, made.truth) if is_right(pair)}
            rows += [
                {
                    "season": number,
                    "episodes": len(episodes),
                    "label": each.label,
                    "seconds": each.duration,
                    "said": each.score,
                    "right": id(each) in right,
                    "evidence": each.evidence,
                    "start": each.start,
                    "duration": made.duration,
                    "truth": [[one.label, one.start, one.end] for one in made.truth],
                }
                for each in segments
            ]
    spent = time.process_time() - began
    each = spent / options.seasons
    print(f"{options.seasons} seasons, {len(rows)} segments, {each:.2f} CPU s each")
    print_bins(rows)
    for count in range(1, 6):
        print(f"of seasons of {count}:")
        print_bins([row for row in rows if row["episodes"] == count])
    if options.rows:
        options.rows.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return 0


def print_bins(rows: list[dict]) -> None:
    bins = defaultdict(list)
    for row in rows:
        bins[max(edge for edge in EDGES if edge <= row["said"])].append(row)
    for edge, inside in sorted(bins.items()):
        said = sum(row["said"] for row in inside) / len(inside)
        right = sum(row["right"] for row in inside) / len(inside)
        seasons = len({row["season"] for row in inside})
        print(
            f"  from {edge:.3f}: {len(inside)} segments of {seasons} seasons, said {said:.3f}, "
            f"right {right:.3f}"
        )


if __name__ == "__main__":
    raise SystemExit(main())

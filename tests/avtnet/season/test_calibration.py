"""Of what is said with a confidence of 0.9, nine in ten are right; and so with other confidences.

Made seasons (tests/making/prints.py), whose sources err in many ways, go through the program's own
parts from what is compared to what is said. The confidences were fitted on other seasons.
"""

import math
import sys
from collections import defaultdict
from pathlib import Path

from making.prints import locate_made, make_plan

# Behind everything else: that folder has a preprocess.py.
sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from season_scores import is_right, pairs

SEASONS = range(20_000, 20_120)
EDGES = (0.3, 0.6, 0.8, 0.925, 0.96, 1.01)
SLACK = 0.05
"""Besides three standard deviations of chance, which a few hundred segments leave."""


def test_of_what_is_said_at_nine_in_ten_nine_in_ten_are_right(tmp_path):
    said = defaultdict(lambda: defaultdict(list))  # by the lower edge, then by season
    wanted = found = 0
    for number in SEASONS:
        episodes = make_plan(number)
        folder = tmp_path / str(number)
        folder.mkdir()
        for made, segments in zip(episodes, locate_made(episodes, folder), strict=True):
            right = {id(pair[0]) for pair in pairs(segments, made.truth) if is_right(pair)}
            wanted, found = wanted + len(made.truth), found + len(right)
            for each in segments:
                edge = max(edge for edge in EDGES if edge <= each.score)
                said[edge][number].append((each.score, id(each) in right))
    assert found > 0.85 * wanted, "who says little is easily right"
    assert len(said) >= 4
    for edge, seasons in said.items():
        rows = [row for season in seasons.values() for row in season]
        mean, right = (math.fsum(column) / len(rows) for column in zip(*rows, strict=True))
        # What one season says is right or wrong together.
        chance = math.sqrt(mean * (1 - mean) / len(seasons))
        told = f"from {edge}: {len(rows)} of {len(seasons)} seasons, {mean:.3f} said, {right:.3f}"
        assert abs(right - mean) <= SLACK + 3 * chance, told

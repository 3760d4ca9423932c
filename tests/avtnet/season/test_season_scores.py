"""The figures of seasons are what one gets by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest

from clipping.segments import Segment

# Behind everything else: that folder has a preprocess.py.
sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from season_peer import first_valid, window
from season_scores import (
    Episode,
    calibration,
    figures,
    is_right,
    mistakes,
    pairs,
    print_figures,
    role_figures,
    seconds_f1,
    skipped_story,
)

OPENING, ENDING = Segment(10, 100, "opening"), Segment(1300, 1390, "ending")


def episode(*found, truth=(OPENING, ENDING), name="01.mkv", scenario="a", error=None):
    return Episode(scenario, name, 1440.0, tuple(truth), tuple(found), error)


def test_each_segment_stands_in_one_pair_of_its_own_label():
    near = Segment(11.5, 100.5, "opening", 0.9)
    far = Segment(10, 70, "opening", 0.6)
    half = Segment(10, 55, "opening")
    other = Segment(10, 100, "ending")
    assert pairs([far, near, other], [OPENING, ENDING]) == [(near, OPENING)]
    assert pairs([far], [OPENING]) == [(far, OPENING)]
    assert pairs([half], [OPENING]) == []  # exactly half of the union
    twice = [OPENING, Segment(700, 790, "opening")]
    assert len(pairs(twice, twice)) == 2
    assert pairs([OPENING, OPENING], [OPENING]) == [(OPENING, OPENING)]


@pytest.mark.parametrize(
    ("start", "end", "right"),
    [(12, 98, True), (8, 102, True), (12.01, 100, False), (10, 97.99, False)],
)
def test_right_is_both_ends_within_two_seconds(start, end, right):
    assert is_right((Segment(start, end, "opening"), OPENING)) is right


def test_precision_recall_and_errors_of_a_role():
    episodes = [
        episode(Segment(10.5, 101, "opening"), Segment(1300, 1390, "ending")),
        episode(Segment(13, 100, "opening"), Segment(500, 590, "opening")),
        episode(),
        episode(Segment(20, 110, "opening"), truth=()),
    ]
    row = role_figures(episodes, "opening")
    assert (row["wanted"], row["found"], row["right"]) == (3, 4, 1)
    assert row["precision"] == 1 / 4
    assert row["recall"] == 1 / 3
    assert row["start_mean"] == pytest.approx((0.5 + 3) / 2)  # of pairs, right or not
    assert row["end_mean"] == pytest.approx(0.5)
    assert row["start_p95"] == pytest.approx(0.5 + 0.95 * 2.5)
    assert role_figures(episodes, "recap") == {
        "wanted": 0, "found": 0, "right": 0, "precision": None, "recall": None,
        "start_mean": None, "start_p95": None, "end_mean": None, "end_p95": None,
    }  # fmt: skip


def test_seconds_count_whichever_song_they_are_called():
    called = episode(Segment(10, 100, "ending"), Segment(1300, 1390, "ending"))
    assert seconds_f1([called]) == 1.0
    # 90 of 180 s found, and 30 s too many: F1 is 2 * 90 / (120 + 180).
    partly = episode(Segment(10, 130, "opening"), Segment(400, 500, "recap"))
    assert seconds_f1([partly]) == pytest.approx(180 / 300)
    assert seconds_f1([episode(truth=())]) == 1.0
    mixed = Segment(600, 690, "mixed")
    assert seconds_f1([episode(OPENING, truth=(OPENING, mixed))]) == 1.0


def test_story_is_lost_where_what_is_skipped_is_none_of_it():
    preview, mixed = Segment(1390, 1420, "preview"), Segment(600, 690, "mixed")
    truth = (OPENING, ENDING, preview, mixed)
    lost = [
        episode(Segment(5, 100, "opening"), ENDING, truth=truth),  # 5 s of the cold open
        episode(OPENING, Segment(1300, 1420, "ending"), truth=truth),  # the preview
        episode(Segment(600, 690, "opening"), truth=truth),  # the song under story
        episode(Segment(600, 690, "mixed"), Segment(0, 30, "preview"), truth=truth),  # kept
        episode(Segment(10, 100, "ending"), truth=truth),  # skipped under another name
        episode(Segment(200, 260, "recap"), Segment(230, 280, "opening"), truth=truth),
    ]
    assert [skipped_story([each]) for each in lost] == pytest.approx([5, 30, 90, 0, 0, 80])
    assert skipped_story(lost) == pytest.approx(205 / 6)


def test_confidence_is_compared_with_how_often_it_is_right():
    right, wrong = (10, 100), (300, 390)
    said = [(right, 0.95), (right, 0.93), (wrong, 0.97), (right, 1.0), (wrong, 0.42)]
    said += [(right, 0.48), (right, None)]
    episodes = [episode(Segment(*place, "opening", score)) for place, score in said]
    table = calibration(episodes)
    low, high = table["bins"]
    assert (low["from"], low["to"], low["segments"], low["right"]) == (0.4, 0.5, 2, 0.5)
    assert (high["segments"], high["right"]) == (4, 0.75)
    assert low["mean_confidence"] == pytest.approx(0.45)
    assert high["mean_confidence"] == pytest.approx(0.9625)
    assert table["error"] == pytest.approx((2 * 0.05 + 4 * 0.2125) / 6)
    assert calibration([episode()]) == {"bins": [], "error": None}


def test_every_mistake_is_named_and_printed(capsys):
    wrong = Segment(300, 390, "ending", 0.7, ("repetition: in 2 of 5",))
    episodes = [
        episode(OPENING, wrong),
        episode(name="02.mkv", truth=(OPENING,), error="02.mkv: no media"),
        episode(name="03.mkv", truth=(), scenario="b"),
    ]
    rows = [
        (row["kind"], row["label"], row["file"], row["confidence"]) for row in mistakes(episodes)
    ]
    assert rows == [
        ("missing", "ending", "01.mkv", None),
        ("wrong", "ending", "01.mkv", 0.7),
        ("missing", "opening", "02.mkv", None),
    ]
    told = figures(episodes)
    assert list(told["scenarios"]) == ["a", "b"]
    assert told["scenarios"]["a"]["opening"]["recall"] == 0.5
    assert told["scenarios"]["b"]["seconds_f1"] == 1.0
    print_figures(told)
    printed = capsys.readouterr().out
    assert "wrong ending 300.00-390.00 said at 0.70: a/01.mkv" in printed
    assert "missing opening 10.00-100.00: a/02.mkv (02.mkv: no media)" in printed
    assert "story wrongly skipped 30.00 s an episode" in printed


def test_the_peer_takes_its_first_valid_sibling_and_a_later_one_only_where_it_is_longer():
    rng = np.random.default_rng(1)
    theme = rng.integers(1 << 32, size=900, dtype=np.uint32)  # 111 s

    def alone(points):
        return rng.integers(1 << 32, size=points, dtype=np.uint32)

    def with_theme(before, points=900, behind=200):
        return np.concatenate([alone(before), theme[:points], alone(behind)])

    # The second shares less with the first (62 s) than the third with both of them.
    windows = [with_theme(100), with_theme(300, points=500), with_theme(200), alone(900)]
    best = first_valid(windows, 120.0)
    assert sorted(best) == [0, 1, 2]
    assert best[0] == pytest.approx((12.4, 74.2), abs=0.2)  # the first valid, not the longest
    assert best[1] == pytest.approx((37.1, 98.9), abs=0.2)
    assert best[2] == pytest.approx((24.8, 86.5), abs=0.2)
    assert first_valid([alone(900), alone(900)], 120.0) == {}
    assert first_valid([with_theme(100), with_theme(200)], 100.0) == {}  # too long
    assert window("opening", 1440.0) == (0.0, 360.0)
    assert window("opening", 290.0) == (0.0, 290.0)
    assert window("opening", 7200.0) == (0.0, 600.0)
    assert window("ending", 1440.0) == (990.0, 1440.0)

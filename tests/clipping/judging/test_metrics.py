"""Metrics: small cases by hand, laws that hold for all, and messages that name the item."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.errors import ClippingError
from clipping.judging.metrics import (
    absolute_errors,
    challenge_score,
    evaluate_positions,
    evaluate_segments,
    hit_rate,
    signed_errors,
    story_skipped,
)
from clipping.segments import Segment, Timeline
from clipping.windows import WindowId

WINDOWS = [WindowId(name, side) for name in ("a", "b") for side in ("start", "end")]


def test_the_first_second_of_an_error_is_free():
    assert challenge_score([10, 10.5, 11, 14], [10, 10, 10, 10]) == 3 / 4
    assert challenge_score([6], [10]) == 3


def test_a_hit_includes_its_limit():
    assert hit_rate([1, 2, 3, 4], [0, 0, 0, 0], 2) == 0.5


def test_the_figures_of_four_windows():
    true = dict(zip(WINDOWS, [10.0, 20.0, 30.0, 40.0], strict=True))
    predicted = dict(zip(WINDOWS, [10.5, 18.5, 30.0, 46.0], strict=True))
    predicted[WindowId("not labelled", "end")] = 3.0
    assert evaluate_positions(predicted, true) == {
        "windows": 4,
        "score": (0.5 + 5) / 4,
        "mae": 2.0,
        "median": 1.0,
        "p95": pytest.approx(1.5 + 0.85 * 4.5),
        "hit@0.5": 0.5,
        "hit@1": 0.5,
        "hit@2": 0.75,
        "hit@5": 0.75,
    }
    assert list(evaluate_positions(predicted, true)) == (
        "windows score mae median p95 hit@0.5 hit@1 hit@2 hit@5".split()
    )
    assert signed_errors(predicted, true)[WindowId("a", "end")] == -1.5


def test_windows_are_joined_by_name_whatever_the_order():
    true = {f"{number}_start": float(number) for number in range(50)}
    names = list(true)
    random.Random(1).shuffle(names)
    predicted = {name: true[name] + 3 for name in names}
    assert evaluate_positions(predicted, true)["score"] == 2
    assert evaluate_positions(predicted, true)["hit@2"] == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 200), st.floats(0, 200)), min_size=1))
def test_figures_agree_with_each_other(pairs):
    predicted, true = (dict(enumerate(column)) for column in zip(*pairs, strict=True))
    figures = evaluate_positions(predicted, true)
    assert max(0, figures["mae"] - 1) <= figures["score"] + 1e-9 <= figures["mae"] + 2e-9
    assert figures["hit@0.5"] <= figures["hit@1"] <= figures["hit@2"] <= figures["hit@5"]
    assert figures == evaluate_positions(true, predicted)
    assert evaluate_positions(true, true)["hit@0.5"] == 1


def test_a_window_without_prediction_is_named():
    true = dict.fromkeys(WINDOWS, 1.0)
    with pytest.raises(ClippingError, match=r"nothing was predicted for a_end, b_start, b_end$"):
        evaluate_positions({WINDOWS[0]: 1.0}, true)
    with pytest.raises(ClippingError, match="for a_start, a_end, b_start and 1 more"):
        evaluate_positions({}, true)
    with pytest.raises(ClippingError, match="no truth was given"):
        evaluate_positions(true, {})
    with pytest.raises(ClippingError, match=r"b_end: nan was predicted and 1.0 is true"):
        evaluate_positions(true | {WINDOWS[3]: float("nan")}, true)


@pytest.mark.parametrize(
    ("predicted", "true", "complaint"),
    [
        ([1, 2], [1], r"shapes \(2,\) and \(1,\)"),
        ([], [], r"shapes \(0,\) and \(0,\)"),
        ([[1]], [[1]], r"shapes \(1, 1\) and \(1, 1\)"),
        ([1, float("inf")], [1, 2], r"predicted\[1\] is inf"),
        ([1, 2], [float("nan"), 2], r"true\[0\] is nan"),
    ],
)
def test_lists_that_do_not_fit_are_refused(predicted, true, complaint):
    with pytest.raises(ValueError, match=complaint):
        absolute_errors(predicted, true)


def episode(source, *spans):
    return Timeline(source, 1440, tuple(Segment(*span) for span in spans))


def test_precision_and_recall_are_shares_of_seconds():
    true = [episode("a", (10, 100, "opening"), (1300, 1390, "ending")), episode("b")]
    predicted = [
        episode("b", (0, 10, "opening")),
        episode("a", (40, 130, "opening"), (1300, 1345, "ending")),
        episode("not labelled", (0, 90, "opening")),
    ]
    figures = evaluate_segments(predicted, true)
    assert figures == {
        "files": 2,
        "opening/precision": 60 / 100,
        "opening/recall": 60 / 90,
        "opening/f1": pytest.approx(2 * 0.6 * (2 / 3) / (0.6 + 2 / 3)),
        "ending/precision": 1,
        "ending/recall": 0.5,
        "ending/f1": pytest.approx(2 / 3),
        "story_skipped": 40,
    }
    assert list(figures)[-1] == "story_skipped"


def test_an_ending_taken_for_an_opening_costs_no_story():
    true, predicted = [episode("a", (10, 100, "ending"))], [episode("a", (20, 110, "opening"))]
    figures = evaluate_segments(predicted, true)
    assert figures["story_skipped"] == 10
    assert figures["opening/precision"] == figures["ending/recall"] == 0
    assert story_skipped(predicted[0].segments, true[0].segments, ["opening"]) == 90


def test_touching_spans_share_nothing_and_overlapping_ones_count_once():
    true = [episode("a", (0, 10, "opening"))]
    assert evaluate_segments([episode("a", (10, 20, "opening"))], true)["opening/f1"] == 0
    twice = [episode("a", (0, 6, "opening"), (4, 10, "opening"), (0, 10, "opening"))]
    assert evaluate_segments(twice, true)["opening/f1"] == 1


@pytest.mark.parametrize(
    ("predicted", "true", "figures"),
    [
        ([], [], (1, 1, 1)),
        ([], [(0, 9, "x")], (0, 0, 0)),
        ([(0, 9, "x")], [], (0, 0, 0)),
        ([(0, 9, "x")], [(0, 9, "x")], (1, 1, 1)),
    ],
)
def test_a_share_of_nothing_is_right_where_there_was_nothing(predicted, true, figures):
    found = evaluate_segments([episode("a", *predicted)], [episode("a", *true)], labels=["x"])
    assert (found["x/precision"], found["x/recall"], found["x/f1"]) == figures


whole_seconds = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 15), st.sampled_from(["opening", "ending", "x"])),
    max_size=5,
).map(lambda spans: tuple(Segment(start, start + length, label) for start, length, label in spans))


@settings(deadline=None)
@given(predicted=whole_seconds, true=whole_seconds)
def test_exact_lengths_equal_counting_whole_seconds(predicted, true):
    def seconds(segments, *labels):
        return {
            second
            for segment in segments
            if segment.label in labels
            for second in range(int(segment.start), int(segment.end))
        }

    figures = evaluate_segments([Timeline("a", 60, predicted)], [Timeline("a", 60, true)])
    for label in ("opening", "ending"):
        called, real = seconds(predicted, label), seconds(true, label)
        if called:
            assert figures[f"{label}/precision"] == len(called & real) / len(called)
        if real:
            assert figures[f"{label}/recall"] == len(called & real) / len(real)
    skipped = seconds(predicted, "opening", "ending") - seconds(true, "opening", "ending")
    assert figures["story_skipped"] == len(skipped)


def test_files_without_a_partner_are_named():
    with pytest.raises(ClippingError, match="nothing was predicted for b"):
        evaluate_segments([episode("a")], [episode("a"), episode("b")])
    with pytest.raises(ClippingError, match="a: there are two timelines of this file"):
        evaluate_segments([episode("a"), episode("a")], [episode("a")])

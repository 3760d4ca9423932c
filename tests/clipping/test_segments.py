"""Spans, timelines and the text form of times."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipping.segments import Segment, Timeline, format_time, parse_time

milliseconds = st.integers(0, 100 * 3_600_000)


class TestSegment:
    """A span checks itself."""

    @pytest.mark.parametrize(
        ("start", "end"),
        [(5, 5), (6, 5), (-1, 5), (math.nan, 5), (0, math.nan), (0, math.inf), (-math.inf, 5)],
    )
    def test_impossible_spans(self, start: float, end: float) -> None:
        with pytest.raises(ValueError, match="a segment needs"):
            Segment(start, end)

    @pytest.mark.parametrize("score", [-0.01, 1.01, math.nan])
    def test_impossible_scores(self, score: float) -> None:
        with pytest.raises(ValueError, match="from 0 to 1"):
            Segment(0, 1, score=score)

    def test_it_is_a_value(self) -> None:
        one = Segment(1.0, 2.0, "opening", 0.5, ("text",))
        assert one == Segment(1.0, 2.0, "opening", 0.5, ("text",))
        assert hash(one) == hash(Segment(1.0, 2.0, "opening", 0.5, ("text",)))
        with pytest.raises(dataclasses.FrozenInstanceError):
            one.start = 0.0  # type: ignore[misc]

    def test_it_reads_well(self) -> None:
        assert str(Segment(0, 83.5, "opening")) == "opening 0:00:00.000-0:01:23.500"
        assert str(Segment(1, 2)) == "0:00:01.000-0:00:02.000"

    @given(milliseconds, milliseconds, milliseconds, milliseconds)
    def test_overlap_is_symmetric_and_bounded(self, a: int, b: int, c: int, d: int) -> None:
        one, other = Segment(a, a + b + 1), Segment(c, c + d + 1)
        assert one.overlap(other) == other.overlap(one)
        assert 0 <= one.overlap(other) <= min(one.duration, other.duration)
        assert one.overlap(one) == one.duration

    def test_spans_that_touch_do_not_overlap(self) -> None:
        assert Segment(0, 5).overlap(Segment(5, 9)) == 0
        assert Segment(0, 5).overlap(Segment(4.5, 9)) == 0.5


class TestTimeline:
    """The segments of a file."""

    def test_segments_are_in_order_of_time_whatever_their_scores(self) -> None:
        segments = (Segment(5, 9, "ending"), Segment(0, 5, score=0.5), Segment(0, 5))
        times = [(s.start, s.end) for s in Timeline("a.mkv", 10.0, segments).segments]
        assert times == [(0, 5), (0, 5), (5, 9)]

    def test_openings_and_endings_are_found_by_label(self) -> None:
        opening, ending = Segment(0, 90, "opening"), Segment(1300, 1390, "ending")
        timeline = Timeline("a.mkv", 1440.0, (ending, opening))
        assert timeline.opening is opening
        assert timeline.ending is ending
        assert timeline.find("preview") is None
        assert Timeline("a.mkv", 0.0, error="not a video").opening is None

    @pytest.mark.parametrize("duration", [-1.0, math.nan, math.inf])
    def test_impossible_durations(self, duration: float) -> None:
        with pytest.raises(ValueError, match="0 or more seconds"):
            Timeline("a.mkv", duration)


class TestTimes:
    """Seconds and their text form."""

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (0, "0:00:00.000"),
            (83.5, "0:01:23.500"),
            (59.9996, "0:01:00.000"),
            (3599.9999, "1:00:00.000"),
            (36000.001, "10:00:00.001"),
        ],
    )
    def test_format(self, seconds: float, text: str) -> None:
        assert format_time(seconds) == text

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("83.5", 83.5),
            ("1:23.5", 83.5),
            ("0:01:23.500", 83.5),
            (" 5 ", 5),
            (".5", 0.5),
            ("5.", 5),
            ("90", 90),
            ("100:00:00", 360_000),
        ],
    )
    def test_parse(self, text: str, seconds: float) -> None:
        assert parse_time(text) == seconds

    @pytest.mark.parametrize(
        "text", ["", "-5", "1:60", "1:2:3:4", "five", "1e3", "nan", "inf", "1:", ":5", ".", "0x5"]
    )
    def test_parse_refuses(self, text: str) -> None:
        with pytest.raises(ValueError, match="time"):
            parse_time(text)

    @given(milliseconds)
    def test_a_time_survives_the_round_trip(self, count: int) -> None:
        assert parse_time(format_time(count / 1000)) == pytest.approx(count / 1000, abs=1e-9)

    @given(st.text(alphabet="0123456789:. ", max_size=14))
    def test_what_parses_is_a_time(self, text: str) -> None:
        try:
            seconds = parse_time(text)
        except ValueError:
            return
        assert 0 <= seconds < math.inf

"""What two files share is found whole and placed to the sample, whatever was done to them."""

import json

import numpy as np
import pytest
from make_media import corrupt, make_media
from make_shared import RATE, song, spliced, story, write

from clipping.shared import SharedSettings, main, shared

SOUND = SharedSettings(by="sound")
WITHIN = 0.05


def spans(report):
    return [
        (each.a.segment.start, each.a.segment.end, each.b.segment.start, each.b.segment.end)
        for each in report.found
    ]


def one(report):
    assert report.errors == ()
    assert len(report.found) == 1, report.found
    return spans(report)[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a.m4a", {}), ("b.ogg", {"codec": "libopus", "rate": 48000})),
        (("a.mp3", {"codec": "libmp3lame", "rate": 32000}), ("b.flac", {"codec": "flac"})),
        (
            ("a.mkv", {"codec": "libopus", "rate": 48000, "layout": "mono"}),
            ("b.mp4", {"rate": 48000, "layout": "5.1"}),
        ),
    ],
    ids=["aac-opus", "mp3-flac", "mono-surround"],
)
def test_an_exact_copy_is_placed_within_a_twentieth_of_a_second(tmp_path, first, second):
    theme = song(25.3, seed=1)
    a = spliced(story(13.37, 2), theme, story(9.1, 3))
    b = spliced(story(31.731, 4), 0.3 * theme, story(22.22, 5))
    (name_a, how_a), (name_b, how_b) = first, second
    write(tmp_path / name_a, a, **how_a)
    write(tmp_path / name_b, b, **how_b)
    report = shared([tmp_path / name_a, tmp_path / name_b], SOUND)
    found = one(report)
    assert found == pytest.approx((13.37, 38.67, 31.731, 57.031), abs=WITHIN)
    assert report.found[0].exact
    assert report.found[0].offset == pytest.approx(31.731 - 13.37, abs=0.002)
    assert report.found[0].score > 0.7

"""Stretches that two files share are found whole, with ends to the sample, in any encoding."""

import json

import numpy as np
import pytest
from making.media import corrupt, make_media
from making.shared import RATE, film, song, spliced, story, write

from clipping.repeats.shared import SharedSettings, main, shared

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


def test_every_stretch_is_found_in_any_order_and_twice_where_it_comes_twice(tmp_path):
    opening, ending, card = song(21, 1), song(19, 2, "ending"), song(12, 3, "jingle")
    a = spliced(opening, story(11, 4), card, story(7, 5), ending)
    b = spliced(story(8, 6), ending, story(9, 7), opening, card, story(3, 8), opening)
    first = write(tmp_path / "a.m4a", a)
    second = write(tmp_path / "b.mp3", 0.5 * b, codec="libmp3lame")
    report = shared([first, second], SOUND)
    truth = [
        (0.0, 21.0, 36.0, 57.0),
        (0.0, 21.0, 72.0, 93.0),
        (32.0, 44.0, 57.0, 69.0),
        (51.0, 70.0, 8.0, 27.0),
    ]
    assert len(report.found) == len(truth)
    for found, true in zip(spans(report), truth, strict=True):
        assert found == pytest.approx(true, abs=WITHIN)


def test_the_same_file_twice_is_one_stretch_from_end_to_end(tmp_path):
    whole = spliced(story(20, 1), song(15, 2), story(10, 3))
    first = write(tmp_path / "a.m4a", whole)
    second = write(tmp_path / "b.ogg", whole, codec="libopus", rate=48000)
    assert one(shared([first, second], SOUND)) == pytest.approx((0, 45, 0, 45), abs=WITHIN)


def test_silence_constant_tones_and_strangers_are_not_shared(tmp_path):
    tone = 0.3 * np.sin(2 * np.pi * 997 * np.arange(20 * RATE) / RATE)
    quiet = np.zeros(20 * RATE)
    first = write(tmp_path / "a.m4a", spliced(story(15, 1), tone, quiet, song(15, 2)))
    second = write(tmp_path / "b.m4a", spliced(quiet, tone, story(18, 3), song(20, 4)))
    assert shared([first, second], SOUND).found == ()


def test_damage_and_talk_over_it_do_not_break_a_stretch(tmp_path):
    theme = song(40, 1)
    worse = theme.copy()
    worse[12 * RATE : 14 * RATE] = 0
    worse[25 * RATE : 27 * RATE] = story(2, 9)
    a = write(tmp_path / "a.m4a", spliced(story(10, 2), theme, story(6, 3)))
    b = write(tmp_path / "b.m4a", spliced(story(21, 4), worse, story(6, 5)))
    assert one(shared([a, b], SOUND)) == pytest.approx((10, 50, 21, 61), abs=WITHIN)


def test_a_song_that_fades_out_ends_where_it_can_no_longer_be_heard(tmp_path):
    theme = song(25, 1)
    theme[-3 * RATE :] *= np.linspace(1, 0, 3 * RATE)
    a = write(tmp_path / "a.m4a", spliced(story(10, 2), theme, story(6, 3)))
    b = write(tmp_path / "b.mp3", spliced(story(7, 4), theme, story(6, 5)), codec="libmp3lame")
    assert one(shared([a, b], SOUND)) == pytest.approx((10, 35, 7, 32), abs=WITHIN)


def test_a_region_leaves_out_what_lies_outside(tmp_path):
    theme = song(20, 1)
    a = write(tmp_path / "a.m4a", spliced(theme, story(20, 2), theme))
    b = write(tmp_path / "b.m4a", spliced(story(10, 3), theme, story(15, 4)))
    late = SharedSettings(by="sound", region_start=12.0)
    early = SharedSettings(by="sound", region_end=30.0)
    assert len(shared([a, b], SOUND).found) == 2
    assert one(shared([a, b], early)) == pytest.approx((0, 20, 10, 30), abs=WITHIN)
    assert one(shared([a, b], late))[0] > 39


def test_pictures_are_shared_by_films_without_sound_of_other_sizes_codecs_and_borders(tmp_path):
    a = film(tmp_path / "a.mp4", [(9.5, 1), (16, 7), (8, 2)])
    b = film(
        tmp_path / "b.mkv",
        [(20.25, 3), (16, 7), (5, 4)],
        size=(160, 120),
        codec="mpeg4",
        letterbox=15,
    )
    report = shared([a, b])
    assert one(report) == pytest.approx((9.5, 25.5, 20.25, 36.25), abs=0.1)
    assert report.found[0].by == "picture"
    assert not report.found[0].exact


def test_a_picture_that_stands_still_is_no_shared_stretch(tmp_path):
    still = [(1, 7)] * 14
    a = film(tmp_path / "a.mp4", [*still, (5, 2)])
    b = film(tmp_path / "b.mp4", [(6, 3), *still])
    assert shared([a, b]).found == ()


def test_the_command_writes_a_table_and_json_and_goes_on_after_a_bad_file(tmp_path, capsys):
    theme = song(15, 1)
    a = write(tmp_path / "a.m4a", spliced(story(5, 2), theme, story(5, 3)))
    b = write(tmp_path / "b.m4a", spliced(story(9, 4), theme))
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"no media at all" * 100)
    out = tmp_path / "new" / "shared.json"
    assert main([str(a), str(bad), str(b), str(tmp_path / "gone.mkv"), "--json", str(out)]) == 1
    told = capsys.readouterr()
    assert "bad.mp3" in told.err
    assert "gone.mkv: there is no such file" in told.err
    assert "a.m4a" in told.out
    (row,) = json.loads(out.read_text())
    assert row["a"] == {"file": str(a), "start": pytest.approx(5, abs=WITHIN),
                        "end": pytest.approx(20, abs=WITHIN)}  # fmt: skip
    assert row["b"]["start"] == pytest.approx(9, abs=WITHIN)
    assert row["offset"] == pytest.approx(4, abs=0.002)
    assert (row["by"], row["exact"], 0.5 < row["score"] <= 1) == ("sound", True, True)
    assert main([str(a), str(b), "--json", "-", "--shortest", "20"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main([str(a)]) == 2
    assert main([str(a), str(b), "--json", str(tmp_path)]) == 1
    assert "is a folder" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([str(a), str(b), "--shortest", "1"])


def test_sound_and_picture_are_told_apart_and_what_both_say_is_said_once(tmp_path):
    theme = song(14, 1)
    video = {"video_codec": "libx264", "size": (160, 90)}  # its pictures are those of its times
    a = write(tmp_path / "a.mp4", spliced(story(4, 2), theme, story(10, 3)), **video)
    b = write(tmp_path / "b.mkv", spliced(story(11, 4), theme, story(3, 5)), **video)
    c = write(tmp_path / "c.mp4", spliced(story(4, 2), theme, story(10, 3)), **video)
    report = shared([a, b])
    assert [each.by for each in report.found] == ["picture", "sound"]
    assert spans(report)[0] == pytest.approx((0, 28, 0, 28), abs=0.1)
    assert spans(report)[1] == pytest.approx((4, 18, 11, 25), abs=WITHIN)
    both = shared([a, c])
    assert one(both) == pytest.approx((0, 28, 0, 28), abs=WITHIN)
    assert both.found[0].by == "sound"
    assert [each.by for each in shared([a, b], SharedSettings(by="picture")).found] == ["picture"]


def test_a_damaged_file_is_still_compared_and_a_silent_one_named(tmp_path):
    theme = song(30, 1)
    a = write(tmp_path / "a.mp3", spliced(story(9, 2), theme, story(9, 3)), codec="libmp3lame")
    b = write(tmp_path / "b.mkv", spliced(theme, story(15, 4)))
    corrupt(b, 0.30, 0.32)
    assert one(shared([a, b], SOUND)) == pytest.approx((9, 39, 0, 30), abs=WITHIN)
    mute = make_media(tmp_path / "mute.mp4", audio_codec=None, size=(160, 90))
    report = shared([a, mute, b], SOUND)
    assert len(report.found) == 1
    assert report.errors == (f"{mute}: has no sound",)

"""Reels, read back: their pictures, crossfades, titles and sound."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from making.media import make_media, read_barcode, read_clicks

from clipping.cutting.reel import Shot, main, reel
from clipping.errors import ClippingError
from clipping.media.frames import frames_at
from clipping.media.probe import probe
from clipping.media.sound import read_audio
from clipping.segments import Segment

RATE = 48000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    make_media(folder / "wide.mp4", size=(160, 90))
    make_media(folder / "tall.mkv", size=(90, 160), start=3.0, audio_rate=44100)
    make_media(folder / "silent.mp4", size=(160, 90), audio_codec=None, duration=2)
    return folder


def pictures(path, times):
    return [frame.rgb() for frame in frames_at(path, times)]


def test_hard_cuts_show_each_segment_and_its_sound(folder, tmp_path):
    shots = [
        Shot(folder / "wide.mp4", Segment(1, 2.5)),
        Shot(folder / "silent.mp4", Segment(0.5, 1.5)),
        Shot(folder / "wide.mp4", Segment(2, 4)),
    ]
    made = reel(shots, tmp_path / "x.mp4", crossfade=0)
    info = probe(made)
    assert info.duration == pytest.approx(4.5, abs=0.03)
    assert info.video.display_size == (160, 90)
    times = [(number + 0.5) / 24 for number in range(4 * 24 + 12)]
    shown = [read_barcode(picture) for picture in pictures(made, times)]
    assert shown == [*range(24, 60), *range(12, 36), *range(48, 96)]
    clicks = read_clicks(read_audio(made, rate=RATE), RATE)
    heard = [(click.second, pytest.approx(click.at, abs=0.003)) for click in clicks]
    assert heard == [(1, 0.0), (2, 1.0), (2, 2.5), (3, 3.5)]


def test_a_crossfade_overlaps_pictures_and_sound(folder, tmp_path):
    shots = [
        Shot(folder / "wide.mp4", Segment(0, 2)),
        Shot(folder / "tall.mkv", Segment(1, 3)),
    ]
    made = reel(shots, tmp_path / "x.mp4", crossfade=0.5)
    assert probe(made).duration == pytest.approx(3.5, abs=0.03)
    before, middle, after = pictures(made, [1.4, 1.75, 2.1])
    assert read_barcode(before) == 33
    tall = after[:, 55:105]  # 90x160 in a picture of 160x90: black at the sides
    assert after[:, :50].max() < 40
    assert after[:, 110:].max() < 40
    assert read_barcode(tall) == round((1 + 2.1 - 1.5) * 24 - 0.5)
    mixed = 0.5 * before[:, :50] + 0.5 * after[:, :50]
    assert np.abs(middle[60:, :50] - mixed[60:]).mean() < 25
    assert 0.3 < middle[:, :50].mean() / before[:, :50].mean() < 0.75
    clicks = [(c.second, c.at) for c in read_clicks(read_audio(made, rate=RATE), RATE)]
    assert (2, pytest.approx(2.5, abs=0.003)) in clicks


def test_titles_are_written_with_a_font_of_our_own(folder, tmp_path):
    segment = Segment(0, 1.5)
    plain = reel([Shot(folder / "wide.mp4", segment)], tmp_path / "plain.mp4", size=(320, 180))
    shot = Shot(folder / "wide.mp4", segment, "Folge „Ä“ · opening")
    titled = reel([shot], tmp_path / "titled.mp4", size=(320, 180))
    [a], [b] = pictures(plain, [0.75]), pictures(titled, [0.75])
    changed = np.abs(a.astype(int) - b).max(axis=2) > 60
    assert changed[135:].sum() > 200
    assert changed[:120].sum() == 0
    assert probe(plain).video.display_size == (320, 180)


def test_silent_films_make_a_silent_reel_in_webm(folder, tmp_path):
    made = reel([Shot(folder / "silent.mp4", Segment(0, 1))], tmp_path / "x.webm")
    info = probe(made)
    assert (info.video.codec, info.audio) == ("vp9", ())


@pytest.mark.parametrize(
    ("segment", "name", "message"),
    [
        (Segment(0, 9), "x.mp4", "ends at 0:00:04.000, before the end of"),
        (Segment(0, 0.9), "x.mp4", "too short to crossfade 0.5 s at both ends"),
        (Segment(0, 2), "x.avi", r"a reel is .m4v"),
    ],
)
def test_what_cannot_be_joined_is_said(folder, tmp_path, segment, name, message):
    with pytest.raises(ClippingError, match=message):
        reel([Shot(folder / "wide.mp4", segment)], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_command_needs_no_ffmpeg_on_the_path_and_leaves_nothing_open(folder, tmp_path):
    table = tmp_path / "season.json"
    segment = {"label": "opening", "start": 0.5, "end": 2.0}
    names = ("wide.mp4", "tall.mkv", "gone.mp4")
    table.write_text(json.dumps([{"file": str(folder / n), "segments": [segment]} for n in names]))
    words = [
        "--segments",
        table,
        "--labels",
        "opening",
        "--titles",
        "-o",
        tmp_path / "out" / "r.mp4",
    ]
    command = [sys.executable, "-W", "error", "-m", "clipping", "reel", *words]
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1  # one file is gone, the reel of the others is there
    assert done.stderr.strip() == (
        f"python -m clipping reel: {folder / 'gone.mp4'}: there is no such file"
    )
    assert "2 segments, 0:00:02.5" in done.stdout
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["r.mp4"]


def test_existing_reels_are_kept_and_wrong_values_refused(folder, tmp_path, capsys):
    there = tmp_path / "there.mp4"
    there.write_text("precious")
    words = [str(folder / "wide.mp4"), "--start", "1", "--end", "2", "-o", str(there)]
    assert main(words) == 1
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
    assert there.read_text() == "precious"
    with pytest.raises(SystemExit):
        main([*words, "--crossfade", "-1"])
    assert "a crossfade is 0 to 10 s" in capsys.readouterr().err


def test_a_missing_extra_names_its_remedy(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "moviepy", None)  # Python's own "is not installed"
    with pytest.raises(
        ClippingError, match=r"moviepy is not installed: pip install 'avtnet\[video\]'"
    ):
        reel([Shot(folder / "wide.mp4", Segment(0, 2))], tmp_path / "x.mp4")

"""Chapters in files: existing ones stay, found segments are put in, and nothing else changes."""

import io
import json
import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from making.media import make_media, truncate
from PIL import Image

from clipping.chapters import embed as chapter_embed
from clipping.chapters.check import difference, take_census
from clipping.chapters.command import main
from clipping.chapters.embed import embed
from clipping.chapters.merge import merge
from clipping.errors import MediaError
from clipping.formats.chapters import Chapter
from clipping.media.probe import probe
from clipping.segments import Segment

LINES = [(0.5, 1.0, b"early"), (2.75, 1.0, b"late")]
QUICK = {"size": (160, 90), "duration": 4.0}
WANTED = [
    Chapter(0, 0.5, "Prologue"),
    Chapter(0.5, 1.75, "Opening"),
    Chapter(1.75, 3.0, "“Épisode” = 始; #1"),
]


def jpeg():
    """A small picture for a cover."""
    data = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(data, "JPEG")
    return data.getvalue()


def furnish(source: Path, target: Path) -> Path:
    """Remux with chapters, subtitles, tags, a font and a cover; two tracks have a role."""
    matroska = target.suffix == ".mkv"
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        made.metadata.update({"title": "Show – 第1話", "comment": "a=b;c"})
        streams = {s.index: made.add_stream_from_template(s, opaque=True) for s in given.streams}
        for stream in given.streams:
            streams[stream.index].metadata.update(stream.metadata)
        audio = [streams[s.index] for s in given.streams.audio]
        audio[0].metadata["title"] = "Stereo"
        audio[0].disposition = av.stream.Disposition.default
        audio[1].disposition = av.stream.Disposition.comment
        text = made.add_mux_stream("subrip" if matroska else "mov_text")
        text.metadata["language"] = "ger"
        picture = None
        if matroska:
            made.add_attachment("font.ttf", "application/x-truetype-font", b"no font")
            made.add_attachment("cover.jpg", "image/jpeg", jpeg())
        else:
            picture = made.add_mux_stream("mjpeg", width=32, height=32)
            picture.disposition = av.stream.Disposition.attached_pic
        made.set_chapters(
            [
                {"id": i, "start": a, "end": b, "time_base": Fraction(1), "metadata": {"title": t}}
                for i, (a, b, t) in enumerate([(0, 2, "Chapter 1"), (2, 4, "Chapter 2")])
            ]
        )
        if picture is not None:
            packet = av.Packet(jpeg())
            packet.stream, packet.pts, packet.dts = picture, 0, 0
            packet.time_base = Fraction(1, 1000)
            made.mux(packet)
        for packet in given.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                made.mux(packet)
        for start, length, words in LINES:
            packet = av.Packet(words if matroska else len(words).to_bytes(2, "big") + words)
            packet.time_base = Fraction(1, 1000)
            packet.pts = packet.dts = round(start * 1000)
            packet.duration = round(length * 1000)
            packet.stream = text
            made.mux(packet)
    return target


def titled(path):
    return [(c.label, round(c.start, 3), round(c.end, 3)) for c in probe(path).chapters]


def fill(path):
    """Chapters up to the file's own end."""
    return [*WANTED, Chapter(3.0, round(probe(path).duration, 3), "Epilogue")]


@pytest.fixture(scope="module", params=["mkv", "mp4"])
def full(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    plain = make_media(folder / "plain.mkv", languages=("jpn", "eng"), **QUICK)
    return furnish(plain, folder / f"full.{request.param}")


def test_all_that_is_in_a_file_stays_in_it(full, tmp_path):
    path = Path(shutil.copy(full, tmp_path))
    path.chmod(0o640)
    kinds = [stream.kind for stream in probe(path).streams]
    wanted = fill(path)
    embed(path, wanted)
    assert titled(path) == [(c.title, c.start, c.end) for c in wanted]
    # Checked here by other means than embed() checks it:
    info = probe(path)
    extra = ["data"] * (path.suffix == ".mp4" and "data" not in kinds)
    assert sorted(s.kind for s in info.streams) == sorted([*kinds, *extra])
    assert [(s.language, s.title, s.default) for s in info.audio] == [
        ("jpn", "Stereo" if path.suffix == ".mkv" else None, True),
        ("eng", None, False),
    ]
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with av.open(str(path)) as container, av.open(str(full)) as original:
        if path.suffix == ".mp4":
            assert container.streams.audio[0].metadata["name"] == "Stereo"
        tags = {key.lower(): value for key, value in container.metadata.items()}
        assert (tags["title"], tags["comment"]) == ("Show – 第1話", "a=b;c")
        for one, other in zip(contents(container), contents(original), strict=True):
            assert one == other


def contents(container):
    """The packets of each stream that has any, and the fonts."""
    found = {}
    for packet in container.demux():
        if packet.size:
            found.setdefault(packet.stream_index, []).append(bytes(packet))
    fonts = [s.data for s in container.streams if s.type == "attachment"]
    return sorted([*found.values(), fonts], key=lambda each: (len(each), each))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("turned.mp4", {"rotation": 90}),
        ("late start.mkv", {"start": 5.0}),
        ("hidden second.mp4", {"start": -1.0, "duration": 6.0}),
        ("variable rate.mp4", {"variable": True}),
        ("hevc.mov", {"video_codec": "libx265"}),
        ("web.webm", {"video_codec": "libvpx-vp9", "audio_codec": "libopus", "audio_rate": 48000}),
        ("sound.m4a", {"video_codec": None}),
        ("it's “odd”; $x.mkv", {"rate": Fraction(24000, 1001)}),
    ],
)
def test_any_mkv_or_mp4_takes_chapters(tmp_path, name, settings):
    path = make_media(tmp_path / name, **{**QUICK, **settings})
    before, wanted = probe(path), fill(path)
    embed(path, wanted)
    after = probe(path)
    assert titled(path) == [(c.title, c.start, c.end) for c in wanted]
    assert after.start_time == pytest.approx(before.start_time, abs=0.001)
    assert after.duration == pytest.approx(before.duration, abs=0.05)  # a frame
    if before.video:
        assert after.video.rotation == before.video.rotation


def test_what_would_lose_something_stays_as_it_was(full, tmp_path, monkeypatch):
    """If PyAV fails, ffmpeg is tried; it would turn a Matroska cover into a video stream."""
    path = Path(shutil.copy(full, tmp_path))
    before = path.read_bytes()

    def broken(*_):
        raise ValueError("cannot hold this")

    monkeypatch.setattr(chapter_embed, "_remux", broken)
    if path.suffix == ".mp4":
        embed(path, fill(path))
        assert [c[0] for c in titled(path)][:2] == ["Prologue", "Opening"]
        assert difference(take_census(full), take_census(path)) is None
        return
    with pytest.raises(MediaError, match=r"stays as it was \(PyAV: cannot hold this; ffmpeg: it"):
        embed(path, fill(path))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_containers_without_chapters_are_refused(tmp_path):
    path = make_media(tmp_path / "a.ts", **QUICK)
    with pytest.raises(
        MediaError, match=r"only Matroska and MP4 files can hold chapters, this is mpegts"
    ):
        embed(path, WANTED)


def test_a_census_sees_what_changed(tmp_path):
    one = make_media(tmp_path / "a.mp4", rotation=90, **QUICK)
    for other, what in [
        (make_media(tmp_path / "b.mp4", rotation=180, **QUICK), "form of stream 0"),
        (
            make_media(tmp_path / "c.mp4", rotation=90, languages=("jpn",), **QUICK),
            "tags of stream 1",
        ),
        (
            make_media(tmp_path / "d.mp4", rotation=90, audio_codec=None, **QUICK),
            "1 streams, not 2",
        ),
    ]:
        assert what in difference(take_census(one), take_census(other))


def test_the_command_puts_in_what_was_found(full, tmp_path, capsys):
    path = Path(shutil.copy(full, tmp_path))
    table = tmp_path / "found.json"
    segment = {"label": "opening", "start": 0.25, "end": 1.0}
    table.write_text(json.dumps([{"file": path.name, "segments": [segment]}]))
    assert main([str(path), "--embed"]) == 1
    assert f"{path.stem}.avtnet.json is not there" in capsys.readouterr().err
    assert main([str(path), "--embed", f"--segments={table}"]) == 0
    assert [title for title, *_ in titled(path)] == [
        "Prologue",
        "Opening",
        "Chapter 1",
        "Chapter 2",
    ]
    said = capsys.readouterr().out
    assert "0:00:00.250 - 0:00:01.000  Opening  [opening]" in said
    # A second time there is nothing to do, and the file is not written again.
    before = path.stat().st_mtime_ns
    assert main([str(path), "--embed", f"--segments={table}"]) == 0
    assert "has these chapters already" in capsys.readouterr().err
    assert path.stat().st_mtime_ns == before
    # From an EDL, into another file.
    (tmp_path / "x.edl").write_text("1.0 3.0 5\n")
    output = tmp_path / f"new{path.suffix}"
    words = [str(path), "--embed", f"--segments={tmp_path}/x.edl", f"--output={output}"]
    assert main([*words, "--json=-"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert [c["role"] for c in row["chapters"]] == ["story", "opening", "ending", None]
    assert path.stat().st_mtime_ns == before


def test_a_damaged_file_fails_alone(tmp_path, capsys):
    make_media(tmp_path / "a.mkv", **QUICK)
    truncate(make_media(tmp_path / "b.mkv", **{**QUICK, "duration": 10.0}))
    (tmp_path / "c.mkv").write_bytes(b"x")
    segments = [{"label": "opening", "start": 1, "end": 2}]
    rows = [{"file": f"{name}.mkv", "segments": segments} for name in "abc"]
    (tmp_path / "found.json").write_text(json.dumps(rows))
    assert main([str(tmp_path), "--embed", f"--segments={tmp_path}/found.json"]) == 1
    said = capsys.readouterr()
    assert "b.mkv: ends before its header says" in said.err
    assert "c.mkv: is no media file" in said.err
    assert "Opening" in said.out


OLD = [
    Chapter(0, 300, "Chapter 1"),
    Chapter(300, 1300, "Chapter 2"),
    Chapter(1300, 1435, "Credits"),
]


def test_a_segment_cuts_chapters_but_one_that_means_the_same_wins():
    found = [Segment(43, 132.95, "opening"), Segment(1330, 1420, "ending")]
    assert merge(OLD, found, 1435) == [
        Chapter(0, 43, "Chapter 1"),
        Chapter(43, 132.95, "Opening"),
        Chapter(132.95, 300, "Chapter 1"),
        *OLD[1:],
    ]
    assert merge(OLD, found, 1435, replace_roles=True)[3:] == [
        Chapter(300, 1300, "Chapter 2"),
        Chapter(1300, 1330, "Episode"),
        Chapter(1330, 1420, "Ending"),
        Chapter(1420, 1435, "Epilogue"),
    ]


def test_what_is_left_of_a_chapter_and_short_goes_to_its_neighbour():
    old = [Chapter(0, 42.5, "1"), Chapter(42.5, 132.5, "2"), Chapter(132.5, 1435, "3")]
    assert merge(old, [Segment(43, 133, "opening")], 1435.02) == [
        Chapter(0, 43, "1"),
        Chapter(43, 133, "Opening"),
        Chapter(133, 1435.02, "3"),
    ]


def test_a_file_without_chapters_gets_all_of_them():
    assert [c.title for c in merge([], [Segment(90, 180, "opening")], 1435)] == [
        "Prologue",
        "Opening",
        "Episode",
    ]


marks = st.lists(st.integers(0, 2000), min_size=2, max_size=8, unique=True).map(sorted)


@settings(deadline=None)
@given(old=marks, new=marks, role=st.sampled_from(["opening", "ending", "x"]))
def test_merged_chapters_cover_the_file_and_keep_what_was_found(old, new, role):
    existing = [Chapter(a, b, f"Chapter {a}") for a, b in pairwise(old)]
    found = [Segment(a, b, role) for a, b in zip(new[::2], new[1::2], strict=False)]
    made = merge(existing, found, 2000.0)
    assert made[0].start == 0
    assert made[-1].end == 2000
    assert all(a.end == b.start for a, b in pairwise(made))
    spans = {(c.start, c.end) for c in made}
    assert {(s.start, s.end) for s in found} <= spans
    segments = [
        Segment(c.start, c.end, role)
        for c in made
        if (c.start, c.end) in {(s.start, s.end) for s in found}
    ]
    assert merge(made, segments, 2000.0) == made

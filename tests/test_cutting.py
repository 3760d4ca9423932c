"""Cuts of real files: the barcodes tell which pictures are there, the clicks whether sound fits."""

import itertools
import json
import resource
import subprocess
import sys
from fractions import Fraction

import av
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_media import make_media, read_barcode, read_clicks, truncate

from clipping import nal
from clipping.container import origin
from clipping.cut_check import check
from clipping.cut_picture import SpliceError, decoding_times
from clipping.cut_plan import plan, read_marks
from clipping.cut_source import look
from clipping.cutting import cut, main, remove
from clipping.errors import ClippingError, MediaError
from clipping.media import probe, read_audio
from clipping.segments import Segment

AUDIO_RATE = 48000
TEN_BIT = {"video_codec": "libx265", "pixel_format": "yuv420p10le"}
VP9 = {"video_codec": "libvpx-vp9", "audio_codec": "libopus", "audio_rate": AUDIO_RATE}
KINDS = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "open_h264.mp4": {"open_gop": True},
    "hevc.mkv": TEN_BIT,
    "open_hevc.mp4": {**TEN_BIT, "open_gop": True},
    "vp9.webm": VP9,
    "late.mkv": {"start": 5.0},
    "late.mp4": {"start": 5.0},
    "odd.mkv": {"size": (161, 91), "pixel_format": "yuv444p"},
    "upright.mp4": {"rotation": 90},
    "variable.mkv": {"variable": True},
    "variable.mp4": {"variable": True},
}


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Makes a file once for all tests of this module."""
    folder, made = tmp_path_factory.mktemp("media"), {}

    def get(name, **options):
        if name not in made:
            options = {"size": (160, 90), **KINDS.get(name, {}), **options}
            made[name] = make_media(folder / name, **options)
        return made[name]

    return get


def pictures(path):
    """The number of every picture and the media time it is shown at."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            (
                read_barcode(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)),
                float(frame.pts * stream.time_base - origin(container)),
            )
            for frame in container.decode(stream)
        ]


def numbers(path):
    return [number for number, _ in pictures(path)]


def fall(times, wanted):
    """Where a cut falls: at the next picture, or where it was wanted if that is 0.1 s away."""
    following = min((time for time in times.values() if time >= wanted - 5e-4), default=wanted)
    return following if following - wanted <= 0.1 else wanted


def complaints(path):
    """What FFmpeg's own program finds wrong when it decodes the whole file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def lags(path, rate=24):
    """Seconds by which each click comes after the picture that it belongs to."""
    shown = dict(pictures(path))
    clicks = read_clicks(read_audio(path, rate=AUDIO_RATE), AUDIO_RATE)
    return [
        click.at - shown[click.second * rate] for click in clicks if click.second * rate in shown
    ]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("start", "end"), [(0.3, 2.8), (1.0, 3.0), (2.55, 4.0)])
def test_an_exact_cut_holds_the_pictures_that_begin_in_it_and_their_sound(
    media, tmp_path, name, start, end
):
    source = media(name)
    times = dict(pictures(source))
    [made] = cut(source, Segment(start, end), output=tmp_path)
    begin, stop = fall(times, start), fall(times, end)
    assert (made.actual.start, made.actual.end) == pytest.approx((begin, stop), abs=1e-3)
    # The picture that is shown at the start is there even if it began (long) before.
    expected = {n: max(t, begin) - begin for n, t in times.items() if t < stop - 1e-3}
    first_number = max(n for n, t in times.items() if t < begin + 1e-3)
    shown = pictures(made.path)
    assert [number for number, _ in shown] == [n for n in expected if n >= first_number]
    first = shown[0][1]
    for number, time in shown:
        assert time - first == pytest.approx(expected[number], abs=2e-3)
    # MPEG-TS cannot mark the sound encoder's first packet as priming: it begins before the picture.
    assert first <= (0.05 if name.endswith(".ts") else 1e-3)
    assert made.duration == pytest.approx(made.actual.duration, abs=0.05)
    if "variable" not in name:
        assert lags(made.path)
        assert max(map(abs, lags(made.path))) < 0.003
    assert complaints(made.path) == ""


@pytest.mark.parametrize("name", KINDS)
def test_a_copy_says_where_it_really_fell(media, tmp_path, name):
    source = media(name)
    times = dict(pictures(source))
    [made] = cut(source, Segment(1.2, 2.8), output=tmp_path, mode="copy")
    actual = made.actual
    within = [n for n, time in times.items() if actual.start - 1e-3 <= time < actual.end - 1e-3]
    assert numbers(made.path) == within
    assert actual.start <= 1.2
    assert actual.end >= 2.8
    assert made.reencoded_seconds == 0
    assert packets(made.path, "video") <= packets(source, "video")
    assert packets(made.path, "audio") <= packets(source, "audio")
    if "variable" not in name:
        assert max(map(abs, lags(made.path))) < 0.003


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("mode", ["exact", "copy"])
def test_what_is_removed_is_gone_and_the_rest_stays_in_sync(media, tmp_path, name, mode):
    source = media(name)
    times = dict(pictures(source))
    if mode == "copy" and name == "open_h264.mp4":
        with pytest.raises(MediaError, match=r"no keyframe .* mode exact can cut there"):
            remove(source, Segment(0.7, 2.2), output=tmp_path, mode=mode)
        return
    made = remove(source, Segment(0.7, 2.2), output=tmp_path, mode=mode)
    [gone] = made.removed
    kept = [n for n, time in times.items() if not gone.start - 1e-3 <= time < gone.end - 1e-3]
    found = numbers(made.path)
    if "variable" in name:  # the picture that the second joint falls into is split, see below
        found = list(dict.fromkeys(found))
    assert found == kept
    assert made.duration == pytest.approx(probe(source).duration - gone.duration, abs=0.06)
    if mode == "exact":
        ends = fall(times, 0.7), fall(times, 2.2)
        assert (gone.start, gone.end) == pytest.approx(ends, abs=1e-3)
        if "variable" not in name:
            assert max(map(abs, lags(made.path))) < 0.003
    assert complaints(made.path) == ""


def packets(path, kind):
    """The payloads of a stream as a set: NAL units of slices for H.264 and HEVC."""
    with av.open(str(path)) as container:
        [stream] = [stream for stream in container.streams if stream.type == kind]
        codec, extradata = stream.codec_context.name, stream.codec_context.extradata or b""
        found = [bytes(packet) for packet in container.demux(stream) if packet.size]
    if codec not in nal.SPLICEABLE:
        return set(found)
    size = nal.length_size(codec, extradata)
    slices = range(1, 6) if codec == "h264" else range(32)
    units = (unit for data in found for unit in nal.split(data, size))
    # The first byte of a unit tells its kind, which a splice may change.
    return {unit[1:] for unit in units if nal.kind(codec, unit) in slices}


@pytest.mark.parametrize(
    "name", ["h264.mp4", "h264.mkv", "h264.ts", "hevc.mkv", "open_hevc.mp4", "vp9.webm"]
)
def test_only_what_must_be_is_encoded_again(media, tmp_path, name):
    source = media(name)
    [made] = cut(source, Segment(0.5, 3.5), output=tmp_path)
    # Keyframes lie at 1, 2 and 3 s; 11 pictures come before the first, and a copy can end at most
    # one group of B pictures early.
    encoded = round(made.reencoded_seconds * 24)
    assert 12 <= encoded <= 12 + 4
    assert made.notes == ()
    originals = packets(source, "video")
    assert len(originals & packets(made.path, "video")) >= len(numbers(made.path)) - encoded


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "hevc.mkv", "vp9.webm"])
def test_a_cut_from_keyframe_to_keyframe_encodes_no_picture(media, tmp_path, name):
    source = media(name)
    [made] = cut(source, Segment(1.0, 3.0), output=tmp_path)
    assert made.reencoded_seconds == 0
    assert numbers(made.path) == list(range(24, 72))
    assert packets(made.path, "video") <= packets(source, "video")


def test_open_groups_of_h264_are_encoded_whole_and_the_result_says_so(media, tmp_path):
    [made] = cut(media("open_h264.mp4"), Segment(0.5, 3.5), output=tmp_path)
    assert made.reencoded_seconds == pytest.approx(3.0)
    assert made.notes == (
        "all of the picture was encoded: no keyframe that can be copied from lies between the ends",
    )


@pytest.mark.parametrize(
    ("name", "options", "codec"),
    [
        ("av1.mp4", {"video_codec": "libsvtav1"}, "av1"),
        ("mpeg2.mkv", {"video_codec": "mpeg2video", "audio_codec": "mp2"}, "h264"),
    ],
)
def test_other_codecs_are_encoded_whole(media, tmp_path, name, options, codec):
    source = media(name, **options)
    [made] = cut(source, Segment(0.5, 2.5), output=tmp_path)
    assert numbers(made.path) == list(range(12, 60))
    assert probe(made.path).video.codec == codec
    assert "from two encoders cannot stand in one stream" in made.notes[0]
    assert max(map(abs, lags(made.path))) < 0.003


def test_neighbouring_cuts_share_no_picture_and_lose_none(media, tmp_path):
    source = media("h264.mp4")
    edges = [0, 0.71, 1.23, 2.5, 3.999, 4]
    parts = [Segment(a, b) for a, b in itertools.pairwise(edges[:-1])]
    made = cut(source, parts, output=tmp_path)
    assert [number for each in made for number in numbers(each.path)] == list(range(96))
    assert all(a.actual.end == b.actual.start for a, b in itertools.pairwise(made))


def test_times_rounded_to_a_millisecond_mean_the_same_picture(media, tmp_path):
    source = media("h264.mp4")
    exact, rounded = cut(
        source, [Segment(29 / 24, 3, "exact"), Segment(1.208, 3, "rounded")], output=tmp_path
    )
    assert numbers(exact.path) == numbers(rounded.path) == list(range(29, 72))


def test_a_cut_inside_a_picture_that_is_held_long_splits_it(tmp_path):
    source = make_media(tmp_path / "slides.mp4", rate=1, gop=4, size=(160, 90), b_frames=0)
    [made] = cut(source, Segment(1.5, 3.25), output=tmp_path)
    assert [(n, round(t, 3)) for n, t in pictures(made.path)] == [(1, 0.0), (2, 0.5), (3, 1.5)]
    assert (made.actual.start, made.actual.end) == (1.5, 3.25)
    assert made.duration == pytest.approx(1.75, abs=0.03)


def test_every_stream_is_kept_with_its_language_chapters_and_fonts(tmp_path):
    source = tmp_path / "whole's “ünï”.mkv"
    sounds = make_media(tmp_path / "two.mkv", languages=("jpn", "eng"), size=(160, 90))
    _add_subtitles(sounds, source)
    for mode in ("exact", "copy"):
        [made] = cut(source, Segment(1, 3, mode), output=tmp_path / mode, mode=mode)
        info = probe(made.path)
        assert [stream.language for stream in info.audio] == ["jpn", "eng"]
        assert [s.kind for s in info.streams] == [
            "video",
            "audio",
            "audio",
            "subtitle",
            "attachment",
        ]
        assert [(c.label, c.start, c.end) for c in info.chapters] == [("A", 0, 1), ("B", 1, 2)]
        for stream, track in zip(info.audio, (0, 1), strict=True):
            clicks = read_clicks(
                read_audio(made.path, rate=AUDIO_RATE, stream=stream.index), AUDIO_RATE
            )
            assert [(c.second, c.track) for c in clicks][-1] == (2, track)
        with av.open(str(made.path)) as container:
            lines = [
                (float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p))
                for p in container.demux(subtitles=0)
                if p.size
            ]
        assert lines == [(0.0, 0.5, b"early"), (0.5, 1.0, b"inside"), (1.75, 0.25, b"late")]


def _add_subtitles(source, target):
    """Remux with subtitles, two chapters and an attached font."""
    lines = [
        (0.5, 1.0, b"early"),
        (1.5, 1.0, b"inside"),
        (2.75, 1.0, b"late"),
        (3.5, 0.2, b"after"),
    ]
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        streams = {s.index: made.add_stream_from_template(s, opaque=True) for s in given.streams}
        for stream in given.streams:
            streams[stream.index].metadata.update(stream.metadata)
        text = made.add_mux_stream("subrip")
        made.add_attachment("font.ttf", "application/x-truetype-font", b"no font")
        made.set_chapters(
            [
                {"id": i, "start": a, "end": b, "time_base": Fraction(1), "metadata": {"title": t}}
                for i, (a, b, t) in enumerate([(0, 2, "A"), (2, 4, "B")])
            ]
        )
        for packet in given.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                made.mux(packet)
        for start, length, words in lines:
            packet = av.Packet(words)
            packet.time_base = Fraction(1, 1000)
            packet.pts = packet.dts = round(start * 1000)
            packet.duration = round(length * 1000)
            packet.stream = text
            made.mux(packet)


@pytest.mark.parametrize("mode", ["exact", "copy"])
def test_files_of_only_sound_or_only_picture(media, tmp_path, mode):
    silent = media("silent.mp4", audio_codec=None)
    [made] = cut(silent, Segment(1, 2), output=tmp_path, mode=mode)
    assert numbers(made.path)[:24] == list(range(24, 48))
    assert probe(made.path).audio == ()
    for codec, suffix in (
        ("aac", "m4a"),
        ("flac", "flac"),
        ("pcm_s16le", "wav"),
        ("libmp3lame", "mp3"),
    ):
        radio = media(f"radio.{suffix}", video_codec=None, audio_codec=codec)
        [made] = cut(radio, Segment(1, 3), output=tmp_path, mode=mode, overwrite=True)
        heard = read_clicks(read_audio(made.path, rate=AUDIO_RATE), AUDIO_RATE)
        seconds = [(click.second, click.at) for click in heard if click.second in (1, 2)]
        late = 0.05 if mode == "copy" or suffix == "mp3" else 1e-3
        assert [second for second, _ in seconds][-1] == 2
        assert all(abs(at - (second - 1)) < late for second, at in seconds)


def test_surround_sound_stays_surround(media, tmp_path):
    [made] = cut(media("surround.mkv", layout="5.1"), Segment(1, 2), output=tmp_path)
    assert [stream.channels for stream in probe(made.path).audio] == [6]


def test_rotation_and_ten_bits_are_kept_when_everything_is_encoded(media, tmp_path):
    source = media("open_upright.mp4", rotation=270, open_gop=True)
    [made] = cut(source, Segment(0.5, 2), output=tmp_path)
    assert "all of the picture was encoded" in made.notes[0]
    assert probe(made.path).video.rotation == 270
    [made] = cut(media("hevc.mkv"), Segment(0.5, 2), output=tmp_path)
    assert probe(made.path).video.pixel_format == "yuv420p10le"


def test_a_truncated_file_is_cut_up_to_where_it_ends(tmp_path):
    source = truncate(make_media(tmp_path / "broken.ts", size=(160, 90)))
    end = probe(source).duration
    [made] = cut(source, Segment(0.5, 1.5), output=tmp_path / "out")
    assert numbers(made.path)[0] in (11, 12)
    with pytest.raises(MediaError, match=r"broken.ts: ends at 0:00:0.*, before the end of"):
        cut(source, Segment(0.5, end + 1), output=tmp_path / "out")


def test_labels_name_the_results_and_never_leave_the_folder(media, tmp_path):
    labels = ["opening", "opening", "../../etc/x", "..", "", "é/ü"]
    made = cut(
        media("h264.mp4"), [Segment(1, 2, label) for label in labels], output=tmp_path, mode="copy"
    )
    assert [each.path.name for each in made] == [
        "h264.opening.mp4",
        "h264.opening.2.mp4",
        "h264.etc_x.mp4",
        "h264.1.000-2.000.mp4",
        "h264.1.000-2.000.2.mp4",
        "h264.é_ü.mp4",
    ]
    assert all(each.path.parent == tmp_path for each in made)


def test_the_source_and_existing_files_are_safe(media, tmp_path):
    source = media("h264.mp4")
    before = source.read_bytes()
    with pytest.raises(ClippingError, match="is the source"):
        cut(source, Segment(1, 2), output=source, overwrite=True)
    there = tmp_path / "there.mp4"
    there.write_text("precious")
    with pytest.raises(ClippingError, match=r"there.mp4: exists; --overwrite replaces it"):
        cut(source, Segment(1, 2), output=there)
    assert (there.read_text(), source.read_bytes()) == ("precious", before)
    cut(source, Segment(1, 2), output=there, overwrite=True)
    assert numbers(there) == list(range(24, 48))


def test_a_full_disk_leaves_nothing_behind(media, tmp_path):
    """A limit on the size of files fails the way a full disk does: writes come back short."""
    script = (
        "import resource, signal, sys\n"
        "from clipping.cutting import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (20000, {resource.RLIM_INFINITY}))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = [media("h264.mp4"), "--start=0.5", "--end=3.5", "-o", tmp_path / "out" / "x.mp4"]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "x.mp4: cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("segments", "output", "message"),
    [
        ([], "out", "there are no segments"),
        ([Segment(5, 6)], "out", "ends at 0:00:04.000, before the end of 0:00:05.000"),
        ([Segment(1, 6)], "out", "ends at 0:00:04.000, before the end of 0:00:01.000"),
        ([Segment(1.01, 1.02)], "out", "no picture begins in 0:00:01.010"),
        ([Segment(1, 2), Segment(2, 3)], "one.mp4", "is one file; 2 segments need a folder"),
        ([Segment(1, 2)], "sound.webm", "webm files cannot hold h264 .*suffix .mkv"),
    ],
)
def test_what_cannot_be_cut_is_said(media, tmp_path, segments, output, message):
    with pytest.raises(ClippingError, match=message):
        cut(media("h264.mp4"), segments, output=tmp_path / output)
    assert not any(tmp_path.rglob("*.*"))


def test_removing_everything_is_refused(media, tmp_path):
    with pytest.raises(MediaError, match="nothing would be left"):
        remove(media("h264.mp4"), Segment(0, 4), output=tmp_path)


def test_several_removals_at_once(media, tmp_path):
    source = media("h264.mp4")
    made = remove(source, [Segment(2.5, 3), Segment(0, 0.5), Segment(2.75, 3.25)], output=tmp_path)
    assert numbers(made.path) == [*range(12, 60), *range(78, 96)]
    assert [(each.start, each.end) for each in made.removed] == [(0, 0.5), (2.5, 3.25)]
    assert made.path.name == "h264.cut.mp4"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 1, 2], [0, 1, 2]),
        ([0, 3, 1, 2, 6, 4, 5], [-1, 0, 1, 2, 3, 4, 5]),
        ([0, 8, 4, 2, 6], [-4, -2, 0, 2, 4]),
        ([5], [5]),
    ],
)
def test_decoding_times_rise_and_never_come_after_the_picture_is_shown(times, expected):
    found = decoding_times(times)
    assert found == expected
    assert all(dts <= pts for dts, pts in zip(found, times, strict=True))


def test_the_command_cuts_the_chosen_labels_of_a_table(media, tmp_path, capsys):
    source = media("h264.mp4")
    items = [
        {
            "file": str(source),
            "duration": 4.0,
            "segments": [
                {"label": "opening", "start": 0.5, "end": 1.5},
                {"label": "ending", "start": 3.0, "end": 4.0},
            ],
        },
        {"file": "gone.mp4", "segments": [{"label": "ending", "start": 0, "end": 1}]},
        {"file": "bad.mp4", "error": "no picture"},
    ]
    table = tmp_path / "season.json"
    table.write_text(json.dumps(items))
    code = main(["--segments", str(table), "--labels", "ending", "-o", str(tmp_path / "out")])
    told = capsys.readouterr()
    assert code == 1  # two files failed, the other one is done
    assert "gone.mp4: there is no such file" in told.err
    assert "bad.mp4" in told.err
    assert "0:00:03.000" in told.out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["h264.ending.mp4"]
    assert numbers(tmp_path / "out" / "h264.ending.mp4") == list(range(72, 96))


def test_the_command_removes_and_takes_clock_times(media, tmp_path, capsys):
    words = [str(media("h264.mp4")), "--start", "0:01", "--end", "0:00:03", "--remove"]
    assert main([*words, "-o", str(tmp_path)]) == 0
    assert numbers(tmp_path / "h264.cut.mp4") == [*range(24), *range(72, 96)]
    assert main([*words, "-o", str(tmp_path)]) == 1
    assert "exists; --overwrite replaces it" in capsys.readouterr().err
    assert main([*words, "-o", str(tmp_path), "--overwrite", "--mode", "copy"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to take"),
        (["--start", "1"], "name at least one media file"),
        (["x.mp4", "--start", "1:99"], "--start: the seconds of a time with minutes are below 60"),
        (["x.mp4", "--start", "1"], "x.mp4: there is no such file or folder"),
        (["x.mp4", "--start", "1", "--labels", "opening"], "give --segments too"),
    ],
)
def test_wrong_command_lines_are_explained(words, message, capsys):
    assert main(words) == 1
    assert message in capsys.readouterr().err


def test_a_result_with_wrong_pictures_is_found_out(media, tmp_path):
    """The check that decides between a smart cut and encoding all: each kind of fault is seen."""
    source, other = media("h264.mp4"), media("other.mp4", b_frames=0)
    [good] = cut(source, Segment(1, 3), output=tmp_path)
    [short] = cut(source, Segment(1, 2.5), output=tmp_path)
    [alien] = cut(other, Segment(1, 3), output=tmp_path)
    picture = look(source)
    marks = read_marks(picture, picture.ticks(Fraction(1)), picture.ticks(Fraction(4)))
    spans = [plan(marks, 12288, 3 * 12288, join=True)]
    assert check(good.path, picture, spans, encoded=False) == 0
    with pytest.raises(SpliceError, match="36 pictures, not 48"):
        check(short.path, picture, spans, encoded=False)
    with pytest.raises(SpliceError, match=r"s was copied but looks different"):
        check(alien.path, picture, spans, encoded=False)


@pytest.mark.parametrize("name", ["h264.mkv", "hevc.mkv"])
def test_parameter_sets_are_the_same_in_a_box_and_with_start_codes(media, name):
    with av.open(str(media(name))) as container:
        context = container.streams.video[0].codec_context
        codec, box = context.name, context.extradata
    sets = nal.parameter_sets(codec, box)
    assert len(sets) == (2 if codec == "h264" else 3)
    assert nal.length_size(codec, box) == 4
    assert nal.length_size(codec, nal.annex_b(sets)) == 0
    assert nal.parameter_sets(codec, nal.annex_b(sets)) == sets
    with pytest.raises(ValueError, match="cut short"):
        nal.parameter_sets(codec, box[:12])


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
def test_units_are_split_as_they_were_put_together(units):
    lengths = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    assert nal.split(lengths, 4) == units
    # A unit never ends in a zero byte and holds no start code: encoders see to that.
    units = [unit.replace(b"\x00", b"\x01") for unit in units]
    assert nal.split(nal.annex_b(units), 0) == units


@given(st.binary(max_size=60), st.sampled_from([1, 2, 4]))
def test_damaged_packets_are_refused_not_misread(data, size):
    try:
        units = nal.split(data, size)
    except ValueError:
        return
    assert b"".join(len(unit).to_bytes(size, "big") + unit for unit in units) == data


def test_a_free_parameter_set_number_is_one_that_nobody_has():
    def sps(bits):
        return bytes([0x67, 100, 0, 30]) + int(bits.ljust(16, "1"), 2).to_bytes(2, "big")

    def pps(bits):
        return b"\x68" + int(bits.ljust(16, "1"), 2).to_bytes(2, "big")

    assert nal.free_h264_id([]) == 0
    assert nal.free_h264_id([sps("1"), pps("1")]) == 1  # "1" codes 0
    assert nal.free_h264_id([sps("1"), pps("010"), pps("011")]) == 3  # 0, 1 and 2
    assert nal.free_h264_id([sps("00101")]) == 0  # 4

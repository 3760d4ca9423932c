"""Cuts of real files: barcodes show which pictures a cut holds, clicks that sound is in sync."""

import itertools
from fractions import Fraction

import av
import pytest
from making.cut_oracles import AUDIO_RATE, KINDS, complaints, fall, lags, numbers, packets, pictures
from making.media import make_media, read_clicks, truncate

from clipping.cutting.check import check_cut
from clipping.cutting.cut import cut, remove
from clipping.cutting.picture import SpliceError
from clipping.cutting.plan import plan_cut, read_picture_packets
from clipping.cutting.source import read_picture_info
from clipping.errors import MediaError
from clipping.media.probe import probe
from clipping.media.sound import read_audio
from clipping.segments import Segment


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
    if "variable" in name:  # the second joint splits a picture that is shown long, see below
        found = list(dict.fromkeys(found))
    assert found == kept
    assert made.duration == pytest.approx(probe(source).duration - gone.duration, abs=0.06)
    if mode == "exact":
        ends = fall(times, 0.7), fall(times, 2.2)
        assert (gone.start, gone.end) == pytest.approx(ends, abs=1e-3)
        if "variable" not in name:
            assert max(map(abs, lags(made.path))) < 0.003
    assert complaints(made.path) == ""


@pytest.mark.parametrize(
    "name", ["h264.mp4", "h264.mkv", "h264.ts", "hevc.mkv", "open_hevc.mp4", "vp9.webm"]
)
def test_only_what_must_be_is_encoded_again(media, tmp_path, name):
    source = media(name)
    [made] = cut(source, Segment(0.5, 3.5), output=tmp_path)
    # Keyframes are at 1, 2 and 3 s, so 11 pictures before the first are encoded; the copy ends at
    # most one group of B pictures early.
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


def test_several_removals_at_once(media, tmp_path):
    source = media("h264.mp4")
    made = remove(source, [Segment(2.5, 3), Segment(0, 0.5), Segment(2.75, 3.25)], output=tmp_path)
    assert numbers(made.path) == [*range(12, 60), *range(78, 96)]
    assert [(each.start, each.end) for each in made.removed] == [(0, 0.5), (2.5, 3.25)]
    assert made.path.name == "h264.cut.mp4"


def test_a_result_with_wrong_pictures_is_found_out(media, tmp_path):
    """check_cut finds each kind of fault; it decides whether a cut is encoded as a whole."""
    source, other = media("h264.mp4"), media("other.mp4", b_frames=0)
    [good] = cut(source, Segment(1, 3), output=tmp_path)
    [short] = cut(source, Segment(1, 2.5), output=tmp_path)
    [alien] = cut(other, Segment(1, 3), output=tmp_path)
    picture = read_picture_info(source)
    marks = read_picture_packets(picture, picture.ticks(Fraction(1)), picture.ticks(Fraction(4)))
    spans = [plan_cut(marks, 12288, 3 * 12288, join=True)]
    assert check_cut(good.path, picture, spans, encoded=False) == 0
    with pytest.raises(SpliceError, match="36 pictures, not 48"):
        check_cut(short.path, picture, spans, encoded=False)
    with pytest.raises(SpliceError, match=r"s was copied but looks different"):
        check_cut(alien.path, picture, spans, encoded=False)

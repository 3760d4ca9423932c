"""Players' formats: exact bytes, every span comes back, and a wrong line is named."""

import json
import shutil
import subprocess
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.errors import ClippingError, ConfigError, TableError
from clipping.extra import has_extra
from clipping.formats import edl, jellyfin
from clipping.formats.catalog import (
    FORMATS,
    MAX_BYTES,
    check_names,
    format_of_file,
    padded,
    read,
    read_chapters,
    text_of,
    write,
    write_beside,
)
from clipping.formats.chapters import Chapter, chapters_of
from clipping.segments import Segment, Timeline

EPISODE = Timeline(
    "S01E02.mkv",
    1435.0,
    (
        Segment(43.0, 132.95, "opening", 0.98),
        Segment(1330.1, 1420.05, "ending"),
        Segment(1420.05, 1435.0, "preview"),
    ),
)
CHAPTERS = [
    Chapter(0, 43, "Prologue"),
    Chapter(43, 132.95, "Opening"),
    Chapter(132.95, 1330.1, "Episode"),
    Chapter(1330.1, 1420.05, "Ending"),
    Chapter(1420.05, 1435, "Preview"),
]
KEPT = {
    "edl": ("opening", "ending", "recap", "commercial"),
    "edl45": ("opening", "ending", "recap", "commercial"),
    "jellyfin": tuple(jellyfin.TYPES),
    "aniskip": ("opening", "ending", "recap", "mixed"),
    "needle": ("opening", "ending"),
    "mpv": ("opening", "ending"),
}
"""The labels whose spans a format can hold; every other format holds all."""
RENAMED = {
    "edl": dict.fromkeys(KEPT["edl"], "commercial"),
    "edl45": {"recap": "commercial"},
}
HERE = [name for name in FORMATS if name != "otio" or has_extra("opentimelineio")]
TWICE = [name for name in FORMATS if name not in ("needle", "mpv")]
LABELS = ("opening", "ending", "recap", "preview", "mixed", "commercial", "theme", "a = b; #<c>\\&")


@st.composite
def timelines(draw):
    """Segments that do not touch, to the millisecond, in a file of known length."""
    marks = draw(st.lists(st.integers(0, 10_000_000), min_size=2, max_size=12, unique=True))
    edges = sorted(marks)
    pairs = zip(edges[::2], edges[1::2], strict=False)
    found = [
        Segment(start / 1000, end / 1000, draw(st.sampled_from(LABELS))) for start, end in pairs
    ]
    return Timeline("video.mkv", 10_001.5, tuple(found))


def spans(timeline, name=None):
    """The timeline that remains after a format was written and read."""
    labels, renamed = KEPT.get(name), RENAMED.get(name, {})
    return [
        (round(s.start, 3), round(s.end, 3), renamed.get(s.label, s.label))
        for s in timeline.segments
        if labels is None or s.label in labels
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    (folder / "video.mkv").write_bytes(b"video")
    return folder


@pytest.mark.parametrize("name", HERE)
@settings(max_examples=40, deadline=None)
@given(timeline=timelines())
def test_every_span_comes_back_to_the_millisecond(folder, name, timeline):
    path = folder / f"round{FORMATS[name].suffix}"
    timeline = Timeline(str(folder / "video.mkv"), timeline.duration, timeline.segments)
    write(path, timeline, name)
    first = path.read_bytes()
    back = read(path, name, duration=timeline.duration)
    if name in TWICE:
        assert spans(back) == spans(timeline, name)
    else:
        firsts = [timeline.find(label) for label in ("opening", "ending")]
        wanted = Timeline("", 0, tuple(each for each in firsts if each))
        assert spans(back) == spans(wanted)
    if name not in KEPT:
        write(path, Timeline(timeline.source, timeline.duration, back.segments), name)
        assert path.read_bytes() == first


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("duration", [0.0, 1435.0])
def test_a_file_without_segments_can_be_written_and_read(folder, name, duration):
    path = folder / f"empty{FORMATS[name].suffix}"
    write(path, Timeline(str(folder / "video.mkv"), duration), name)
    assert read(path, name).segments == ()


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("ends", ["\r\n", "\n\n"])
def test_readers_take_a_byte_order_mark_and_any_line_ends(folder, name, ends):
    path = folder / f"ends{FORMATS[name].suffix}"
    source = Timeline(str(folder / "video.mkv"), 1435.0, EPISODE.segments)
    if name == "webvtt" and ends == "\n\n":
        ends = "\r"
    text = text_of(source, name).replace("\n", ends)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert spans(read(path, name, duration=1435)) == spans(EPISODE, name)


SCRAPS = {
    "edl": "0123456789.:# \t23\n##",
    "chapters": "<>/&;!'\"ChapterAtomTimeStart0:.\n",
    "ogm": "CHAPTER01NAME=:. \n",
    "ffmetadata": ";FMETADATA1[CHAPTER]=\\STARNDIMBtile/0\n",
    "webvtt": "WEBVTT\n:0.- > <",
    "mpv": "-script-opts=skip-op_start,end.0\n",
}


@pytest.mark.parametrize("name", HERE)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_a_file_holds_it_is_read_or_refused_by_name(folder, name, data):
    """Noise, scraps of the format, and real files with bytes changed."""
    path = folder / f"fuzz{FORMATS[name].suffix}"
    source = Timeline(str(folder / "video.mkv"), 1435.0, EPISODE.segments)
    real = text_of(source, name).encode()
    hurt = st.tuples(st.integers(0, len(real)), st.integers(0, 40), st.binary(max_size=12)).map(
        lambda hit: real[: hit[0]] + hit[2] + real[hit[0] + hit[1] :]
    )
    odd = st.sampled_from(
        ["null", "-1", "1e999", "NaN", "[]", "{}", '""', "true", "1" * 400, "[" * 999]
    )
    words = real.decode().replace(":", " ").replace(",", " ").split()
    swapped = st.tuples(st.sampled_from(words), odd).map(
        lambda two: real.decode().replace(*two).encode()
    )
    scraps = st.text(SCRAPS.get(name, '{}[]",:0.e-') + "\x00é").map(str.encode)
    path.write_bytes(data.draw(st.one_of(st.binary(), scraps, hurt, swapped)))
    refused = None
    try:
        read(path, name)
    except TableError as error:
        refused = str(error)
    assert refused is None or (str(path) in refused and len(refused) < len(str(path)) + 400)


@pytest.mark.parametrize("name", HERE)
def test_sizes_are_bounded(folder, name):
    path = folder / f"large{FORMATS[name].suffix}"
    with open(path, "wb") as stream:
        stream.truncate(MAX_BYTES + 1 if name not in ("json", "csv") else (64 << 20) + 1)
    with pytest.raises(TableError, match="MiB; is it a table at all"):
        read(path, name)


def test_edl_is_what_kodi_reads(tmp_path):
    write(tmp_path / "a.edl", EPISODE, "edl")
    text = "43.000 132.950 3\n1330.100 1420.050 3\n1420.050 1420.050 2\n"
    assert (tmp_path / "a.edl").read_text() == text
    assert text_of(EPISODE, "edl45") == text.replace("950 3", "950 4").replace("050 3", "050 5")


def test_edl_as_others_write_it():
    text = "00:00:43.00\t00:02:12.95  3 \r\n## a comment\r\n#240 #480 0\n1330.1 1420.05 3 ## ED\n"
    edits = [edit for _, edit in edl.parse_edits(text + "12 2\n", Fraction(24))]
    assert edits == [
        edl.Edit(43, 132.95, 3),
        edl.Edit(10, 20, 0),
        edl.Edit(1330.1, 1420.05, 3),
        edl.Edit(12, 12, 2),
    ]


def test_edits_that_touch_are_kept_a_millisecond_apart():
    """Kodi refuses an edit whose end lies in another one, ends included."""
    touching = Timeline("a.mkv", 100, (Segment(0, 10, "recap"), Segment(10, 20, "opening")))
    assert text_of(touching, "edl") == "0.000 9.999 3\n10.000 20.000 3\n"
    over = Timeline("a.mkv", 100, (Segment(0, 15, "recap"), Segment(10, 20, "opening")))
    assert text_of(over, "edl") == "0.000 9.999 3\n10.000 20.000 3\n"


def test_a_song_over_story_is_never_skipped():
    story = Timeline("a.mkv", 100, (Segment(10, 20, "mixed"), Segment(30, 40, "preview")))
    assert text_of(story, "edl") == "10.000 10.000 2\n30.000 30.000 2\n"
    assert json.loads(text_of(story, "aniskip"))["results"][0]["skipType"] == "mixed-op"
    assert "Preview" in text_of(story, "jellyfin")
    assert json.loads(text_of(story, "jellyfin"))["TotalRecordCount"] == 1


def test_chapters_fill_the_file():
    assert chapters_of(EPISODE) == CHAPTERS
    eyes = (Segment(0, 90, "opening"), Segment(700, 710, "x"), Segment(1300, 1390, "ending"))
    titles = [c.title for c in chapters_of(Timeline("", 1400, eyes))]
    assert titles == ["Opening", "Part A", "x", "Part B", "Ending", "Epilogue"]


def test_matroska_xml_to_the_byte():
    text = text_of(EPISODE, "chapters")
    assert text.startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<!-- <!DOCTYPE Chapters SYSTEM "matroskachapters.dtd"> -->\n'
        "<Chapters>\n  <EditionEntry>\n    <EditionUID>1</EditionUID>"
        "<EditionFlagHidden>0</EditionFlagHidden><EditionFlagDefault>1</EditionFlagDefault>\n"
    )
    assert (
        "    <ChapterAtom>\n      <ChapterUID>3</ChapterUID>\n"
        "      <ChapterTimeStart>00:00:43.000000000</ChapterTimeStart>"
        "<ChapterTimeEnd>00:02:12.950000000</ChapterTimeEnd>\n"
        "      <ChapterFlagHidden>0</ChapterFlagHidden>"
        "<ChapterFlagEnabled>1</ChapterFlagEnabled>\n"
        "      <ChapterDisplay><ChapterString>Opening</ChapterString>"
        "<ChapterLanguage>eng</ChapterLanguage></ChapterDisplay>\n    </ChapterAtom>\n"
    ) in text


def test_matroska_xml_as_mkvextract_writes_it(tmp_path):
    """Nested, hidden and disabled chapters, two languages, and a chapter without an end."""
    path = tmp_path / "a.xml"
    path.write_text(
        "<?xml version='1.0'?><Chapters><EditionEntry>"
        "<ChapterAtom><ChapterTimeStart>00:00:01.5</ChapterTimeStart>"
        "<ChapterAtom><ChapterTimeStart>00:00:02.000000000</ChapterTimeStart>"
        "<ChapterDisplay><ChapterString>inner</ChapterString></ChapterDisplay></ChapterAtom>"
        "<ChapterDisplay><ChapterString>OP &amp; more</ChapterString></ChapterDisplay>"
        "<ChapterDisplay><ChapterString>second</ChapterString></ChapterDisplay></ChapterAtom>"
        "<ChapterAtom><ChapterTimeStart>00:00:03</ChapterTimeStart>"
        "<ChapterFlagHidden>1</ChapterFlagHidden></ChapterAtom>"
        "</EditionEntry></Chapters>"
    )
    assert read_chapters(path) == [Chapter(1.5, None, "OP & more"), Chapter(2, None, "inner")]


def test_an_encoding_that_the_head_names_wrongly_is_no_matter(tmp_path):
    """expat would raise a LookupError for it."""
    text = text_of(EPISODE, "chapters").replace("UTF-8", "UTF-8null")
    (tmp_path / "a.xml").write_text(text)
    assert read_chapters(tmp_path / "a.xml") == CHAPTERS


def test_entities_are_refused(tmp_path):
    path = tmp_path / "laughs.xml"
    path.write_text(
        '<!DOCTYPE Chapters [\n<!ENTITY a "ha">\n<!ENTITY b "&a;&a;">]><Chapters>&b;</Chapters>'
    )
    with pytest.raises(TableError, match=r"laughs.xml:2: declares entities"):
        read(path)


def test_ogm_to_the_byte(tmp_path):
    write(tmp_path / "a.txt", EPISODE, "ogm")
    lines = (tmp_path / "a.txt").read_text().splitlines()
    assert lines[2:4] == ["CHAPTER02=00:00:43.000", "CHAPTER02NAME=Opening"]
    assert len(lines) == 10
    # It knows no ends: that of the last chapter is the file's.
    assert [s.end for s in read(tmp_path / "a.txt").segments] == [132.95, 1420.05]
    assert [s.end for s in read(tmp_path / "a.txt", duration=1435).segments][-1] == 1435


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="needs ffprobe")
def test_ffprobe_reads_ffmetadata_back(tmp_path):
    odd = Timeline("a.mkv", 200, (Segment(1.5, 2.125, "a=b;c#d\\e [x]"), *EPISODE.segments[:1]))
    write(tmp_path / "a.ffmetadata", odd, "ffmetadata")
    command = ["ffprobe", "-v", "error", "-f", "ffmetadata", "-show_chapters", "-of", "json"]
    done = subprocess.run([*command, tmp_path / "a.ffmetadata"], capture_output=True, check=True)
    found = [
        Chapter(float(c["start_time"]), float(c["end_time"]), c["tags"]["title"])
        for c in json.loads(done.stdout)["chapters"]
    ]
    assert found == chapters_of(odd) == read_chapters(tmp_path / "a.ffmetadata")


def test_ffmetadata_to_the_byte():
    assert text_of(EPISODE, "ffmetadata").split("\n\n")[:3] == [
        ";FFMETADATA1",
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=43000\ntitle=Prologue",
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=43000\nEND=132950\ntitle=Opening",
    ]


def test_jellyfin_to_the_byte():
    item = jellyfin.NO_ITEM
    assert text_of(EPISODE, "jellyfin") == (
        '{"Items":[{"Id":"00000000-0000-0000-0000-000000000001","ItemId":"' + item + '",'
        '"Type":"Intro","StartTicks":430000000,"EndTicks":1329500000},\n'
        '{"Id":"00000000-0000-0000-0000-000000000002","ItemId":"' + item + '",'
        '"Type":"Outro","StartTicks":13301000000,"EndTicks":14200500000},\n'
        '{"Id":"00000000-0000-0000-0000-000000000003","ItemId":"' + item + '",'
        '"Type":"Preview","StartTicks":14200500000,"EndTicks":14350000000}],'
        '"TotalRecordCount":3,"StartIndex":0}\n'
    )


def test_aniskip_to_the_byte_and_its_first_version(tmp_path):
    text = text_of(EPISODE, "aniskip")
    found = json.loads(text)
    assert text.startswith(
        '{"found":true,"results":[{"interval":{"startTime":43.0,"endTime":132.95},'
        '"skipType":"op","skipId":"'
    )
    assert text.endswith(
        '"episodeLength":1435.0}],"message":"Successfully found skip times","statusCode":200}\n'
    )
    assert [result["skipType"] for result in found["results"]] == ["op", "ed"]
    assert text_of(Timeline("a.mkv", 3), "aniskip") == (
        '{"found":false,"results":[],"message":"No skip times found","statusCode":404}\n'
    )
    path = tmp_path / "v1.aniskip.json"
    path.write_text(
        '{"found":true,"results":[{"interval":{"start_time":43,"end_time":132.95},'
        '"skip_type":"op","skip_id":"x","episode_length":1435.2}]}'
    )
    assert read(path) == Timeline("v1", 1435.2, (Segment(43, 132.95, "opening"),))


def test_needle_names_the_video_by_its_first_bytes(tmp_path):
    video = tmp_path / "ep.mkv"
    video.write_bytes(b"a" * 8192 + b"b")
    assert text_of(Timeline(str(video), 1435, EPISODE.segments[:1]), "needle") == (
        '{"opening":[43.0,132.95],"ending":null,"md5":"221994040b14294bdf7fbc128e66633c"}\n'
    )
    with pytest.raises(ClippingError, match=r"S01E02.mkv: cannot be read, and a needle skip file"):
        text_of(EPISODE, "needle")


def test_mpv_options_to_the_byte(tmp_path):
    assert text_of(EPISODE, "mpv") == (
        "--script-opts=skip-op_start=43.000,skip-op_end=132.950,"
        "skip-ed_start=1330.100,skip-ed_end=1420.050\n"
    )


def test_the_library_of_opentimelineio_reads_what_it_wrote_and_we_do_too(tmp_path):
    otio = pytest.importorskip("opentimelineio")
    write(tmp_path / "a.otio", EPISODE, "otio")
    text = (tmp_path / "a.otio").read_text()
    assert '"Marker.2"' in text
    assert '"Clip.1"' in text
    (clip,) = otio.adapters.read_from_file(str(tmp_path / "a.otio")).find_clips()
    assert clip.media_reference.target_url == "file:///S01E02.mkv"
    marks = [(m.name, m.marked_range.start_time.to_seconds()) for m in clip.markers]
    assert marks == [("Opening", 43.0), ("Ending", 1330.1), ("Preview", 1420.05)]
    assert read(tmp_path / "a.otio") == Timeline(
        "a", 1435, tuple(Segment(s.start, s.end, s.label) for s in EPISODE.segments)
    )
    # As a later release writes it: other schemas, and media that begins at an hour.
    rate = otio.opentime.RationalTime
    span = otio.opentime.TimeRange(rate(3600 * 24, 24), rate(2400, 24))
    media = otio.schema.ExternalReference(target_url="x", available_range=span)
    clip = otio.schema.Clip(name="x", media_reference=media)
    mark = otio.opentime.TimeRange(rate(3610 * 24, 24), rate(48, 24))
    clip.markers.append(otio.schema.Marker(name="OP 2", marked_range=mark))
    track = otio.schema.Track()
    track.append(clip)
    whole = otio.schema.Timeline("x")
    whole.tracks.append(track)
    otio.adapters.write_to_file(whole, str(tmp_path / "b.otio"))
    assert read(tmp_path / "b.otio") == Timeline("b", 100, (Segment(10, 12, "opening"),))


def test_webvtt_to_the_byte():
    assert text_of(EPISODE, "webvtt").startswith(
        "WEBVTT\n\n1\n00:00:00.000 --> 00:00:43.000\nPrologue\n\n"
        "2\n00:00:43.000 --> 00:02:12.950\nOpening\n"
    )


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.edl", "1 2 3\n5 4 3\n", r"a.edl:2: a segment needs 0 <= start < end"),
        ("a.edl", "1 2 9\n", r"a.edl:1: an action is a number from 0 to 5"),
        ("a.edl", "#1 #2 3\n", r"a.edl:1: #1 is a number of frames; give the frame rate"),
        ("a.edl", "# mpv EDL v0\n", r"a.edl:1: an edit is 'start end action'"),
        ("a.edl", "1 2 3\n" * 10_001, r"a.edl:10001: more than 10000 entries"),
        ("a.xml", "<Chapters>\n<EditionEntry>", r"a.xml:2: not XML"),
        ("a.xml", "<Tags/>", r"a.xml:1: the outermost element is <Chapters>"),
        ("a.xml", "<Chapters>\n<ChapterAtom/></Chapters>", r"a.xml:2: .* no ChapterTimeStart"),
        ("a.xml", "<Chapters>" * 65, r"a.xml:1: elements lie more than 64 deep"),
        ("a.txt", "CHAPTER01=00:00:00.000\nCHAPTER01=00:00:00.000", r"a.txt:2: CHAPTER01 come"),
        ("a.txt", "CHAPTER01=00:61:00.000", r"a.txt:1: a time is HH:MM:SS"),
        ("a.ffmetadata", "[CHAPTER]", r"a.ffmetadata:1: the first line is ;FFMETADATA1"),
        ("a.ffmetadata", ";FFMETADATA1\n[CHAPTER]\nSTART=1.5", r"a.ffmetadata:3: START is a whole"),
        ("a.ffmetadata", ";FFMETADATA1\n[CHAPTER]\nEND=5", r"a.ffmetadata:2: .* no START"),
        ("a.vtt", "WEBVTT\n\n00:02.000 --> 00:01.000\nx", r"a.vtt:3: a segment needs"),
        ("a.vtt", "1\n", r"a.vtt:1: the first line is WEBVTT"),
        ("a.mpv.txt", "--script-opts=skip-op_start=1\n", r"a.mpv.txt:1: .* go together"),
        ("a.mpv.txt", "--fs\n", r"a.mpv.txt:1: a line is --script-opts"),
        ("a.jellyfin.json", '{"Items":[{}]}', r"a.jellyfin.json: item 1: Type is missing"),
        ("a.jellyfin.json", '{\n"Items":', r"a.jellyfin.json:2: not JSON"),
        ("a.aniskip.json", '{"results":[{"interval":{}}]}', r"result 1: skipType is missing"),
        ("a.needle.skip.json", '{"opening":[1],"ending":null}', r"opening is \[start, end\]"),
        ("a.otio", '{"OTIO_SCHEMA":"Clip.1"}', r"a.otio: OTIO_SCHEMA is Timeline.1"),
        ("a.otio", "[" * 200_000, r"a.otio: not JSON that can be read"),
        ("a.avtnet.json", '{"format":"avtnet timelines","version":2,"timelines":[]}', "version 2"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_file_and_line(tmp_path, name, text, complaint):
    (tmp_path / name).write_text(text)
    with pytest.raises(TableError, match=complaint):
        read(tmp_path / name)


def test_wrong_names_of_formats_are_told_with_the_right_one():
    for wrong, right in [("edll", "edl"), ("XML", "chapters"), ("jelyfin", "jellyfin")]:
        with pytest.raises(ConfigError, match=f"no format '{wrong}'; did you mean {right}[?]"):
            check_names([wrong])
    with pytest.raises(ConfigError, match="edl and edl45 write the same file"):
        check_names(["edl", "edl45"])


def test_a_files_name_tells_its_format(tmp_path):
    for name, form in FORMATS.items():
        if name != "edl45":
            assert format_of_file(tmp_path / f"My Show - 01{form.suffix}") == name
    assert format_of_file(tmp_path / "found.json") == "json"
    with pytest.raises(ConfigError, match="its name tells no format"):
        format_of_file(tmp_path / "a.mkv")


def test_padding_keeps_inside_the_file_and_out_of_neighbours():
    assert spans(padded(EPISODE, 0.5)) == [
        (42.5, 133.45, "opening"),
        (1329.6, 1420.05, "ending"),
        (1420.05, 1435, "preview"),
    ]
    assert spans(padded(EPISODE, 50))[0] == (0, 182.95, "opening")
    assert spans(padded(EPISODE, -10)) == [(53, 122.95, "opening"), (1340.1, 1410.05, "ending")]


def test_all_formats_are_written_beside_the_media_though_one_fails(tmp_path):
    (tmp_path / "ep.v2.mkv").write_bytes(b"video")
    (tmp_path / "ep.v2.edl").mkdir()
    episode = Timeline(str(tmp_path / "ep.v2.mkv"), 1435, EPISODE.segments)
    with pytest.raises(ClippingError, match=r"ep.v2.edl: cannot be written: Is a directory"):
        list(write_beside(episode, ["edl", "needle", "ogm"]))
    made = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert made == {"ep.v2.mkv", "ep.v2.needle.skip.json", "ep.v2.chapters.txt"}
    list(write_beside(episode, ["mpv"], folder=tmp_path / "out", called="S1/ep"))
    assert (tmp_path / "out" / "S1" / "ep.mpv.txt").exists()
    with pytest.raises(ClippingError, match=r"S01E02.mkv: this media is not there; name a folder"):
        list(write_beside(EPISODE, ["edl"]))

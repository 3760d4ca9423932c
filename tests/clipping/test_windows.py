"""Tables: what is written comes back, the bytes are fixed, and a wrong row is named."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipping.errors import ClippingError, TableError
from clipping.formats.tables import read_timelines, write_timelines
from clipping.segments import Segment, Timeline
from clipping.text_files import MAX_BYTES
from clipping.windows import WindowId, read_labels, write_labels

EPISODES = [
    Timeline(
        "S1/01 – “Pilot”, 始まり.mkv",
        1440.5,
        (
            Segment(43.0, 131.25, "opening", 0.97, ("network: the opening ends at 131.2 s",)),
            Segment(1320.04, 1408.0, "ending", None, ("credits", "sound")),
        ),
    ),
    Timeline("02.mkv", 0.0, error="02.mkv: not a video"),
]

times = st.floats(0, 1e6, allow_nan=False)
texts = st.text(max_size=20)
sentences = st.text(min_size=1, max_size=20).filter(lambda text: "|" not in text)


@st.composite
def segments(draw):
    start, end = sorted(draw(st.lists(times, min_size=2, max_size=2, unique=True)))
    score = draw(st.none() | st.floats(0, 1))
    evidence = tuple(draw(st.lists(sentences, max_size=2)))
    return Segment(start, end, draw(texts), score, evidence)


timelines = st.builds(
    Timeline,
    source=texts,
    duration=times,
    segments=st.lists(segments(), max_size=3, unique_by=lambda s: (s.start, s.end)).map(tuple),
    error=st.none() | texts,
)


def test_timelines_json_is_exactly_the_documented_shape(tmp_path):
    write_timelines(tmp_path / "a.json", EPISODES)
    items = json.loads((tmp_path / "a.json").read_bytes())
    assert items[0]["segments"][0] == {
        "label": "opening",
        "start": 43.0,
        "end": 131.25,
        "confidence": 0.97,
        "evidence": ["network: the opening ends at 131.2 s"],
    }
    assert items[1] == {
        "file": "02.mkv",
        "duration": 0.0,
        "segments": [],
        "error": "02.mkv: not a video",
    }
    assert list(items[0]) == ["file", "duration", "segments", "error"]
    assert "始まり" in (tmp_path / "a.json").read_text("utf-8")
    assert read_timelines(tmp_path / "a.json") == EPISODES


def test_a_csv_has_one_row_a_segment(tmp_path):
    write_timelines(tmp_path / "a.csv", EPISODES)
    assert (tmp_path / "a.csv").read_text("utf-8") == (
        "file,label,start,end,confidence,evidence\n"
        '"S1/01 – “Pilot”, 始まり.mkv",opening,43.0,131.25,0.97,'
        "network: the opening ends at 131.2 s\n"
        '"S1/01 – “Pilot”, 始まり.mkv",ending,1320.04,1408.0,,credits | sound\n'
    )
    (back,) = read_timelines(tmp_path / "a.csv")
    assert back == Timeline(EPISODES[0].source, 0.0, EPISODES[0].segments)


def test_a_csv_may_be_written_by_hand(tmp_path):
    """Clock times, rows of a file apart, no confidence, Excel's byte order mark and line ends."""
    path = tmp_path / "skip.csv"
    path.write_bytes(
        b"\xef\xbb\xbfLabel,File,Start,End\r\nending,a.mkv,22:00,23:28.5\r\n"
        b"opening,b.mkv,0,90\r\n\r\nopening,a.mkv,1:02,150\r\n\r\n"
    )
    assert read_timelines(path) == [
        Timeline("a.mkv", 0, (Segment(62, 150, "opening"), Segment(1320, 1408.5, "ending"))),
        Timeline("b.mkv", 0, (Segment(0, 90, "opening"),)),
    ]


def test_the_kind_of_a_file_without_suffix_is_seen_from_its_first_character(tmp_path):
    write_timelines(tmp_path / "a.json", EPISODES)
    write_timelines(tmp_path / "a.csv", EPISODES)
    assert read_timelines((tmp_path / "a.json").rename(tmp_path / "json")) == EPISODES
    assert len(read_timelines((tmp_path / "a.csv").rename(tmp_path / "csv"))) == 1


@settings(max_examples=60, deadline=None)
@given(items=st.lists(timelines, max_size=3))
def test_every_timeline_survives_json(tmp_path_factory, items):
    path = tmp_path_factory.getbasetemp() / "round.json"
    write_timelines(path, items)
    first = path.read_bytes()
    assert read_timelines(path) == items
    write_timelines(path, read_timelines(path))
    assert path.read_bytes() == first


@settings(max_examples=60, deadline=None)
@given(items=st.lists(timelines, max_size=3, unique_by=lambda timeline: timeline.source))
def test_every_segment_survives_csv(tmp_path_factory, items):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    write_timelines(path, items)
    rows = {item.source: item.segments for item in items if item.segments}
    assert {item.source: item.segments for item in read_timelines(path)} == rows


def test_a_file_name_that_is_no_text_can_still_be_reported(tmp_path):
    broken = [Timeline("\udce9.mkv", 0, error="not a video")]  # os.fsdecode(b"\xe9.mkv")
    write_timelines(tmp_path / "a.json", broken)
    assert read_timelines(tmp_path / "a.json") == broken


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ('{"file": "a"}', "a JSON list of objects, got dict"),
        ('[\n{"file": "a",}]', "a.json:2: not JSON"),
        ("[" * 100_000, "not JSON that can be read"),
        ("[1" + "0" * 5000 + "]", "not JSON that can be read"),
        ("[3]", r"item 1: an object \{…\} is needed, got int 3"),
        ("[{}]", "item 1: file is missing"),
        ('[{"file": 3}]', "item 1: file is a text, got int 3"),
        ('[{"file": "a", "length": 3}]', "item 1: 'length' is not a key here; known are file, dur"),
        ('[{"file": "a", "duration": "12"}]', "duration is a number, got str '12'"),
        ('[{"file": "a", "duration": true}]', "duration is a number, got bool True"),
        ('[{"file": "a", "duration": NaN}]', "duration is a finite number, got nan"),
        ('[{"file": "a", "duration": 1e999}]', "duration is a finite number, got inf"),
        ('[{"file": "a", "duration": 1' + "0" * 400 + "}]", "duration is too large"),
        ('[{"file": "a", "duration": -1}]', "a duration is 0 or more seconds, got -1"),
        ('[{"file": "a", "error": 1}]', "error is a text, got int 1"),
        ('[{"file": "a", "segments": {}}]', "segments is a list, got dict"),
        ('[{"file": "a"}, {"file": "b", "segments": [{}]}]', "item 2: segment 1: label is missing"),
        (
            '[{"file": "a", "segments": [{"label": "x", "start": 5, "end": 5}]}]',
            "item 1: segment 1: a segment needs 0 <= start < end, got 5.0 and 5.0",
        ),
        (
            '[{"file": "a", "segments": [{"label": "x", "start": 5, "end": 6, "evidence": "y"}]}]',
            "segment 1: evidence is a list of texts",
        ),
    ],
)
def test_a_wrong_json_is_named(tmp_path, text, complaint):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(TableError, match=complaint) as caught:
        read_timelines(tmp_path / "a.json")
    assert str(tmp_path / "a.json") in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) + 250


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a.mkv,opening,0,90,,\n", r":1: the first row names the columns file,label,start,end"),
        ("file,label,start,end,note\n", ":1: the first row names the columns"),
        ("file,label,start,end,end\n", ":1: the first row names the columns"),
        ("file,label,start,end\na,x,0\n", ":2: the header has 4 columns, this row 3"),
        ("file,label,start,end\na,x,zero,9\n", ":2: start is a number, got 'zero'"),
        ("file,label,start,end\na,x,0,inf\n", ":2: end is a finite number, got inf"),
        ("file,label,start,end\na,x,0,1:99\n", ":2: the seconds of a time with minutes"),
        ("file,label,start,end\n\na,x,9,0\n", ":3: a segment needs 0 <= start < end"),
        ('file,label,start,end\n"a,x,0,9\n', "not CSV: unexpected end of data"),
    ],
)
def test_a_wrong_csv_is_named(tmp_path, text, complaint):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(TableError, match="a.csv.*" + complaint):
        read_timelines(tmp_path / "a.csv")


def test_labels_come_back_to_the_last_digit(tmp_path):
    labels = {
        WindowId("LvrN2l3L", "start"): 60.509518809241705,
        WindowId("S1/01 – the  start", "end"): 0.0,
        WindowId("a_start", "start"): 200.0,
    }
    write_labels(tmp_path / "labels.txt", labels)
    assert (tmp_path / "labels.txt").read_text("utf-8") == (
        "LvrN2l3L_start 60.509518809241705\nS1/01 – the  start_end 0.0\na_start_start 200.0\n"
    )
    assert read_labels(tmp_path / "labels.txt") == labels


names = st.text(min_size=1, max_size=15).filter(
    lambda name: all(ord(c) >= 32 and not 127 <= ord(c) < 160 and c != "\ufeff" for c in name)
)
windows = st.builds(WindowId, name=names, side=st.sampled_from(["start", "end"]))


@settings(max_examples=60, deadline=None)
@given(labels=st.dictionaries(windows, st.floats(0, 200), min_size=1, max_size=5))
def test_every_label_survives(tmp_path_factory, labels):
    path = tmp_path_factory.getbasetemp() / "round.txt"
    write_labels(path, labels)
    assert list(read_labels(path).items()) == list(labels.items())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ": the file is empty"),
        ("a_start 1\nb_start\n", ":2: a row is a window and its second"),
        ("a_start 1\n\na_start 2\n", ":3: a_start stands on line 1 already"),
        ("a_middle 1\n", ":1: a window is called NAME_start or NAME_end, got 'a_middle'"),
        ("_start 1\n", ":1: an episode's name is one line of text"),
        ("a_start one\n", ":1: the position is a number, got 'one'"),
        ("a_start 1_0\n", ":1: the position is a number, got '1_0'"),
        ("a_start ١\n", ":1: the position is a number"),
        ("a_start nan\n", ":1: the position is a finite number, got nan"),
        ("a_start 200.1\n", ":1: the position is from 0 to 200 s, got 200.1"),
        ("a_start -1\n", ":1: the position is from 0 to 200 s, got -1"),
    ],
)
def test_a_wrong_label_is_named(tmp_path, text, complaint):
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match="labels.txt" + complaint):
        read_labels(tmp_path / "labels.txt")


@pytest.mark.parametrize("label", [math.nan, -1, 200.5])
def test_a_wrong_label_is_not_written(tmp_path, label):
    with pytest.raises(TableError, match="a_start: the position is from 0 to 200 s"):
        write_labels(tmp_path / "labels.txt", {WindowId("a", "start"): label})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "two\nlines", "\ufeffmark", "\udce9"])
def test_a_window_needs_a_name_that_fits_a_row(name):
    with pytest.raises(ValueError, match="one line of text"):
        WindowId(name, "start")


def test_a_window_needs_a_side():
    with pytest.raises(ValueError, match="start or end, got 's'"):
        WindowId("a", "s")


@pytest.mark.parametrize("read", [read_labels, read_timelines])
def test_a_file_that_cannot_be_read_is_named(tmp_path, read):
    with pytest.raises(TableError, match=r"none.csv: cannot be read: No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(TableError, match="cannot be read: Is a directory"):
        read(tmp_path)
    (tmp_path / "latin.csv").write_bytes(b"file,label\nCaf\xe9_start,2\n")
    with pytest.raises(TableError, match=r"latin.csv:2: not UTF-8 text \(byte 0xe9\)"):
        read(tmp_path / "latin.csv")
    with open(tmp_path / "film.csv", "wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(TableError, match="above 64 MiB"):
        read(tmp_path / "film.csv")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ClippingError, match="cannot be written"):
        write_timelines(tmp_path / "file" / "a.json", EPISODES)

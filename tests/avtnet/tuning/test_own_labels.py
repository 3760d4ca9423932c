"""A person's labels of an episode are understood in every format, or refused by name."""

from __future__ import annotations

import shutil

import pytest
from making.media import make_media

from avtnet.tuning.labels import find_sources, labels_of
from avtnet.tuning.settings import OwnSource
from avtnet.tuning.source import find_labelled
from clipping.errors import ClippingError, ConfigError, TableError
from clipping.formats import catalog
from clipping.formats.tables import write_timelines
from clipping.kept.cache import Cache
from clipping.kept.corrections import correct
from clipping.kept.edits import note_written
from clipping.segments import Segment, Timeline


@pytest.fixture(autouse=True)
def user(tmp_path_factory, monkeypatch):
    """Nobody's real directories."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Two minutes of quiet tones."""
    path = tmp_path_factory.mktemp("sound") / "01.m4a"
    return make_media(path, duration=120.0, video_codec=None, audio_rate=8000, layout="mono")


@pytest.fixture
def media(sound, tmp_path):
    (tmp_path / "Show").mkdir()
    return shutil.copy(sound, tmp_path / "Show" / "01.m4a")


SPANS = (Segment(10.25, 40.5, "opening"), Segment(80.0, 110.75, "ending"))
TIMELINE = Timeline("01.m4a", 120.0, SPANS)


def read(path, **how):
    return labels_of(path.stem, path, Cache(), find_sources(**{"labels": None, **how}))


@pytest.mark.parametrize("form", catalog.FORMATS)
def test_every_format_beside_the_media_is_read(media, form):
    if form == "otio":
        pytest.importorskip("opentimelineio")
    if form == "needle":  # it knows the video by its first bytes
        pass
    catalog.write(media.with_name(f"01{catalog.FORMATS[form].suffix}"), _source(media), form)
    found = read(media)
    assert found.known == {"opening", "ending"}
    assert [each.label for each in found.spans] == ["opening", "ending"]
    for mine, true in zip(found.spans, SPANS, strict=True):
        assert (mine.start, mine.end) == pytest.approx((true.start, true.end), abs=0.01)
    assert found.origin.startswith(str(media.parent))


def _source(media):
    return Timeline(str(media), 120.0, SPANS)


def test_a_table_of_all_or_a_folder_of_files_holds_them_too(media, tmp_path):
    table = tmp_path / "labels.csv"
    write_timelines(table, [TIMELINE, Timeline("02.m4a", 120.0, SPANS[:1])])
    assert read(media, labels=table).spans == SPANS
    folder = tmp_path / "elsewhere"
    catalog.write(folder / "01.chapters.xml", TIMELINE, "chapters")
    assert len(read(media, labels=folder).spans) == 2
    assert read(media, labels=table).origin == str(table)
    write_timelines(table, [Timeline("02.m4a", 120.0, SPANS)])
    assert read(media, labels=table) is None


def test_an_empty_json_says_that_there_is_nothing(media):
    catalog.write(media.with_name("01.avtnet.json"), Timeline("01.m4a", 120.0), "json")
    found = read(media)
    assert (found.spans, found.known) == ((), {"opening", "ending"})


def test_names_are_understood_and_others_are_story(media):
    media.with_name("01.csv").write_text(
        "file,label,start,end\n01.m4a,NCOP 2,10.25,40.5\n01.m4a,my favourite scene,50,60\n"
    )
    assert read(media).spans == SPANS[:1]
    media.with_name("01.csv").write_text("file,label,start,end\n01.m4a,scene,50,60\n")
    with pytest.raises(TableError, match=r"01\.csv: none of its labels names.*scene"):
        read(media)


def test_a_correction_beats_a_file_and_speaks_of_its_label_alone(media):
    correct(media, Cache(), "opening", [(5.0, 35.0)])
    alone = read(media)
    assert alone.known == {"opening"}
    assert alone.origin == "corrections"
    catalog.write(media.with_name("01.chapters.xml"), TIMELINE, "chapters")
    both = read(media)
    assert [(each.label, each.start) for each in both.spans] == [("opening", 5.0), ("ending", 80.0)]
    assert both.known == {"opening", "ending"}
    correct(media, Cache(), "ending", [])
    assert [each.label for each in read(media).spans] == ["opening"]
    assert read(media).origin == "corrections"


def test_what_a_program_found_is_no_label_until_a_person_edits_it(media):
    file = media.with_name("01.avtnet.json")
    sure = tuple(Segment(s.start, s.end, s.label, 0.97, ("AVTNetDense",)) for s in SPANS)
    found = Timeline(str(media), 120.0, sure)
    catalog.write(file, found, "json")
    note_written(media, Cache(), found)
    assert read(media) is None
    assert read(media, found_too=True).known == {"opening", "ending"}
    file.write_text(file.read_text().replace("40.5", "41.0"))
    edited = read(media)
    assert edited.known == {"opening"}
    assert [(each.label, each.end) for each in edited.spans] == [("opening", 41.0)]


def test_an_edl_without_names_is_told_by_places_and_lengths(media):
    media.with_name("01.edl").write_text("10.25 40.50 3\n45 50 3\n80.00 110.75 0\n")
    assert [each.label for each in read(media).spans] == ["opening", "mixed", "ending"]
    media.with_name("01.edl").write_text("10.25 25 3\n30 55 3\n")
    with pytest.raises(TableError, match=r"two spans may be the opening"):
        read(media)


WRONG = {
    "outside": ((Segment(100.0, 190.0, "ending"),), "not within the file, which has 120"),
    "behind": ((Segment(130.0, 140.0, "ending"),), "not within the file"),
    "over each other": (
        (Segment(10, 50, "opening"), Segment(45, 90, "ending")),
        "overlap",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_labels_that_cannot_be_right_are_refused_by_name(media, name):
    spans, problem = WRONG[name]
    catalog.write(media.with_name("01.csv"), Timeline("01.m4a", 0.0, spans), "csv")
    with pytest.raises(TableError, match=rf"01\.m4a: .*{problem}"):
        read(media)


def test_labels_a_little_beyond_the_end_are_cut(media):
    spans = (Segment(80.0, 120.9, "ending"),)
    catalog.write(media.with_name("01.csv"), Timeline("01.m4a", 0.0, spans), "csv")
    assert read(media).spans[0].end == pytest.approx(120.0, abs=0.2)


def test_where_several_files_may_be_meant_one_is_to_be_named(media, tmp_path):
    catalog.write(media.with_name("01.csv"), TIMELINE, "csv")
    catalog.write(media.with_name("01.chapters.xml"), TIMELINE, "chapters")
    with pytest.raises(TableError, match=r"01\.chapters\.xml, 01\.csv .*--format"):
        read(media)
    assert read(media, form="csv").origin.endswith("01.csv")
    with pytest.raises(ConfigError, match="did you mean chapters"):
        find_sources(None, "chapter")
    table = tmp_path / "labels.csv"
    write_timelines(table, [TIMELINE])
    with pytest.raises(ClippingError, match="this is a table"):
        find_sources(table, "csv")
    with pytest.raises(ClippingError, match=r"gone\.csv"):
        find_sources(tmp_path / "gone.csv")


def test_one_wrong_file_does_not_stop_the_rest(media, tmp_path):
    shutil.copy(media, media.with_name("02.m4a"))
    shutil.copy(media, media.with_name("03.m4a"))
    media.with_name("04.m4a").write_bytes(b"no media")
    catalog.write(media.with_name("01.csv"), TIMELINE, "csv")
    media.with_name("02.csv").write_text("file,label,start,end\n02.m4a,opening,ten,20\n")
    labelled, problems = find_labelled(OwnSource((str(media.parent),), tmp_path))
    assert list(labelled) == ["01"]
    assert len(problems) == 2
    assert "02.csv:2" in problems[0]
    assert "04.m4a" in problems[1]

"""A person's corrections of a file count after scans, renaming, rewriting and undoing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from making.media import make_media

from avtnet.correct import main
from clipping.chapters.embed import embed
from clipping.errors import ClippingError, TableError
from clipping.formats import catalog
from clipping.formats.chapters import Chapter
from clipping.kept.cache import FOLDER, Cache
from clipping.kept.correction_file import FILE
from clipping.kept.corrections import correct, corrections_of, undo
from clipping.kept.edits import note_written, take_edits
from clipping.segments import Segment, Timeline

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def user(tmp_path_factory, monkeypatch):
    """Nobody's real directories."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two files of 200 s of noise, as cheap as they can be made."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(1)
    for name in ("01.mkv", "02.mkv"):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
            for second in range(200):
                samples = rng.integers(-500, 500, (1, 8000), dtype=np.int16)
                frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
                frame.sample_rate, frame.pts = 8000, second * 8000
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return folder


@pytest.fixture
def season(made, tmp_path):
    return shutil.copytree(made, tmp_path / "season")


def said(path, cache=None):
    return [(c.label, c.start, c.end) for c in corrections_of(path, cache or Cache())]


def test_the_command_says_lists_and_takes_back(season, capsys):
    path = season / "01.mkv"
    assert main([str(path)]) == 0
    assert "nothing was said" in capsys.readouterr().out
    assert main([str(path), "opening", "43.0", "2:12.95"]) == 0
    assert main([str(path), "OP", "0", "1:30"]) == 0
    assert main([str(path), "recap", "none"]) == 0
    assert main([str(path), "mixed", "none"]) == 0
    assert main([str(path), "mixed", "--undo"]) == 0
    assert main([str(path), "opening", "0:01:40", "170.5", "--add"]) == 0
    told = capsys.readouterr().out.splitlines()[-4:]
    assert told[0] == f"{path}:"
    assert told[1].startswith("  recap: none (command, 20")
    assert told[2].startswith("  opening: 0:00:00.000 - 0:01:30.000 (command, 20")
    assert told[3].startswith("  opening: 0:01:40.000 - 0:02:50.500")
    assert said(path) == [("recap", None, None), ("opening", 0, 90), ("opening", 100, 170.5)]
    assert main([str(path), "--undo"]) == 0  # the one that was added
    assert said(path) == [("recap", None, None), ("opening", 0, 90)]
    assert main([str(path), "opening", "--undo"]) == 0
    assert said(path) == [("recap", None, None), ("opening", 43, 132.95)]
    assert main([str(path), "opening", "--undo"]) == 0
    assert main([str(path), "opening", "--undo"]) == 1
    assert said(path) == [("recap", None, None)]
    assert said(season / "02.mkv") == []


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["opening", "190", "205"], 1, "no span of a file of 200"),
        (["opening", "90", "80"], 1, "no span"),
        (["opening", "5"], 2, "FILE LABEL START END"),
        (["opening", "5", "1:75"], 2, "below 60"),
        (["openin", "5", "10"], 2, "a label is one of opening, ending"),
        (["opening", "none", "--add"], 2, "--add goes with"),
        (["opening", "1", "2", "--undo"], 2, "--undo takes FILE"),
    ],
)
def test_what_cannot_be_meant_is_refused(season, capsys, words, code, reason):
    path = season / "01.mkv"
    with pytest.raises(SystemExit, match=str(code)):
        sys.exit(main([str(path), *words]))
    assert reason in capsys.readouterr().err
    assert said(path) == []


def test_it_survives_a_new_name_a_copy_a_pruned_cache_and_chapters_put_in(season):
    path = season / "01.mkv"
    correct(path, Cache(), "opening", [(10, 100)])
    Cache().prune([path])
    path = path.rename(season / "S01E01 名.mkv")
    assert said(path) == [("opening", 10, 100)]
    copy = Path(shutil.copyfile(path, season / "copy.mkv"))
    assert said(copy) == [("opening", 10, 100)]
    correct(path, Cache(), "ending", [(150, 190)])
    embed(path, [Chapter(0, 100, "Opening"), Chapter(100, 200, "Episode")], None)
    assert said(path) == [("opening", 10, 100), ("ending", 150, 190)]
    correct(path, Cache(), "ending", [])
    assert said(path) == [("ending", None, None), ("opening", 10, 100)]
    embed(path, [Chapter(0, 99, "Opening"), Chapter(99, 200, "Episode")], None)
    assert [undo(path, Cache()) for _ in range(4)] == [True, True, True, False]
    assert said(path) == []
    embed(path, [Chapter(0, 98, "Opening"), Chapter(98, 200, "Episode")], None)
    assert said(path) == []
    assert said(copy) == [("opening", 10, 100), ("ending", 150, 190)]
    correct(path, Cache(), "opening", [(10, 100)])
    # Another release under the same name is another file.
    shutil.copyfile(season / "02.mkv", season / "03.mkv")
    make_media(path, duration=3, size=(160, 90))
    assert said(path) == []
    told = json.loads((season / FOLDER / FILE).read_text(encoding="utf-8"))
    assert {each["name"] for each in told["files"]} == {"S01E01 名.mkv"}
    assert "S01E01 名.mkv" in (season / FOLDER / FILE).read_text(encoding="utf-8")


def test_of_a_long_history_what_counts_is_never_dropped(season, monkeypatch):
    monkeypatch.setattr("clipping.kept.corrections._MOST_KEPT", 3)
    path = season / "01.mkv"
    correct(path, Cache(), "recap", [])
    for second in range(5):
        correct(path, Cache(), "opening", [(second, 90)])
    assert said(path) == [("recap", None, None), ("opening", 4, 90)]
    assert [undo(path, Cache(), "opening") for _ in range(4)] == [True, True, True, False]
    assert said(path) == [("recap", None, None)]


def test_a_folder_for_everything_tells_files_of_the_same_name_apart(season, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    twin = Path(shutil.copyfile(season / "02.mkv", other / "01.mkv"))
    cache = Cache(tmp_path / "cache")
    correct(season / "01.mkv", cache, "opening", [(1, 2)])
    assert said(season / "01.mkv", cache) == [("opening", 1, 2)]
    assert said(twin, cache) == []
    assert not (season / FOLDER).exists()


def test_a_folder_that_cannot_be_written_leaves_them_with_the_user(season, user):
    (season / FOLDER).write_text("a file where the folder would be")
    path = season / "01.mkv"
    correct(path, Cache(), "opening", [(1, 2)])
    assert said(path) == [("opening", 1, 2)]
    assert (user / "data" / "avtnet" / FILE).exists()
    assert undo(path, Cache())
    assert said(path) == []


def test_a_file_of_corrections_that_is_broken_is_named_and_not_written_over(season, capsys):
    path = season / "01.mkv"
    correct(path, Cache(), "opening", [(1, 2)])
    file = season / FOLDER / FILE
    whole = file.read_text()
    for broken in (
        whole[:-9],
        whole.replace('"version": 1', '"version": 2'),
        whole.replace("2", '"two"'),
        whole.replace('"label"', '"lable"'),
        "[" * 100_000,
    ):
        file.write_text(broken)
        with pytest.raises(TableError, match=FILE):
            corrections_of(path, Cache())
        assert main([str(path), "ending", "3", "4"]) == 1
        assert str(file) in capsys.readouterr().err
        assert file.read_text() == broken
    file.write_text(whole)
    assert said(path) == [("opening", 1, 2)]


SAYING = """
import sys
from pathlib import Path
from avtnet.cache import Cache
from clipping.kept.corrections import correct
for second in range(8):
    correct(Path(sys.argv[1]), Cache(), sys.argv[2], [(second, second + 1)])
"""


def test_two_who_say_something_at_once_are_both_heard(season):
    paths = [season / "01.mkv", season / "02.mkv"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [(paths[0], "opening"), (paths[0], "ending"), (paths[1], "opening")]
    working = [
        subprocess.Popen([sys.executable, "-c", SAYING, *map(str, each)], env=environment)
        for each in words
    ]
    assert [each.wait() for each in working] == [0, 0, 0]
    assert sorted(said(paths[0])) == [("ending", 7, 8), ("opening", 7, 8)]
    assert said(paths[1]) == [("opening", 7, 8)]
    told = json.loads((season / FOLDER / FILE).read_text())
    assert sorted(len(each["corrections"]) for each in told["files"]) == [8, 16]


FOUND = (Segment(10, 100, "opening", 0.9), Segment(150, 180, "ending", 0.8), Segment(3, 8, "recap"))


def written(path, padding=0.0):
    """Write the JSON as locate --write json does."""
    timeline = Timeline(str(path), 200.0, FOUND)
    (file,) = catalog.write_beside(catalog.padded(timeline, padding), ["json"])
    note_written(path, Cache(), timeline, padding)
    return file


def edited(file, change):
    whole = json.loads(file.read_text())
    change(whole["timelines"][0])
    file.write_text(json.dumps(whole))


def test_an_edited_json_is_a_correction_of_what_was_changed_and_of_nothing_else(season):
    path = season / "01.mkv"
    assert take_edits(path, Cache()) == []
    file = written(path)
    assert take_edits(path, Cache()) == []
    file.write_text(file.read_text() + "\n\n")  # an editor's doing
    assert take_edits(path, Cache()) == []

    def change(timeline):
        _, opening, ending = timeline["segments"]
        opening["start"] = 12.5
        opening["evidence"] = []
        ending["label"] = "mixed"

    edited(file, change)
    taken = take_edits(path, Cache(fresh=True))
    assert [(each.label, each.start, each.end, each.by) for each in taken] == [
        ("ending", None, None, "edited 01.avtnet.json"),
        ("mixed", 150, 180, "edited 01.avtnet.json"),
        ("opening", 12.5, 100, "edited 01.avtnet.json"),
    ]
    assert corrections_of(path, Cache()) == tuple(
        sorted(taken, key=lambda each: (each.start or 0, each.label))
    )
    # Once: taken back, it does not come again.
    assert take_edits(path, Cache()) == []
    assert undo(path, Cache(), "opening")
    assert take_edits(path, Cache()) == []
    assert ("opening", 12.5, 100) not in said(path)


def test_an_edit_of_a_padded_file_moves_only_the_end_that_was_touched(season):
    path = season / "01.mkv"
    file = written(path, padding=1.0)
    assert json.loads(file.read_text())["timelines"][0]["segments"][1]["start"] == 9.0
    edited(file, lambda timeline: timeline["segments"][1].update(end=98.0))
    take_edits(path, Cache())
    assert said(path) == [("opening", 10, 98.0)]


def test_an_edit_that_cannot_be_understood_is_told_and_taken_when_it_is_mended(season):
    path = season / "01.mkv"
    file = written(path)
    good = file.read_text()
    for bad, reason in (
        (good[:-20], "not JSON"),
        (good.replace("100", "5"), "start < end"),
        (good.replace("100", "500"), "no span of a file of 200"),
        (good.replace("200.0", "1400.0").replace("100", "90"), "for a file of 1400"),
        ("", "is empty"),
    ):
        file.write_text(bad)
        with pytest.raises(ClippingError, match=reason):
            take_edits(path, Cache())
        assert said(path) == []
    file.write_text(good.replace("100", "90"))
    take_edits(path, Cache())
    assert said(path) == [("opening", 10, 90)]
    file.unlink()
    assert take_edits(path, Cache()) == []


def test_an_edit_is_taken_though_chapters_were_put_into_the_file_meanwhile(season):
    path = season / "01.mkv"
    file = written(path)
    edited(file, lambda timeline: timeline["segments"].pop(0))
    embed(path, [Chapter(0, 200, "Episode")], None)
    assert [(each.label, each.start) for each in take_edits(path, Cache())] == [("recap", None)]

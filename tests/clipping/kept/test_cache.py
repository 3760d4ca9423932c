"""Results are kept by a file's identity: nothing is computed twice, nothing stale is used."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from making.fuzzing import Damaged
from making.shared import CHEAP, song, spliced, story, write

from avtnet.cache import main
from clipping.errors import ClippingError
from clipping.files import find_media
from clipping.kept.cache import FOLDER, Cache
from clipping.kept.corrections import correct
from clipping.repeats.file_fingerprint import SharedSettings, make_fingerprint
from clipping.repeats.fingerprint import Kind
from clipping.repeats.shared import Place, Shared, compare
from clipping.segments import Segment

ROOT = Path(__file__).parents[3]
SOUND = SharedSettings(by="sound", shortest=5.0)


@pytest.fixture(autouse=True)
def user(tmp_path_factory, monkeypatch):
    """Nobody's real cache directory."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "avtnet"


@pytest.fixture(scope="module")
def two_episodes(tmp_path_factory):
    theme = song(7, 1)
    folder = tmp_path_factory.mktemp("two")
    write(folder / "01.m4a", spliced(story(3, 2), theme, story(2, 3)), **CHEAP)
    write(folder / "02.m4a", spliced(theme, story(4, 4)), **CHEAP)
    return folder


@pytest.fixture
def season(two_episodes, tmp_path):
    return shutil.copytree(two_episodes, tmp_path / "season")


@pytest.fixture
def made(monkeypatch):
    """The files whose fingerprints were made, not loaded."""
    paths = []

    def counted(path, settings):
        paths.append(path.name)
        return make_fingerprint(path, settings)

    monkeypatch.setattr("clipping.kept.cache.make_fingerprint", counted)
    return paths


def everything(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def shares(a, b, kind: Kind = "sound"):
    return [
        Shared(Place(a, Segment(3.1, 10)), Place(b, Segment(0, 6.9)), -3.1, 0.123456789, kind, True)
    ]


def test_fingerprints_are_made_once_and_a_renamed_or_moved_file_is_found_again(season, made):
    first, second = season / "01.m4a", season / "02.m4a"
    found = compare(*(Cache().fingerprint(path, SOUND) for path in (first, second)), SOUND)
    assert len(found) == 1
    Cache().keep_pair(first, second, SOUND, found)
    renamed = first.rename(season / "another name.m4a")
    moved = shutil.move(season, season.with_name("moved"))
    first, second = moved / renamed.name, moved / second.name
    cache = Cache()
    again = compare(*(cache.fingerprint(path, SOUND) for path in (first, second)), SOUND)
    assert made == ["01.m4a", "02.m4a"]
    assert again == cache.pair(first, second, SOUND)
    assert [each.a.segment for each in again] == [each.a.segment for each in found]
    assert cache.notes == ()
    assert not any(b"01.m4a" in data or b"season" in data for data in everything(moved).values())
    # Other settings are another question.
    Cache().fingerprint(first, SharedSettings(by="sound", region_end=5.0))
    Cache(fresh=True).fingerprint(first, SOUND)
    assert made == ["01.m4a", "02.m4a", renamed.name, renamed.name]


@pytest.mark.parametrize("how", ["other", "middle"])
def test_a_replaced_file_is_noticed_even_one_of_the_same_size_and_ends(season, made, how):
    path = season / "01.m4a"
    cache = Cache()
    cache.fingerprint(path, SOUND)
    cache.keep_fact(path, "pictures", {"found": []})
    assert cache.fact(path, "pictures") == {"found": []}
    if how == "other":
        write(path, spliced(song(5, 9), story(4, 3)))
    else:  # a download that fills in what was missing
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    for fresh in (cache, Cache()):  # one that has seen the file before, and another process
        assert fresh.fact(path, "pictures") is None
    Cache().fingerprint(path, SOUND)
    assert made == ["01.m4a", "01.m4a"]


def test_a_pair_comes_back_in_either_order_and_nothing_shared_is_known_too(season):
    a, b = season / "01.m4a", season / "02.m4a"
    for first, second in ((a, b), (b, a)):
        for settings in (SOUND, SharedSettings()):
            cache = Cache(season / f"{first.stem}{settings.by}")
            assert cache.pair(a, b, settings) is None
            cache.keep_pair(first, second, settings, shares(first, second))
            assert cache.pair(first, second, settings) == shares(first, second)
            (turned,) = cache.pair(second, first, settings)
            assert (turned.a, turned.b) == (
                Place(second, Segment(0, 6.9)),
                Place(first, Segment(3.1, 10)),
            )
            assert (turned.offset, turned.score, turned.exact) == (3.1, 0.123456789, True)
            assert cache.pair(a, b, SharedSettings(shortest=7)) is None
    Cache().keep_pair(a, b, SOUND, [])
    assert Cache().pair(b, a, SOUND) == []
    assert Cache(fresh=True).pair(b, a, SOUND) is None


def test_a_fact_is_kept_under_its_name_and_settings(season):
    path = season / "01.m4a"
    Cache().keep_fact(path, "text", [1.5, "ü", None], key={"rate": 2, "by": "ocr"})
    assert Cache().fact(path, "text", key={"by": "ocr", "rate": 2}) == [1.5, "ü", None]
    assert Cache().fact(path, "text", key={"by": "ocr", "rate": 3}) is None
    assert Cache().fact(path, "texts", key={"by": "ocr", "rate": 2}) is None
    assert Cache().fact(season / "02.m4a", "text", key={"by": "ocr", "rate": 2}) is None
    with pytest.raises(ClippingError, match=r"gone\.m4a: cannot be read"):
        Cache().fact(season / "gone.m4a", "text")


def test_damaged_files_are_as_good_as_none_and_are_replaced(season, made):
    a, b = season / "01.m4a", season / "02.m4a"
    cache = Cache()
    cache.fingerprint(a, SOUND)
    cache.keep_pair(a, b, SOUND, shares(a, b))
    cache.keep_fact(a, "pictures", {"found": [1.25]})
    kept = everything(season / FOLDER)
    assert sorted(path.parts[0] for path in kept) == ["facts", "pairs", "prints"]
    for relative, data in kept.items():
        path = season / FOLDER / relative
        source = season / relative.name
        source.write_bytes(data)
        for seed in range(40):
            content = Damaged(source, seed, season, Path.read_bytes).content()
            path.write_bytes(content)
            if relative.parts[0] == "pairs":
                assert cache.pair(a, b, SOUND) in (None, shares(a, b))
            elif relative.parts[0] == "facts":
                assert cache.fact(a, "pictures") in (None, {"found": [1.25]})
        path.write_bytes(data[: len(data) // 2])
    made.clear()
    cache.fingerprint(a, SOUND)
    assert cache.pair(a, b, SOUND) is None
    assert cache.fact(a, "pictures") is None
    cache.keep_pair(b, a, SOUND, [])
    cache.keep_fact(a, "pictures", {"found": []})
    Cache().fingerprint(a, SOUND)
    assert (made, Cache().pair(a, b, SOUND)) == (["01.m4a"], [])
    assert Cache().fact(a, "pictures") == {"found": []}


WORK = """
import sys
from pathlib import Path
from avtnet.cache import Cache
from clipping.repeats.file_fingerprint import SharedSettings
from clipping.repeats.shared import compare
settings = SharedSettings(by="sound", shortest=5.0)
a, b = sorted(Path(sys.argv[1]).glob("*.m4a"))
for _ in range(3):
    cache = Cache(fresh=True)  # writes what the other one may be reading
    found = compare(cache.fingerprint(a, settings), Cache().fingerprint(b, settings), settings)
    cache.keep_pair(a, b, settings, found)
    assert Cache().pair(a, b, settings) == found
    assert len(found) == 1, found
    cache.keep_fact(a, "seen", [1])
    assert Cache().fact(a, "seen") == [1]
    assert cache.notes == ()
"""


def test_processes_that_work_on_one_folder_at_once_do_not_disturb_each_other(season):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", WORK, str(season)]
    working = [
        subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [(each.communicate()[1], each.returncode) for each in working] == [("", 0), ("", 0)]
    assert sorted(path.parts[0] for path in everything(season / FOLDER)) == [
        *("facts", "pairs", "prints", "prints")
    ]


def test_a_folder_that_cannot_be_written_is_said_and_the_users_directory_taken(season, user, made):
    (season / FOLDER).write_text("a file where the folder would be")
    a, b = season / "01.m4a", season / "02.m4a"
    cache = Cache()
    cache.fingerprint(a, SOUND)
    cache.keep_pair(a, b, SOUND, [])
    (note,) = cache.notes
    assert str(season / FOLDER) in note
    assert str(user) in note
    Cache().fingerprint(a, SOUND)
    assert (Cache().pair(a, b, SOUND), made) == ([], ["01.m4a"])
    shutil.rmtree(user)
    user.write_text("here too")
    cache = Cache()
    cache.fingerprint(a, SOUND)
    cache.keep_fact(a, "x", 1)
    assert len(cache.notes) == 2
    assert "nothing is kept" in cache.notes[1]
    with pytest.raises(ClippingError, match="cannot be written"):
        Cache(season / FOLDER)


def test_a_file_that_grows_while_it_is_looked_at_is_not_kept(season, monkeypatch):
    path = season / "01.m4a"

    def while_it_grows(file, settings):
        fingerprint = make_fingerprint(file, settings)
        with open(file, "ab") as stream:
            stream.write(b"more of it")
        return fingerprint

    monkeypatch.setattr("clipping.kept.cache.make_fingerprint", while_it_grows)
    Cache().fingerprint(path, SOUND)
    assert not (season / FOLDER).exists()


def test_a_cache_is_no_media_and_what_belongs_to_files_that_are_gone_can_go(season, capsys):
    a, b = season / "01.m4a", season / "02.m4a"
    cache = Cache()
    for path in (a, b):
        cache.keep_fact(path, "x", 1)
    cache.keep_pair(a, b, SOUND, [])
    shutil.copy(b, season / FOLDER / "hidden.m4a")
    assert list(find_media([season]).values()) == [a, b]
    old, new = season / FOLDER / "facts" / ".tmp-old", season / FOLDER / "facts" / ".tmp-new"
    for leftover in (old, new):
        leftover.write_text("")
    os.utime(old, (0, time.time() - 7200))
    (season / FOLDER / "facts" / "notes of mine.txt").write_text("stays")
    assert main([str(season / "02.m4a"), "--prune"]) == 0  # 01 was not named, but is there
    assert "removed: 1 files" in capsys.readouterr().out
    a.unlink()
    assert main([str(season), "--prune"]) == 0
    assert "removed: 2 files" in capsys.readouterr().out
    assert [Cache().fact(b, "x"), new.exists(), old.exists()] == [1, True, False]
    assert len(everything(season / FOLDER)) == 4
    apart = season / "apart"
    Cache(apart).keep_fact(b, "x", 2)
    assert main([str(season), "--prune", "--cache", str(apart)]) == 0
    assert Cache(apart).fact(b, "x") == 2
    assert "1 facts" in capsys.readouterr().out
    assert main([]) == 2


def test_the_cache_waits_for_no_disk_and_corrections_do(two_episodes, tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("clipping.files.os.fsync", synced.append)
    cache, path = Cache(tmp_path / "kept"), two_episodes / "01.m4a"
    cache.fingerprint(path, SOUND)
    cache.keep_fact(path, "changes", [1.0])
    cache.keep_season(path, "key", {"keys": []})
    assert not synced
    correct(path, cache, "opening", [(1.0, 3.0)])
    assert len(synced) == 1


def test_an_entry_that_a_power_cut_left_empty_is_as_good_as_none(two_episodes, tmp_path):
    cache, path = Cache(tmp_path / "kept"), two_episodes / "01.m4a"
    made = cache.fingerprint(path, SOUND)
    cache.keep_fact(path, "changes", [1.0])
    cache.keep_season(path, "key", {"keys": []})
    assert cache.season(path, "key") == {"keys": []}
    for entry in (tmp_path / "kept").rglob("*.*"):
        entry.write_bytes(b"")
    assert cache.fact(path, "changes") is None
    assert cache.season(path, "key") is None
    again = cache.fingerprint(path, SOUND)
    assert (again.sound.words == made.sound.words).all()

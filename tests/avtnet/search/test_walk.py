"""Searching many seasons: workers that may die, answers of one process, rows as they are known."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from making.cheap import make_season
from making.media import make_media

from avtnet.cache import main as cache_main
from avtnet.correct import main as correct
from avtnet.localization import main
from avtnet.search.request import LocateConfig
from avtnet.search.walk import search, walk_seasons
from clipping.errors import ConfigError

ROOT = Path(__file__).parents[3]
QUICK = ("--network", "never", "--pictures", "never")

# Kills a worker that opens E02 in a function of this name; with FLAG there only once.
KILLER = """\
import os, signal, sys
def hear(event, arguments):
    if event != "open" or "E02.mka" not in str(arguments[0]):
        return
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name != WHERE:
        frame = frame.f_back
    if frame is not None:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hear)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Two seasons of four episodes of a minute, one of which has a file that is no media."""
    folder = tmp_path_factory.mktemp("made")
    for season in (1, 2):
        make_season(folder / f"Season {season}", 4, season)
    (folder / "Season 2" / "Show S02E09.mka").write_text("<html>")
    return folder


@pytest.fixture
def library(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "library")


def words(library: Path, out: Path, *more: str) -> list[str]:
    themes = library.parent / "themes"
    return [str(library), *QUICK, "--themes", str(themes), "--json", str(out), *more]


def config_of(library: Path, **options) -> LocateConfig:
    quick = {"network": "never", "pictures": "never", "themes": library.parent / "themes"}
    return LocateConfig((str(library),), **{**quick, **options})


def killer(tmp_path: Path, where: str, monkeypatch) -> None:
    """Let workers die in a function."""
    (tmp_path / "killer").mkdir()
    (tmp_path / "killer" / "sitecustomize.py").write_text(f"WHERE = {where!r}\n{KILLER}")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'killer'}:{os.environ.get('PYTHONPATH', '')}")


def labels(located) -> list[str]:
    return [segment.label for segment in located.timeline.segments]


def test_processes_say_what_one_process_says(library, tmp_path, capsys):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    again = shutil.copytree(library, tmp_path / "again" / "library")
    assert main(words(library, one, "--workers", "0")) == 1
    shutil.rmtree(library)
    again.rename(library)
    assert main(words(library, two, "--workers", "2")) == 1
    assert one.read_bytes() == two.read_bytes()
    rows = json.loads(one.read_text())
    assert [Path(row["file"]).name[5:11] for row in rows] == [
        *(f"S01E{number:02}" for number in range(1, 5)),
        *(f"S02E{number:02}" for number in (1, 2, 3, 4, 9)),
    ]
    for row in rows[:-1]:
        assert [segment["label"] for segment in row["segments"]] == ["opening", "ending"]
    assert capsys.readouterr().err.count("failed: ") == 2, "once in each run"


def test_a_season_is_out_when_it_is_done_and_a_broken_file_before(library):
    told = []
    walk = walk_seasons(
        config_of(library, workers=1),
        episode=lambda located: told.append(located.name),
        unreadable=lambda reason: told.append(reason),
    )
    first = next(walk)
    assert (first.number, first.seasons) == (0, 2)
    assert told == [f"Season 1/Show S01E0{number}" for number in range(1, 5)]
    assert not list((library / "Season 2" / ".avtnet").glob("seasons/*"))
    second = next(walk)
    assert [located.name for located in second.episodes] == told[5:]
    assert "S02E09.mka" in told[4], "before the season is done"
    assert list(walk) == []


def test_a_walk_in_which_nothing_changed_starts_no_worker(library, tmp_path, monkeypatch):
    assert main(words(library, tmp_path / "one.json", "--workers", "2")) == 1

    def start(*words, **named):
        raise AssertionError("a worker is started")

    monkeypatch.setattr("clipping.many.processes.subprocess.Popen", start)
    assert main(words(library, tmp_path / "two.json", "--workers", "2")) == 1
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    moved = library.rename(tmp_path / "moved")
    assert len(search(config_of(moved))) == 9, "what is kept moves with the files"
    # The page is a medium now: its season is looked at again, the other one is not.
    shutil.copy(moved / "Season 2" / "Show S02E01.mka", moved / "Season 2" / "Show S02E09.mka")
    walk = walk_seasons(config_of(moved))
    assert next(walk).number == 0
    with pytest.raises(AssertionError, match="a worker is started"):
        next(walk)


def test_what_a_person_says_counts_at_once(library, tmp_path, monkeypatch):
    config = config_of(library)
    before = {located.name: located for located in search(config)}
    episode = library / "Season 1" / "Show S01E02.mka"
    assert correct([str(episode), "opening", "none"]) == 0

    def start(*words, **named):
        raise AssertionError("a worker is started")

    monkeypatch.setattr("clipping.many.processes.subprocess.Popen", start)
    after = {located.name: located for located in search(config)}
    assert labels(after["Season 1/Show S01E02"]) == ["ending"]
    del before["Season 1/Show S01E02"], after["Season 1/Show S01E02"]
    assert after == before


def test_other_code_believes_nothing_that_was_kept(library, monkeypatch):
    from avtnet.season import kept_season
    from avtnet.season.stages import SeasonOptions, recall_season
    from clipping.files import find_media
    from clipping.kept.cache import Cache

    found = search(config_of(library, workers=0))
    files = {name: path for name, path in find_media([library]).items() if "Season 1" in name}
    options = SeasonOptions(pictures="never")
    recalled = recall_season(files, Cache(), options)
    assert [fact.candidates for fact in recalled] == [
        located.facts.candidates for located in found if "Season 1" in located.name
    ]
    assert recall_season(files, Cache(fresh=True), options) is None
    assert recall_season(files, Cache(), SeasonOptions()) is None, "pictures were not looked at"
    for entry in (library / "Season 1" / ".avtnet" / "seasons").iterdir():
        content = entry.read_text()
        entry.write_text(content.replace("opening", "ending"))
        assert recall_season(files, Cache(), options) is None, "its digest is wrong"
        entry.write_text(content)
    monkeypatch.setattr(kept_season, "code_digest", lambda: "of other code")
    assert recall_season(files, Cache(), options) is None


def test_pruning_takes_the_seasons_whose_files_are_gone(library, tmp_path):
    kept = tmp_path / "kept"
    search(config_of(library, cache=kept, workers=0))
    assert len(list((kept / "seasons").iterdir())) == 2
    shutil.rmtree(library / "Season 2")
    assert cache_main([str(library), "--cache", str(kept), "--prune"]) == 0
    assert len(list((kept / "seasons").iterdir())) == 1


def test_a_file_that_kills_its_workers_costs_itself_and_is_set_aside(
    library, tmp_path, monkeypatch
):
    killer(tmp_path, "_listen", monkeypatch)
    found = {located.name[-6:]: located for located in search(config_of(library, workers=2))}
    for episode in ("S01E02", "S02E02"):
        assert found[episode].timeline.error is None
        assert labels(found[episode]) == []
        (note,) = found[episode].facts.notes
        assert "E02.mka: set aside: the process was ended by SIGKILL" in note
        assert note.endswith("(3 tries)")
    for episode in ("S01E01", "S01E03", "S02E04"):
        assert labels(found[episode]) == ["opening", "ending"]
    again = {located.name[-6:]: located for located in search(config_of(library, workers=2))}
    assert "set aside by an earlier run" in again["S01E02"].facts.notes[0]
    monkeypatch.delenv("PYTHONPATH")
    third = {each.name[-6:]: each for each in search(config_of(library, rescan=True, workers=2))}
    assert labels(third["S01E02"]) == ["opening", "ending"]


def test_a_season_that_kills_its_workers_is_told_by_its_sound(library, tmp_path, monkeypatch):
    killer(tmp_path, "snap_ends", monkeypatch)
    found = search(config_of(library / "Season 1", workers=1))
    assert [labels(located) for located in found] == [["opening", "ending"]] * 4
    assert all("left alone" in note for located in found for note in located.facts.notes)


def test_a_script_without_a_guard_may_locate_and_preprocess(tmp_path):
    make_media(tmp_path / "ep.mkv", duration=2.0, size=(160, 90), rate=4)
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from avtnet import locate\n"
        "from preprocess import FeatureSettings, PreprocessConfig, preprocess\n"
        "quick = FeatureSettings(window=2.0, text_engine='none')\n"
        "print(locate('ep.mkv', network='never').source)\n"
        "for outcome in preprocess(PreprocessConfig(('ep.mkv',), Path('out'), features=quick)):\n"
        "    print(outcome.side, outcome.status)\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split("\n")[0] == "ep.mkv", done.stderr
    assert set(done.stdout.split("\n")[1:3]) == {"start made", "end made"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"address": "auto"}, "goes with --engine ray"),
        ({"engine": "ray", "workers": 0}, "at least one worker"),
        ({"engine": "ray", "address": "auto", "network": "auto"}, "give --features FOLDER"),
    ],
)
def test_what_does_not_go_together(wrong, message):
    with pytest.raises(ConfigError, match=message):
        LocateConfig(("x",), **{"network": "never", **wrong})

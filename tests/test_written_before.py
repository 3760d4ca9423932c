"""Files that were written before the code moved into rooms are read as they were then.

tests/written_before/README.md says what each file is and which command wrote it. Checkpoints and
runs are in tests/avtnet/test_runs_before.py.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from avtnet.__main__ import main
from clipping.formats import catalog
from clipping.formats.tables import read_timelines
from clipping.kept.cache import Cache
from clipping.kept.corrections import corrections_of, undo
from clipping.kept.themes import read_library
from clipping.windows import read_labels
from preprocess.episode import open_episode
from preprocess.features import load as load_features
from preprocess.shards import read_index, read_shard

BEFORE = Path(__file__).with_name("written_before")
THEN = json.loads((BEFORE / "expected.json").read_text(encoding="utf-8"))


def of_array(array):
    """An array as expected.json has it."""
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "sum": float(array.astype(np.float64).sum()),
        "sha256": hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest(),
    }


def plain(value):
    """Values as JSON keeps them."""
    return json.loads(json.dumps(value))


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy that may be changed, with the media's times of change, and no user's folders."""
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    folder = tmp_path / "before"
    shutil.copytree(BEFORE, folder)
    for media in folder.rglob("*.mkv"):
        os.utime(media, ns=(THEN["media_mtime_ns"],) * 2)
    return folder


def test_a_cache_is_read_and_the_segments_are_the_same(copy, capsys):
    entries = {path: path.stat().st_size for path in (copy / "season" / ".avtnet").rglob("*.*")}
    found = copy / "again.json"
    words = ["--pictures", "always", "--network", "never", "--workers", "0", "--json", str(found)]
    assert main(["locate", str(copy / "season"), *words]) == 0
    for timeline in read_timelines(found):
        then = THEN["segments"][Path(timeline.source).name]
        now = [[s.label, s.start, s.end, s.score] for s in timeline.segments]
        assert [each[0] for each in now] == [each[0] for each in then]
        np.testing.assert_allclose(
            [each[1:] for each in now], [each[1:] for each in then], atol=1e-3
        )
    prints = [path for path in entries if path.suffix == ".prints"]
    assert len(prints) == 6
    assert sorted(prints) == sorted((copy / "season" / ".avtnet" / "prints").iterdir())


@pytest.mark.parametrize("name", ["found.json", "found.csv"])
def test_tables_of_segments(name):
    got = {
        timeline.source: [
            [s.label, s.start, s.end, s.score, list(s.evidence)] for s in timeline.segments
        ]
        for timeline in read_timelines(BEFORE / "written" / name)
    }
    assert got == THEN["written"][name]


@pytest.mark.parametrize("name", THEN["beside_media"])
def test_files_next_to_media(name):
    assert repr(catalog.read(BEFORE / "season" / name)) == THEN["beside_media"][name]


def test_corrections_and_undoing_one(copy):
    film, cache = copy / "corrections" / "film.mkv", Cache()
    got = [dataclasses.asdict(each) for each in corrections_of(film, cache)]
    assert got == THEN["corrections"]
    assert undo(film, cache, "opening")
    [opening] = [each for each in corrections_of(film, cache) if each.label == "opening"]
    assert [opening.start, opening.end] == THEN["opening_before"]


def test_themes_and_finding_them(copy, tmp_path):
    library, problems = read_library(copy / "themes")
    assert problems == []
    for theme, then in zip(library, THEN["themes"]["library"], strict=True):
        now = {
            "name": theme.name,
            "role": theme.role,
            "duration": theme.duration,
            "sound": None if theme.sound is None else of_array(theme.sound),
            "looks": None if theme.looks is None else of_array(theme.looks),
            "source": dict(theme.source),
        }
        assert now == then
    episode, out = copy / "season" / "Tiny S01E02.mkv", tmp_path / "found.json"
    words = ["--json", str(out), "--library", str(copy / "themes")]
    assert main(["themes", "find", str(episode), *words]) == 0
    [found], [then] = json.loads(out.read_text()), THEN["themes"]["found_in_E02"]
    assert (found["theme"], found["role"]) == (then["theme"], then["role"])
    for name in ("start", "end", "score"):
        assert found[name] == pytest.approx(then[name], abs=1e-2)


@pytest.mark.parametrize("name", ["film_start.safetensors", "film_end.safetensors"])
def test_features_of_a_window(name):
    features, then = load_features(BEFORE / "features" / name), dict(THEN["features"][name])
    for kind in ("mfcc", "frames", "text"):
        assert of_array(getattr(features, kind)) == then.pop(kind)
    assert plain(features.settings.decisive()) == then.pop("settings")
    assert plain(dataclasses.asdict(features.source)) == then.pop("source")
    assert {field: plain(getattr(features, field)) for field in then} == then


def test_features_of_an_episode():
    episode, then = open_episode(BEFORE / "features" / "film.episode"), THEN["features"]
    then = then["film.episode"]
    assert (episode.name, episode.duration) == (then["name"], then["duration"])
    for window, told in zip(episode.windows(), then["windows"], strict=True):
        assert {kind: of_array(getattr(window, kind)) for kind in told} == told


def test_labels_and_shards():
    labels = {
        str(window): seconds for window, seconds in read_labels(BEFORE / "labels.txt").items()
    }
    assert labels == THEN["labels"]
    index = read_index(BEFORE / "shards")
    assert [dataclasses.asdict(each) for each in index] == THEN["shards"]["index"]
    packed = [window for each in index for window in read_shard(BEFORE / "shards" / each.name)]
    got = [
        {
            "name": window.name,
            "seconds": window.seconds,
            "sha256": hashlib.sha256(window.features).hexdigest(),
        }
        for window in packed
    ]
    assert got == THEN["shards"]["windows"]


def test_nothing_here_is_large():
    sizes = [path.stat().st_size for path in BEFORE.rglob("*") if path.is_file()]
    assert max(sizes) < 100_000
    assert sum(sizes) < 600_000

"""A plain install: every package of an extra is hidden, and nothing is missed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from making.media import make_media

from clipping.extra import EXTRAS

ROOT = Path(__file__).parents[1]


def plain(*words, cwd, code=0):
    """Run a command of ours as if no extra were installed; what it prints."""
    script = (
        "import runpy, sys\n"
        f"hidden = {sorted(EXTRAS)!r}\n"
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *rest: (\n"
        "    None if name.partition('.')[0] in hidden else find(name, *rest))\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.argv = {list(map(str, words))!r}\n"
        f"runpy.run_module({words[0]!r}, run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return make_media(tmp_path_factory.mktemp("film") / "a b.mkv", duration=4.0, size=(160, 90))


def test_locate_asks_the_network_and_draws(film, tmp_path):
    words = ["--network", "always", "--workers", "0", "--min-confidence", "0"]
    outputs = ["--json", "found.json", "--plot", "plots", "--clips", "clips", "--write", "edl"]
    places = ["--write-to", "players", "--cache", "cache", "--themes", "themes"]
    plain("avtnet", "locate", film, *words, *outputs, *places, cwd=tmp_path)
    (told,) = json.loads((tmp_path / "found.json").read_text())
    assert told.get("error") is None
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["a b.png"]
    assert (tmp_path / "plots" / "a b.png").read_bytes()[:4] == b"\x89PNG"


def test_media_are_probed_cut_and_compared(film, tmp_path):
    assert "a b.mkv" in plain("clipping", "probe", film, cwd=tmp_path)
    plain("clipping", "cut", film, "--start", "1", "--end", "3", "-o", "clips", cwd=tmp_path)
    assert len(list((tmp_path / "clips").iterdir())) == 1
    plain("clipping", "chapters", film, cwd=tmp_path)
    plain("preprocess", film, "-o", "features", "--workers", "0", cwd=tmp_path)
    assert len(list((tmp_path / "features").glob("*.safetensors"))) == 2


def test_submissions_are_fused_and_segments_judged(film, tmp_path):
    for name, seconds in (("a", 60.0), ("b", 61.0), ("c", 90.0)):
        (tmp_path / f"{name}.csv").write_text(f"ep_start.mp4,s,{seconds}\n")
    plain("ensemble.fuse", "a.csv", "b.csv", "c.csv", "-o", "fused.csv", cwd=tmp_path)
    assert (tmp_path / "fused.csv").read_text() == "ep_start.mp4,s,60.500\n"
    row = {"file": "a.mkv", "duration": 100.0, "error": None}
    segment = {"label": "opening", "start": 10.0, "end": 50.0, "confidence": 0.9, "evidence": []}
    (tmp_path / "s.json").write_text(json.dumps([{**row, "segments": [segment]}]))
    words = ["--segments", "s.json", "--labels", "s.json", "-o", "report"]
    plain("avtnet", "evaluate", *words, cwd=tmp_path)
    assert (tmp_path / "report" / "report.html").is_file()


def test_what_needs_an_extra_says_so(film, tmp_path):
    words = ["--weights", ROOT / "weights" / "demo.safetensors"]
    said = plain("avtnet", "locate", film, *words, cwd=tmp_path, code=1)
    assert said.strip().endswith("torch is not installed: pip install 'avtnet[train]'")
    said = plain("clipping", "preview", film, "--start", "0", "--end", "2", cwd=tmp_path, code=1)
    assert said.strip().endswith("imageio is not installed: pip install 'avtnet[video]'")
    said = plain("avtnet", "locate", film, "--weights", "none.safetensors", cwd=tmp_path, code=1)
    assert said.strip().endswith("none.safetensors: there is no such file")


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("avtnet", "recipe", "-o", "out/recipe"), "train"),
        (("avtnet", "locate", "FILM", "--write", "edl,otio", "--write-to", "out"), "otio"),
        (("preprocess", "FILM", "-o", "out", "--features.mfcc-engine", "librosa"), "librosa"),
    ],
    ids=lambda each: each if isinstance(each, str) else each[0],
)
def test_what_long_work_needs_is_said_before_it(film, tmp_path, words, extra):
    words = [str(film) if word == "FILM" else word for word in words]
    assert f"pip install 'avtnet[{extra}]'" in plain(*words, cwd=tmp_path, code=1)
    made = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert made <= {"report.json"}, "only that preprocess stopped is told"


def test_tasks_and_networks_are_listed_and_training_says_what_it_needs(tmp_path):
    listed = plain("clipping", "train", "--help", cwd=tmp_path)
    assert "avtnet_yolt     you only look twice" in listed
    assert "left out" not in listed
    said = plain("clipping", "train", "--task", "avtnet", cwd=tmp_path, code=1)
    assert said.strip().endswith("torch is not installed: pip install 'avtnet[train]'")


@pytest.mark.parametrize(
    "words",
    [
        ("-c", "import avtnet, clipping, ensemble, preprocess"),
        ("-m", "avtnet", "--help"),
        ("-m", "avtnet", "locate", "--help"),
    ],
    ids=" ".join,
)
def test_help_needs_no_package_at_all(words):
    """Without site-packages (-S): what loads nothing starts quickly (benchmarks/install.py)."""
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-S", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_benchmark_of_an_installation_counts_its_packages(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import install

    found = install.sizes(Path(sys.executable))
    assert found["numpy"] > 10  # MB
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert install.site_packages(Path(sys.executable)) >= found["numpy"]

"""A format, a network and a task from outside this repository, made of the code on the pages.

docs/add-a-format.md, docs/add-a-network.md and docs/add-a-task.md hold the code; here it is written
into a package (with the metadata that pip writes) or into single files, and used.
"""

import json
import os
import re
import subprocess
import sys
import wave
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from making.windows import make_data

from clipping.formats.tables import read_timelines
from clipping.segments import Segment

ROOT = Path(__file__).parents[1]
PAGES = ("add-a-format.md", "add-a-network.md", "add-a-task.md")
NANO = "--max-epoch 1 --warmup-epoch 0 --batch-size 8 --pretrained none --model.channels 4".split()


def code():
    """Return the Python files that stand on the pages, by name."""
    text = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in PAGES)
    files = dict(
        re.findall(r"`(\w+\.py)`:\n\n```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    )
    assert sorted(files) == [
        *("audacity_labels.py", "ears.py", "ears_rows.py", "loud.py", "loud_rows.py")
    ]
    return files


def write_files(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def installed(folder, files, points, name="toys"):
    """Write a package as pip leaves it in site-packages; ``points`` are its entry points."""
    write_files(folder, files)
    rows = "".join(f"{row}\n" for row in points)
    write_files(
        folder / f"{name}-1.0.dist-info",
        {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            "entry_points.txt": f"[clipping.plugins]\n{rows}",
        },
    )
    return folder


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A package with the three: rows and modules, as the pages show them."""
    rows = [f"{name} = {name}" for name in ("audacity_labels", "ears_rows", "loud_rows")]
    return installed(tmp_path_factory.mktemp("site"), code(), rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


def python(*words, site=None, cwd, fails=False):
    """Return what ``python WORDS`` prints, with a folder of installed packages on its path."""
    path = os.pathsep.join(map(str, filter(None, (ROOT, site))))
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "80"},
        capture_output=True,
        text=True,
    )
    assert bool(done.returncode) == fails, f"{words}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def loud_media(folder):
    """Write a file that is loud from 2 to 5 of 8 seconds, and its label."""
    rate = 8000
    level = np.repeat([0.02, 0.02, 0.6, 0.6, 0.6, 0.02, 0.02, 0.02], rate)
    sound = level * np.sin(np.arange(level.size) * 0.3) * 32767
    path = folder / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(sound.astype("<i2").tobytes())
    timeline = {
        "file": str(path),
        "duration": 8.0,
        "segments": [{"label": "loud", "start": 2.0, "end": 5.0}],
    }
    (folder / "labels.json").write_text(json.dumps([timeline]))
    return path


def test_avtnet_brings_its_rows_by_the_door_for_all():
    values = {point.value for point in entry_points(group="clipping.plugins")}
    assert "avtnet.plugin" in values, "install this package again: pip install -e '.[dev]'"
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "clipping").rglob("*.py")]
    assert not [text for text in sources if re.search(r"import_module\([^)]*avtnet", text)]


def test_a_task_and_a_format_of_a_package(toys, tmp_path):
    loud_media(tmp_path)
    word = ("-m", "clipping")
    listed = python(*word, "train", "--help", site=toys, cwd=tmp_path)
    assert "  loud              where a file is loud" in listed
    assert "    avtnet_yolt     you only look twice" in listed
    assert "    ears            one convolution over the sound" in listed
    assert "--labels LABELS" in python(
        *word, "train", "--task", "loud", "--help", site=toys, cwd=tmp_path
    )
    python(*word, "train", "--task", "loud", site=toys, cwd=tmp_path)
    figures = python(
        *(*word, "evaluate", "--task=loud", "--checkpoint=loud.json"), site=toys, cwd=tmp_path
    )
    assert figures == "right seconds  1\n"
    words = (*word, "predict", "a.wav", "--task", "loud", "--checkpoint", "loud.json")
    said = python(*words, "--write", "audacity", "-o", "found.json", site=toys, cwd=tmp_path)
    assert said == "a.wav: loud 0:00:02.000-0:00:05.000\n"
    assert (tmp_path / "a.labels.txt").read_text() == "2.000000\t5.000000\tloud\n"
    assert [each.segments for each in read_timelines(tmp_path / "found.json")] == [
        (Segment(2.0, 5.0, "loud"),)
    ]
    said = python(*words, "gone.wav", site=toys, cwd=tmp_path, fails=True)
    assert "0:00:05.000" in said  # a bad file does not stop the others
    assert "failed: gone.wav: " in said
    assert "audacity (docs/formats.md)" in " ".join(
        python("-m", "avtnet", "locate", "--help", site=toys, cwd=tmp_path).split()
    )


def test_a_network_of_a_package_trains_and_answers(toys, data, tmp_path):
    task = ("--task", "avtnet")
    listed = python(
        *("-m", "clipping", "train", *task, "--model", "ears", "--help"), site=toys, cwd=tmp_path
    )
    assert "--model.channels CHANNELS" in listed
    assert "Width of the convolution." in listed
    python(
        *("-m", "clipping", "train", *task, "--model", "ears", *NANO),
        *("--data-root", data, "--save-prefix", "run"),
        site=toys,
        cwd=tmp_path,
    )
    assert "channels: 4\n" in (tmp_path / "run" / "config.yaml").read_text()
    checkpoint = tmp_path / "run" / "best.safetensors"
    words = ("evaluate", *task, "--checkpoint", checkpoint, "--data-root", data)
    assert "score " in python("-m", "clipping", *words, site=toys, cwd=tmp_path)
    words = ("predict", data / "features", "--weights", checkpoint)
    assert "14 windows" in python("-m", "avtnet", *words, site=toys, cwd=tmp_path)
    [window, *_] = sorted((data / "features").glob("*_end.safetensors"))
    words = ("predict", *task, "--checkpoint", checkpoint, window, "-o", "found.json")
    python("-m", "clipping", *words, site=toys, cwd=tmp_path)
    [timeline] = read_timelines(tmp_path / "found.json")
    assert timeline.source == str(window)
    # Without the package its checkpoint cannot be rebuilt, and the message says why.
    words = ("predict", data / "features", "--weights", checkpoint)
    said = python("-m", "avtnet", *words, cwd=tmp_path, fails=True)
    assert "there is no network 'ears' of the task avtnet" in said
    assert "plugin that brings it may be missing" in said


def test_single_files_are_plugins_for_two_processes_too(data, tmp_path):
    folder = write_files(tmp_path / "mine", code())
    (tmp_path / "settings.yaml").write_text("model: {kind: ears, channels: 3}\n")
    python(
        *("-m", "avtnet", "train", "--plugin", folder / "ears_rows.py", *NANO[:-2]),
        *("--config", "settings.yaml", "--data-root", data, "--save-prefix", "run"),
        *("--processes", "2"),
        cwd=tmp_path,
    )
    assert "channels: 3\n" in (tmp_path / "run" / "config.yaml").read_text()
    assert (tmp_path / "run" / "best.safetensors").is_file()


def test_a_format_in_a_single_file_is_written_and_read(tmp_path):
    plugin = write_files(tmp_path / "mine", code()) / "audacity_labels.py"
    (tmp_path / "ep.mkv").write_bytes(b"")
    script = (
        "import sys; from pathlib import Path\n"
        "from clipping import Segment, Timeline\n"
        "from clipping.formats import catalog\n"
        "from clipping.plugins import take_option\n"
        f"assert take_option(['a', '--plugin={plugin}', 'b']) == ['a', 'b']\n"
        "timeline = Timeline('ep.mkv', 60.0, (Segment(1.5, 2.5, 'opening'),))\n"
        "[path] = catalog.write_beside(timeline, ['audacity'])\n"
        "assert path.name == 'ep.labels.txt' and catalog.format_of_file(path) == 'audacity'\n"
        "assert catalog.read(path).segments == timeline.segments\n"
        "Path('bad.labels.txt').write_text('1.0\\tx\\ty\\n')\n"
        "try:\n    catalog.read('bad.labels.txt')\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    said = python("-c", script, cwd=tmp_path)
    assert said.startswith("TableError bad.labels.txt:1: ")


CLOCK_FINDER = """
from dataclasses import dataclass

from avtnet.dense.window_answer import WindowAnswer
from avtnet.evidence import NETWORKS, Candidate
from clipping.plugins import Row
from preprocess.settings import FeatureSettings

FINDERS = {"clock-1": Row(f"{__name__}:ClockFinder", "says the same time of each file")}


@dataclass
class ClockFinder:
    paths: tuple

    features = FeatureSettings()

    @classmethod
    def load(cls, paths, device=None):
        return cls(tuple(paths))

    @staticmethod
    def check_file(path):
        pass

    def check(self, window):
        pass

    def views(self, windows):
        return []

    def candidates(self, windows, episode, views, trust):
        return [Candidate(NETWORKS, "opening", 10.0, 40.0, 1.0, 0.9 * trust, ("by the clock",))]

    def answers(self, windows, *, batch_size=8):
        return [WindowAnswer(40.0) for _ in windows]
"""


def test_a_network_of_another_kind_is_asked_by_locate_and_predict(data, tmp_path):
    """Its checkpoints have a format of their own, which a finder of the plugin reads."""
    write_files(tmp_path, {"clock.py": CLOCK_FINDER})
    script = (
        "from pathlib import Path\nimport torch\n"
        "from clipping.learning.checkpoints import write_weights\n"
        "write_weights(Path('clock.safetensors'), torch.nn.Linear(1, 1), {'format': 'clock-1'})\n"
    )
    python("-c", script, cwd=tmp_path)
    window = data / "features" / "ep00_start.safetensors"
    words = (window, "--weights", "clock.safetensors", "--plugin", "clock.py")
    python("-m", "avtnet", "locate", *words, "--json", "found.json", cwd=tmp_path)
    [timeline] = read_timelines(tmp_path / "found.json")
    [opening] = timeline.segments
    assert (opening.start, opening.end, opening.evidence) == (10.0, 40.0, ("by the clock",))
    python("-m", "avtnet", "predict", *words, "-o", "rows.csv", cwd=tmp_path)
    assert (tmp_path / "rows.csv").read_text() == "ep00_start.mp4,s,40.000\n"
    words = ("locate", window, "--weights", "clock.safetensors")
    said = python("-m", "avtnet", *words, cwd=tmp_path, fails=True)
    assert "clock.safetensors: there is no format of checkpoints 'clock-1'" in said
    assert "avtnet-dense-1" in said


BROKEN = {
    "raises": "1 / 0\n",
    "typo": "import no_such_module_anywhere\n",
    "syntax": "def f(:\n",
    "wrong_rows": "FORMATS = ['audacity']\n",
    "wrong_row": "from clipping.plugins import Row\nFORMATS = {'a': Row('m', 's')}\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_named_in_one_line(tmp_path, name):
    site = installed(tmp_path / "site", {f"{name}.py": BROKEN[name]}, [f"mine = {name}"])
    words = ("-m", "avtnet", "locate", "--write", "odd", "x.mkv")
    said = python(*words, site=site, cwd=tmp_path, fails=True)
    assert f"plugin mine ({name} of the package toys)" in said.splitlines()[-1]
    assert "did you mean" in said or "there is no format 'odd'" in said
    # Who does not ask for its rows is not stopped.
    told = python("-m", "avtnet", "locate", "--help", site=site, cwd=tmp_path)
    assert "json, csv, edl" in told
    said = python(
        *("-m", "avtnet", "locate", "--write", "edl,odd", "--plugin", f"site/{name}.py", "x.mkv"),
        cwd=tmp_path,
        fails=True,
    )
    assert f"site/{name}.py" in said.splitlines()[-1]


def test_a_row_that_fails_is_named_with_its_plugin(tmp_path):
    rows = "from clipping.plugins import Row\nTASKS = {'t': Row('t', 's'), 'u': Row('json', 's')}\n"
    (tmp_path / "rows.py").write_text(rows)
    (tmp_path / "t.py").write_text("raise OSError('no disk')\n")
    words = ("-m", "clipping", "train", "--plugin", "rows.py", "--task")
    said = python(*words, "t", cwd=tmp_path, fails=True)
    assert f"the task 't' (--plugin {tmp_path}/rows.py) cannot be loaded: OSError: no disk" in said
    said = python(*words, "u", cwd=tmp_path, fails=True)
    assert "lacks a dataclass Config, train, evaluate, predict: see docs/add-a-task.md" in said
    said = python(*words, "tt", cwd=tmp_path, fails=True)
    assert "there is no task 'tt'; did you mean t?" in said
    said = python("-m", "clipping", "evaluate", cwd=tmp_path, fails=True)
    assert "name the task: --task NAME" in said


def test_a_name_that_is_taken_is_refused_and_both_are_named(tmp_path):
    row = "from clipping.formats.catalog import Format\nFORMATS = {{{}}}\n"
    files = {
        f"{name}.py": row.format(f"'{form}': Format('.{name}', '{name}', 'segments')")
        for name, form in (("one", "same"), ("two", "same"), ("three", "edl"))
    }
    site = installed(tmp_path / "site", files, ["one = one", "two = two"])
    words = ("-m", "avtnet", "locate", "x.mkv", "--write")
    said = python(*words, "same", site=site, cwd=tmp_path, fails=True).splitlines()[-1]
    assert "plugin one (one of the package toys) brings one" in said
    assert "plugin two (two of the package toys) brings a format 'same'" in said
    words = (*words, "edl", "--plugin", "site/three.py")
    said = python(*words, cwd=tmp_path, fails=True).splitlines()[-1]
    assert "site/three.py brings a format 'edl', but there is one without a plugin" in said


def test_no_file_of_settings_names_a_plugin(tmp_path):
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\n")
    (tmp_path / "settings.yaml").write_text("plugin: evil.py\n")
    words = ("-m", "avtnet", "locate", "x.mkv", "--config", "settings.yaml")
    assert "plugin" in python(*words, cwd=tmp_path, fails=True)
    assert not (tmp_path / "ran").exists()
    for wrong, reason in (
        ("gone.py", "name a Python file (.py) that is there"),
        ("settings.yaml", "name a Python file (.py) that is there"),
        ("a-b.py", "is no name of a Python module"),
        ("wave.py", "another module is called wave"),
    ):
        if wrong != "gone.py":
            write_files(tmp_path / "mine", {wrong: ""})
        words = ("-m", "avtnet", "locate", "--plugin", f"mine/{wrong}")
        said = python(*words, cwd=tmp_path, fails=True)
        assert f"{wrong}: " in said
        assert reason in said

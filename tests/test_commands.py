"""The commands of ``avtnet`` and ``python -m clipping``: all are listed, and that costs nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from avtnet.__main__ import GROUPS as AVTNET
from avtnet.import_weights import KINDS
from clipping.__main__ import GROUPS as CLIPPING

ROOT = Path(__file__).parents[1]
HEAVY = "torch numpy av scipy PIL matplotlib onnxruntime safetensors rich yaml".split()
UNLISTED = {"preprocess.text.network", "avtnet.composed_train"}
"""The former makes a file of this repository; the latter is ``avtnet train --composed``."""


def python(*words):
    """Return what ``python WORDS`` prints."""
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def loaded(words):
    """Return the packages that ``python -m WORDS --help`` has loaded when it ends, with code 0."""
    script = (
        "import runpy, sys\n"
        "try:\n    runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
        "except SystemExit as end:\n    code = end.code\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
        "sys.exit(code)\n"
    )
    module, *rest = words.split()
    said = python("-c", f"import sys\nsys.argv = {[module, *rest, '--help']!r}\n{script}")
    assert "usage: " in said
    return set(said.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words",
    [f"avtnet {name}" for group in AVTNET.values() for name in group]
    + [f"clipping {name}" for group in CLIPPING.values() for name in group]
    + [f"clipping train --task {name}" for name in ("avtnet", "avtnet-dense", "avtnet-tune")]
    + ["avtnet train --init shipped"],
)
def test_the_help_of_a_command_loads_no_torch(words):
    assert not loaded(words) & {"torch", "onnxruntime", "scipy", "matplotlib"}


@pytest.mark.parametrize(
    "words",
    [f"avtnet {name}" for name in "train tune dense-train predict export compose".split()]
    + [f"avtnet.{name}" for name in "train tune dense_train predict export compose".split()]
    + ["avtnet locate", "avtnet synthesize", "avtnet shards", "avtnet weights"],
)
def test_the_help_of_what_runs_a_network_loads_nothing_heavy(words):
    assert not loaded(words) & set(HEAVY)


@pytest.mark.parametrize("words", ["avtnet --help", "clipping --help", "clipping predict --help"])
def test_help_imports_nothing_heavy_and_fits_a_terminal(words):
    package, *rest = words.split()
    script = (
        "import sys\n"
        f"from {package}.__main__ import main\n"
        "try:\n    code = main(sys.argv[1:])\n"
        "except SystemExit as end:\n    code = end.code\n"
        f"print(code, sorted(set({HEAVY}) & set(sys.modules)))\n"
    )
    lines = python("-c", script, *rest).splitlines()
    assert lines[-1] == "0 []"
    assert max(map(len, lines)) <= 80
    if len(rest) == 1:
        groups = {"avtnet": AVTNET, "clipping": CLIPPING}[package]
        named = [line.split()[0] for line in lines if re.match(r"  \w", line)]
        assert named == [name for group in groups.values() for name in group]


def test_each_module_with_a_main_is_a_command_that_is_listed():
    listed = {
        module
        for groups in (AVTNET, CLIPPING, {"kinds": KINDS})
        for group in groups.values()
        for module, _ in group.values()
    }
    with_main = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in ("avtnet", "clipping", "ensemble", "preprocess")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__main__.py"
        and re.search(r"^def main\(argv", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert with_main - UNLISTED == listed


def test_dense_train_is_understood_as_before():
    old, new = (python("-m", "avtnet", name, "--help") for name in ("dense_train", "dense-train"))
    assert old == new
    assert "usage: python -m avtnet.dense_train" in old
    assert "dense_train" not in python("-m", "avtnet", "--help")


@pytest.mark.parametrize("words", [("clipping", "train"), ("avtnet", "preprocess")], ids=" ".join)
def test_a_reader_that_ends_early_gets_no_traceback(words):
    """As in ``avtnet preprocess --help | head``."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", *words, "--help"]
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(command, cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, text=True)
    assert done.stderr == ""
    assert done.returncode == 1

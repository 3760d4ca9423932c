"""The wheel: what is inside, and that it works away from the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from making.media import make_media

ROOT = Path(__file__).parents[1]
PACKAGES = ("avtnet", "clipping", "ensemble", "preprocess")


def run(*words, cwd, **environment):
    """Return the output of a command, which must succeed."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built of a copy, so that nothing is left in the checkout."""
    copy = tmp_path_factory.mktemp("source")
    for name in (*PACKAGES, "tests", "configs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", out, cwd=copy)
    [path] = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel alone in a folder; what it needs comes from this environment."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    run(*pip, "--disable-pip-version-check", "--target", folder, wheel, cwd=folder)
    return folder


def test_the_wheel_holds_the_packages_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name for name in names if not name.split("/")[0].endswith(".dist-info")}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert inside == wanted
    assert {f"{package}/py.typed" for package in PACKAGES} <= inside


def test_the_wheel_says_what_it_is(wheel):
    files = zipfile.ZipFile(wheel)
    [info] = {name.split("/")[0] for name in files.namelist() if ".dist-info/" in name}
    metadata = Parser().parsestr(files.read(f"{info}/METADATA").decode())
    assert metadata["Name"] == "avtnet"
    assert metadata["License-Expression"] == "Apache-2.0" or metadata["License"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_payload().startswith("# avtnet")
    points = files.read(f"{info}/entry_points.txt").decode()
    assert "avtnet = avtnet.__main__:main" in points
    assert "[clipping.plugins]\navtnet = avtnet.plugin\n" in points
    assert any(name.endswith("LICENSE") for name in files.namelist())


def test_it_works_away_from_the_checkout(installed, tmp_path):
    def python(*words):
        return run(sys.executable, *words, cwd=tmp_path, PYTHONPATH=str(installed))

    for package in PACKAGES:
        place = python("-c", f"import {package}; print({package}.__file__)")
        assert Path(place.strip()) == installed / package / "__init__.py"
    assert "usage: python -m clipping" in python("-m", "clipping", "--help")
    assert "avtnet_yolt" in python("-m", "clipping", "train", "--help")
    assert "usage: python -m ensemble.fuse" in python("-m", "ensemble.fuse", "--help")
    assert "locate" in python(installed / "bin" / "avtnet", "--help")

    for name, seconds in (("a", 60.0), ("b", 61.0), ("c", 90.0)):
        (tmp_path / f"{name}.csv").write_text(f"ep_start.mp4,s,{seconds}\n")
    python("-m", "ensemble.fuse", "a.csv", "b.csv", "c.csv", "-o", "fused.csv")
    assert (tmp_path / "fused.csv").read_text() == "ep_start.mp4,s,60.500\n"


@pytest.mark.slow
def test_it_works_in_an_empty_environment_without_ffmpeg(wheel, tmp_path):
    """Downloads all that the wheel asks for: some 200 MB."""
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    scripts = tmp_path / "venv" / "bin"
    run(scripts / "python", "-m", "pip", "install", "-q", wheel, cwd=tmp_path)
    video = make_media(tmp_path / "a b.mp4", duration=3)
    bare = {"PATH": str(scripts), "PYTHONPATH": ""}
    assert "a b.mp4" in run(scripts / "avtnet", "probe", video, cwd=tmp_path, **bare)
    words = ("--start", "1", "--end", "2", "-o", "clips")
    run(scripts / "avtnet", "cut", video, *words, cwd=tmp_path, **bare)
    assert list((tmp_path / "clips").iterdir())
    run(scripts / "avtnet", "preprocess", video, "-o", "features", cwd=tmp_path, **bare)
    assert len(list((tmp_path / "features").glob("*.safetensors"))) == 2

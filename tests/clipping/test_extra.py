"""Each package of an extra, where it is missing, is one line that says what to type."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clipping import extra
from clipping.errors import ClippingError
from clipping.extra import EXTRAS, ExtraMissing, extra_imports, extra_module, has_extra

ROOT = Path(__file__).parents[2]
PACKAGES = ("avtnet", "clipping", "ensemble", "preprocess")
OF = {"cv2": "opencv-python", "sklearn": "scikit-learn"}  # package → the name it is installed by


def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def required(text):
    """The names of the packages in a list of requirements."""
    names = re.findall(r"^\s*([A-Za-z][\w-]*)", text, re.MULTILINE)
    return {name.lower().replace("_", "-") for name in names}


@pytest.fixture
def missing(monkeypatch):
    """Makes packages as if they were not installed."""

    def hide(*packages):
        for name in [*sys.modules]:
            if name.partition(".")[0] in packages:
                monkeypatch.delitem(sys.modules, name)
        for package in packages:
            monkeypatch.setitem(sys.modules, package, None)

    return hide


@pytest.mark.parametrize("package", EXTRAS)
def test_the_line_installs_the_package(package, missing):
    missing(package)
    line = rf"^{package} is not installed: pip install 'avtnet\[{EXTRAS[package]}\]'$"
    with pytest.raises(ExtraMissing, match=line):
        extra_module(package)
    assert not has_extra(package)
    extras = setup()["options.extras_require"]
    name = OF.get(package, package).lower().replace("_", "-")
    # proglog is moviepy's.
    assert name in required(extras[EXTRAS[package]]) or package == "proglog"


def test_every_extra_is_brought_by_all():
    extras = setup()["options.extras_require"]
    everything = re.search(r"avtnet\[(.*)\]", extras["all"])[1].split(",")
    assert {*everything} == {*extras} - {"all", "dev", "test"} >= {*EXTRAS.values()}


def test_a_plain_install_has_no_package_of_an_extra():
    plain = required(setup()["options"]["install_requires"])
    assert plain & {OF.get(each, each).replace("_", "-") for each in EXTRAS} == set()
    assert "numpy" in plain


def test_other_missing_modules_and_mistakes_stay_what_they_are(missing):
    with pytest.raises(ModuleNotFoundError, match="nothing_such"), extra_imports():
        import nothing_such  # noqa: F401
    with pytest.raises(ModuleNotFoundError, match="no_such_part"):  # there, without this part
        extra_module("numpy.no_such_part")


def sources():
    """The Python files of the packages."""
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_the_line_is_written_once():
    """All that an extra brings is missed through :mod:`clipping.extra`."""
    line = re.compile(r"pip install .?'?avtnet\[")
    said = [path.relative_to(ROOT) for path in sources() if line.search(path.read_text())]
    help_texts = {Path("preprocess/settings.py")}  # which says what brings OpenVINO
    assert set(said) - help_texts == {Path("clipping/extra.py")}


def without(packages, *words):
    """A command where packages are not there: its exit code and what it says."""
    code = (
        "import sys, runpy\n"
        f"for name in {list(packages)!r}: sys.modules[name] = None\n"
        f"sys.argv = {[words[0], *words[1:]]!r}\n"
        f"runpy.run_module({words[0]!r}, run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(
    "words",
    [
        ("avtnet", "train"),
        ("avtnet", "tune", "season"),
        ("avtnet", "dense-train"),
        ("avtnet", "predict", "features", "--weights", "x.safetensors"),
        ("avtnet", "export"),
        ("avtnet", "compose", "--library", "x", "--output", "y"),
        ("avtnet.train",),
        ("avtnet.export", "-o", "x.onnx"),
        ("avtnet", "locate", "x.mkv", "--weights", "weights/demo.safetensors"),
        ("avtnet.locate", "x.mkv", "--device", "cuda"),
        ("avtnet", "evaluate", "--data-root", "nowhere", "--weights", "x.safetensors"),
    ],
    ids=" ".join,
)
def test_commands_that_need_torch_say_so_in_one_line(words):
    code, said = without(["torch"], *words)
    assert code == 1
    assert re.fullmatch(r"[\w. -]+: torch is not installed: pip install 'avtnet\[train\]'", said)


def test_public_names_that_need_torch_say_so():
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "import avtnet\n"
        "try: avtnet.AVTNet\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == extra.remedy("torch")


def test_functions_that_need_an_extra_say_so(missing, tmp_path):
    from clipping.formats import catalog
    from clipping.segments import Segment, Timeline
    from clipping.storage import StorageError  # noqa: F401 - loaded before fsspec is hidden
    from ensemble.fusion import fuse_positions
    from preprocess.audio import mfcc
    from preprocess.settings import FeatureSettings
    from preprocess.text.recognition import reader

    missing(*EXTRAS)
    settings = FeatureSettings(window=2.0, mfcc_engine="librosa")
    tried = {
        "librosa": lambda: mfcc(np.zeros(44100, np.float32), settings),
        "easyocr": lambda: reader("easyocr"),
        "rapidocr": lambda: reader("ppocr"),
        "sklearn": lambda: fuse_positions({"a": 1.0, "b": 2.0}, "sklearn"),
        "opentimelineio": lambda: catalog.text_of(
            Timeline("a.mkv", 100.0, (Segment(1.0, 2.0, "opening"),)), "otio"
        ),
    }
    for package, call in tried.items():
        with pytest.raises(ClippingError, match=re.escape(extra.remedy(package))):
            call()

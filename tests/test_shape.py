"""The architecture as docs/design.md draws it: import arrows, public names, light imports."""

import ast
import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clipping.errors import ClippingError

ROOT = Path(__file__).parents[1]

# package → what it may import of ours beside itself
ARROWS = {
    "clipping": set(),
    "preprocess": {"clipping"},
    "ensemble": {"clipping"},
    "avtnet": {"clipping", "preprocess", "ensemble"},
}
HEAVY = (
    "torch cv2 easyocr rapidocr onnxruntime matplotlib moviepy sklearn librosa av scipy PIL numpy "
    "imageio opentimelineio rich jsonargparse lightning_fabric safetensors zstandard".split()
)
MOST_LINES = 420
SAYS_NOTHING = {"utils", "util", "helpers", "base", "manager", "common", "misc", "core", "lib"}


def sources(root=ROOT):
    """The Python files of the packages below ``root``."""
    return [path for package in ARROWS for path in sorted((root / package).rglob("*.py"))]


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path):
    """The top-level packages that a file imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def wrong_arrows(root):
    """A line for each file that imports a package it may not know."""
    lines = []
    for path in sources(root):
        relative = path.relative_to(root)
        package = relative.parts[0]
        if wrong := sorted((imported(path) & set(ARROWS)) - ARROWS[package] - {package}):
            lines.append(f"{relative.as_posix()} imports {wrong}")
    return lines


def test_imports_follow_the_arrows():
    assert {path.relative_to(ROOT).parts[0] for path in sources()} == set(ARROWS)
    assert wrong_arrows(ROOT) == []


def test_a_wrong_arrow_would_be_found(tmp_path):
    bad = {
        "clipping/bad.py": "def late():\n    from avtnet.model import build\n",
        "preprocess/bad.py": "import avtnet, ensemble.fuse\n",
        "ensemble/bad.py": "if True:\n    import preprocess as p\n",
        "avtnet/good.py": "import clipping, preprocess, ensemble, torch\nfrom . import model\n",
    }
    for name, text in bad.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    assert wrong_arrows(tmp_path) == [
        "clipping/bad.py imports ['avtnet']",
        "preprocess/bad.py imports ['avtnet', 'ensemble']",
        "ensemble/bad.py imports ['preprocess']",
    ]


@pytest.mark.parametrize("package", ARROWS)
def test_public_names_are_all_there(package):
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module._HOME)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        module.nonsense  # noqa: B018 - the look-up is what is tested


@pytest.mark.parametrize("package", ARROWS)
def test_importing_a_package_loads_nothing_heavy(package):
    code = (
        "import json, sys\n"
        "before = set(sys.modules)\n"
        f"import {package}\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in set(sys.modules) - before})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stdout)
    assert package in loaded
    assert not set(loaded) & set(HEAVY)


def test_no_module_hides_a_public_name():
    """Importing ``package.name`` puts the module where the name was."""
    hidden = [
        f"{package}.{name}"
        for package in ARROWS
        for name in importlib.import_module(package).__all__
        if importlib.util.find_spec(f"{package}.{name}")
    ]
    assert hidden == ["avtnet.locate"]  # which the next test is about


def test_the_module_locate_stands_in_for_the_function_locate(tmp_path):
    importlib.import_module("avtnet.locate")
    from avtnet import locate

    with pytest.raises(ClippingError, match=r"gone\.mkv"):
        locate(tmp_path / "gone.mkv", weights=tmp_path / "gone.mkv")


def test_fusing_needs_no_torch():
    code = (
        "import sys, ensemble.fuse, ensemble.kmeans\n"
        "sys.exit('torch' in sys.modules or 'av' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_files_hold_one_idea_each_and_say_which():
    counts = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in sources()}
    assert {path: lines for path, lines in counts.items() if lines > MOST_LINES} == {}
    assert [path for path in counts if path.stem in SAYS_NOTHING] == []
    undocumented = [
        path for path in sources() if path.stat().st_size and not ast.get_docstring(parse(path))
    ]
    assert undocumented == []


def test_the_design_names_every_module():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    for package in ARROWS:
        table = re.search(rf"^\| `{package}/`.*?(?=\n\n|\Z)", text, re.MULTILINE | re.DOTALL)
        modules = {path.stem for path in (ROOT / package).rglob("[!_]*.py")}
        assert modules <= set(re.findall(r"`(\w+)`", table[0]))
        for cell in re.findall(r"^\| (`.*?) \|", table[0], re.MULTILINE):
            for name in re.findall(r"`(\w+)/?`", cell):
                known = name == package or list((ROOT / package).glob(f"{name}*"))
                assert known, f"docs/design.md names {package}/{name}, which is not there"

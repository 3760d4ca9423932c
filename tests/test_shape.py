"""The rooms of docs/design.md: who may import whom, public names, light imports, sizes."""

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
PACKAGES = ("avtnet", "clipping", "ensemble", "preprocess")
GROUND = {"clipping"}
LIBRARY = {
    f"clipping.{room}" for room in "media formats kept repeats judging cutting many tasks".split()
}

# room → what it is for, and the rooms that it may import. A room is a folder, or the files that
# lie flat in a package; the modules named in OWN are rooms of their own. A room may also import
# what the rooms it names may import.
ROOMS: dict[str, tuple[str, set[str]]] = {
    "clipping": ("the ground floor: values, files, settings", set()),
    "clipping.media": ("streams, frames and sound of media files", GROUND),
    "clipping.formats": ("one module for each file format of segments", GROUND),
    "clipping.cutting": ("cut, remove, join", {"clipping.media", "clipping.formats"}),
    "clipping.chapters": ("chapters of media files", {"clipping.cutting"}),
    "clipping.repeats": ("stretches that files share", {"clipping.media"}),
    "clipping.kept": ("data kept about files", {"clipping.repeats", "clipping.formats"}),
    "clipping.judging": ("predictions and the truth", {"clipping.media", "clipping.formats"}),
    "clipping.many": ("one function run over many items", GROUND),
    "clipping.tasks": ("the contract of tasks, the commands for all", {"clipping.formats"}),
    "clipping.learning": ("training, with torch", {"clipping.judging"}),
    "ensemble": ("several models' answers to one", GROUND),
    "preprocess": ("settings and features of a window", {"clipping.media"}),
    "preprocess.text": ("finding text in pictures", {"preprocess"}),
    "preprocess.extraction": ("from a file to features", {"preprocess.text"}),
    "preprocess.batch": ("features of many files", {"preprocess.extraction", "clipping.many"}),
    "avtnet.evidence": ("candidates to segments", {"ensemble"}),
    "avtnet.season": (
        "the stages of a season",
        {"avtnet.evidence", "clipping.kept", "clipping.many"},
    ),
    "avtnet.dense": (
        "AVTNetDense",
        {"avtnet.evidence", "preprocess.extraction", "clipping.learning"},
    ),
    "avtnet.classic": ("AVTNet, AVTNet2, AVTNet_YOLT", {"avtnet.dense", "clipping.tasks"}),
    "avtnet.synthesis": ("made-up episodes", {"avtnet.dense"}),
    "avtnet.tuning": (
        "AVTNetDense on a person's episodes",
        {
            "avtnet.dense",
            "avtnet.synthesis",
            "clipping.kept",
            "clipping.cutting",
            "preprocess.batch",
        },
    ),
    "avtnet.search": (
        "the stages of locate",
        {"avtnet.season", "avtnet.classic", "clipping.cutting", "preprocess.batch"},
    ),
    "avtnet": ("doors: a command next to its function", {"avtnet.search", "avtnet.tuning"}),
    "avtnet.tasks": ("avtnet's tasks for the general commands", {"avtnet"}),
}
# Modules that are not of the room in whose folder they lie: a room of their own, or a door.
DOOR = "door"
OWN = {
    "avtnet.evidence": "avtnet.evidence",
    "preprocess.extraction": "preprocess.extraction",
    "preprocess.episode": "preprocess.extraction",
}
MOST_FILES = 25
HEAVY = (
    "torch cv2 easyocr rapidocr onnxruntime matplotlib moviepy sklearn librosa av scipy PIL numpy "
    "imageio opentimelineio rich jsonargparse lightning_fabric safetensors zstandard".split()
)
MOST_LINES = 420
SAYS_NOTHING = {"utils", "util", "helpers", "base", "manager", "common", "misc", "core", "lib"}


def sources(root=ROOT):
    """The Python files of the packages below ``root``."""
    return [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path, root):
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def room_of(module, path):
    """The room of a module; the public names and commands of a package are its door."""
    if module in OWN:
        return OWN[module]
    if path.name in ("__init__.py", "__main__.py") and module.removesuffix(".__main__") in PACKAGES:
        return DOOR
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def graph(root):
    """module → the modules of ours that it imports anywhere, TYPE_CHECKING and functions too."""
    modules = {module_of(path, root): path for path in sources(root)}
    found = {}
    for module, path in modules.items():
        names = set()
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {name if name in modules else node.module for name in inner}
            elif isinstance(node, ast.ImportFrom):
                names.add(f"{module}: a relative import")
        found[module] = {name for name in names if name.split(".")[0].split(":")[0] in PACKAGES} - {
            module
        }
    return modules, found


def allowed(room):
    """The rooms that a room may import, directly or through those it names."""
    seen, waiting = set(), [room]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += ROOMS[here][1]
    return seen | GROUND


def wrong_arrows(root):
    """A line for each import that no arrow of ROOMS allows."""
    modules, found = graph(root)
    lines = []
    for module, names in sorted(found.items()):
        room = room_of(module, modules[module])
        if room == DOOR:
            package = module.split(".")[0]
            rooms = {"clipping": LIBRARY | GROUND | {"clipping.chapters"}}.get(
                package, {each for each in ROOMS if package == "avtnet" or each != "avtnet"}
            )
        elif room not in ROOMS:
            told = "; ".join(f"{each}: {what}" for each, (what, _) in ROOMS.items())
            lines.append(f"{module} lies in no room of ROOMS. Rooms are: {told}")
            continue
        else:
            rooms = allowed(room)
        for name in sorted(names):
            target = room_of(name, modules[name]) if name in modules else name
            if target not in rooms and not (room == target == DOOR or name in PACKAGES):
                lines.append(f"{module} imports {name}: {room} may import {sorted(rooms)}")
    return lines


def circles(found):
    """The groups of modules that import each other."""
    reach = {module: set(names) for module, names in found.items()}
    changed = True
    while changed:
        changed = False
        for names in reach.values():
            more = set().union(*(reach.get(name, set()) for name in names)) - names
            if more:
                names |= more
                changed = True
    return sorted(module for module, names in reach.items() if module in names)


def crowded(root):
    """A line for each folder with more than MOST_FILES Python files."""
    folders = {path.parent for path in sources(root)}
    counts = {folder: len(list(folder.glob("*.py"))) for folder in folders}
    return [
        f"{folder.relative_to(root)} holds {count} files: divide it by what is opened together"
        for folder, count in sorted(counts.items())
        if count > MOST_FILES
    ]


def test_imports_follow_the_arrows():
    assert {path.relative_to(ROOT).parts[0] for path in sources()} == set(PACKAGES)
    assert wrong_arrows(ROOT) == []


def test_nothing_imports_in_a_circle():
    assert circles(graph(ROOT)[1]) == []


def test_no_room_is_crowded():
    assert crowded(ROOT) == []


def test_every_room_is_there():
    assert {room for room in ROOMS if not (ROOT / room.replace(".", "/")).is_dir()} == {
        room for room in ROOMS if (ROOT / (room.replace(".", "/") + ".py")).is_file()
    }


def test_what_is_wrong_would_be_found(tmp_path):
    bad = {
        "clipping/late.py": "def late():\n    from avtnet.evidence import x\n",
        "clipping/media/up.py": "import clipping.cutting.cut\n",
        "clipping/cutting/cut.py": "",
        "clipping/new/one.py": "",
        "ensemble/kmeans.py": "if True:\n    import preprocess.features as p\n",
        "preprocess/features.py": "from preprocess.text import engine\n",
        "preprocess/text/engine.py": "from preprocess import features\n",
        "avtnet/evidence.py": "import clipping.segments, ensemble.kmeans, torch\n",
        "avtnet/train.py": "from avtnet import evidence\n",
        "clipping/segments.py": "",
    }
    for name, text in bad.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    wrong = wrong_arrows(tmp_path)
    assert [line.partition(":")[0] for line in wrong] == [
        "clipping.late imports avtnet.evidence",
        "clipping.media.up imports clipping.cutting.cut",
        "clipping.new.one lies in no room of ROOMS. Rooms are",
        "ensemble.kmeans imports preprocess.features",
        "preprocess.features imports preprocess.text.engine",
    ]
    assert "clipping.media: streams, frames and sound" in wrong[2]  # where a new file may belong
    assert circles(graph(tmp_path)[1]) == ["preprocess.features", "preprocess.text.engine"]
    for number in range(MOST_FILES):
        (tmp_path / "ensemble" / f"m{number}.py").touch()
    assert crowded(tmp_path) == ["ensemble holds 26 files: divide it by what is opened together"]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_all_there(package):
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module._HOME)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        module.nonsense  # noqa: B018 - the look-up is what is tested


@pytest.mark.parametrize("package", PACKAGES)
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
        for package in PACKAGES
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


def test_the_design_has_a_row_for_each_room():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)` \| (.+) \| (.+) \|$", text, re.MULTILINE)
    there = {
        room.replace("/", "."): (
            what,
            {each.replace("/", ".") for each in re.findall(r"`(.+?)`", names)},
        )
        for room, what, names in rows
    }
    assert there == {room: (what, rooms - GROUND) for room, (what, rooms) in ROOMS.items()}

"""The pages of docs/: links lead somewhere, files and names exist, commands are understood."""

import importlib
import re
import subprocess
from pathlib import Path

import pytest
from test_readme import undated_sections, wrong_commands, wrong_examples

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
# These tell of days that are past; what they name may be gone.
DATED = [page for page in PAGES if page.parent.name == "measured" or page.name == "log.md"]
HOW = [page for page in PAGES if page not in DATED]
FILE = re.compile(r"(?:avtnet|benchmarks|clipping|configs|docs|ensemble|preprocess|tests)/[\w./-]+")
NAME = re.compile(r"((?:avtnet|clipping|ensemble|preprocess)(?:\.\w+)+)(?:\(.*\))?")


def name_of(page):
    return str(page.relative_to(ROOT))


def broken_links(text, folder):
    """The targets of links in Markdown text that are not there; headings are looked up too."""
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        if "://" in target:
            continue
        there = folder / path if path else None
        if there is not None and not there.exists():
            wrong.append(target)
        elif heading and there is not None:
            titles = re.findall(r"^#+ (.*)", there.read_text(encoding="utf-8"), re.MULTILINE)
            if heading not in {slug(title) for title in titles}:
                wrong.append(target)
    return wrong


def slug(title):
    """A heading as Markdown viewers make an anchor of it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def code(text):
    """The pieces of code inside sentences and tables."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def missing_files(text):
    """Paths of ours that are not there; a module may be named without its .py."""
    pieces = [piece for piece in code(text) if FILE.fullmatch(piece)]
    return [
        each for each in pieces if not any((ROOT / (each + end)).exists() for end in ("", ".py"))
    ]


def missing_names(text):
    """Dotted names of ours that cannot be imported."""
    wrong = []
    for piece in code(text):
        found = NAME.fullmatch(piece)
        if found and not exists(found[1]):
            wrong.append(piece)
    return wrong


def exists(dotted):
    module, _, name = dotted.rpartition(".")
    for each in (dotted, module):
        try:
            there = importlib.import_module(each)
        except ModuleNotFoundError:
            continue
        return each == dotted or hasattr(there, name)
    return False


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    assert broken_links(page.read_text(encoding="utf-8"), page.parent) == []


@pytest.mark.parametrize("page", HOW, ids=name_of)
def test_files_names_and_examples_exist(page):
    text = page.read_text(encoding="utf-8")
    assert missing_files(text) == []
    assert missing_names(text) == []
    assert wrong_examples(text) == []


def with_our_commands_only(text):
    """The text with continued lines joined, and without code in sentences that is no command."""
    text = text.replace("\\\n", " ")
    fences = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)

    def kept(piece):
        ours = piece[1].startswith(("avtnet ", "python -m ")) and "…" not in piece[1]
        return piece[0] if ours else ""

    return "".join(
        part if part.startswith("```") else re.sub(r"`([^`\n]+)`", kept, part) for part in fences
    )


# tests/test_plugins.py walks the pages that add a network, a task or a format.
OTHERS = [page for page in HOW if not page.name.startswith("add-a-")]


@pytest.mark.parametrize("page", OTHERS, ids=name_of)
def test_commands_are_understood(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert wrong_commands(with_our_commands_only(page.read_text(encoding="utf-8"))) == []


def test_what_the_code_cites_is_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    files = [ROOT / name for name in listed.stdout.splitlines() if name.endswith(".py")]
    files = files or [path for path in ROOT.rglob("*.py") if ".venv" not in path.parts]
    cited = re.compile(r"\b(?:docs|spec)/[\w/-]+\.(?:md|png)")
    wrong = {
        f"{path.relative_to(ROOT)}: {cite}"
        for path in files
        if path.name not in ("test_docs.py", "test_count_code.py")
        for cite in cited.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / cite).exists()
    }
    assert wrong == set()


@pytest.mark.parametrize("page", DATED, ids=name_of)
def test_figures_are_dated(page):
    assert undated_sections(page.read_text(encoding="utf-8")) == []


def test_every_measured_page_belongs_to_a_page():
    names = {page.name for page in HOW} | {"real-film.md"}
    assert {page.name for page in (ROOT / "docs" / "measured").glob("*.md")} <= names


def test_a_wrong_page_would_be_found():
    bad = "See [here](none.md), [there](kept.md#no-such-thing), [that](kept.md#themes).\n"
    assert broken_links(bad, ROOT / "docs") == ["none.md", "kept.md#no-such-thing"]
    assert missing_files("`avtnet/evidence.py` and `avtnet/no.py`") == ["avtnet/no.py"]
    text = "`clipping.formats.catalog.read(path)`, `clipping.formats.catalog.eat`, `avtnet.no`"
    assert missing_names(text) == ["clipping.formats.catalog.eat", "avtnet.no"]

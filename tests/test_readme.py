"""The README's commands and examples: each option, file, name and link in it exists."""

import ast
import importlib
import importlib.util
import inspect
import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q "
TEST_COMMAND = INSTALL + "-e '.[dev]' && .venv/bin/python -m pytest"


def blocks(text, *languages):
    """Return the contents of the fenced blocks of some languages, in order."""
    fenced = re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [body for language, body in fenced if language in languages]


def commands(text):
    """The words of each of our commands, from shell blocks and from code inside the text."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for body in blocks(text, "sh", "bash") for line in body.splitlines()]
    for line in [*lines, *re.findall(r"`([^`\n]+)`", prose)]:
        for part in re.split(r"&&|\||;", line.partition(" #")[0]):
            words = [word.removeprefix(".venv/bin/") for word in shlex.split(part)]
            ours = words[:1] == ["avtnet"] or words[:2] == ["python", "-m"]
            # code in prose may name a command without its options: that is not tried
            if ours and len(words) > (2 if words[0] == "avtnet" else 3):
                yield words


def try_command(words):
    """Return a command's complaint about its words; None if it takes them. Nothing is run."""
    module, argv = ("avtnet", words[1:]) if words[0] == "avtnet" else (words[2], words[3:])
    if module in ("venv", "pytest", "build", "pip"):
        return None
    spec = importlib.util.find_spec(module)
    if spec is None:
        return f"there is no module {module}"
    if spec.submodule_search_locations is not None:
        module += ".__main__"
    out, said = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(said), pytest.raises(SystemExit) as ended:
        # With --print_config, a command reads its words and stops.
        raise SystemExit(importlib.import_module(module).main([*argv, "--print_config"]))
    return said.getvalue().strip().splitlines()[-1] if ended.value.code else None


def wrong_commands(text):
    """A line for each command that would not be understood."""
    said = [(shlex.join(words), try_command(words)) for words in commands(text)]
    return [f"{command}: {problem}" for command, problem in said if problem]


def wrong_examples(text):
    """A line for each import and each call of a Python block that does not fit the code."""
    lines = []
    for body in blocks(text, "python"):
        tree = ast.parse(body)
        names = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                for alias in node.names:
                    if hasattr(module, alias.name):
                        names[alias.asname or alias.name] = getattr(module, alias.name)
                    else:
                        lines.append(f"{node.module} has no {alias.name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                called = names.get(node.func.id)
                if called is None:
                    continue
                try:
                    inspect.signature(called).bind(
                        *node.args, **{word.arg: word.value for word in node.keywords}
                    )
                except TypeError as error:
                    lines.append(f"{ast.unparse(node)}: {error}")
    return lines


def undated_sections(text):
    """Headings of sections whose tables hold measured figures, but no date."""
    found = []
    for section in re.split(r"^(?=#+ )", text, flags=re.MULTILINE):
        rows = [re.sub(r"`[^`]*`", "", row) for row in re.findall(r"^\|.*", section, re.MULTILINE)]
        measured = any(re.search(r"\d\.\d", row) for row in rows)
        if measured and not re.search(r"\b20\d\d-\d\d-\d\d\b", section):
            found.append(section.splitlines()[0])
    return found


def test_the_first_two_commands_are_whole_on_a_fresh_machine():
    first, second = (body.strip() for body in blocks(README, "sh", "bash")[:2])
    assert first.startswith(INSTALL)
    assert " && .venv/bin/avtnet locate" in first
    assert second == TEST_COMMAND


def test_ci_runs_the_test_command_of_the_readme():
    script = ROOT / ".ci" / "run"
    assert TEST_COMMAND in script.read_text().splitlines()
    assert script.stat().st_mode & 0o111


def test_every_command_is_understood(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert len(list(commands(README))) > 10
    assert wrong_commands(README) == []


def test_every_example_fits_the_code():
    assert blocks(README, "python")
    assert wrong_examples(README) == []


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_figures_are_dated_and_nothing_is_left_to_fill_in():
    assert undated_sections(README) == []
    assert re.findall(r"^[A-Z]+_[A-Z_]+$|TODO|TBD|FIXME", README, re.MULTILINE) == []


def test_the_tree_has_a_line_for_each_folder_of_code():
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    tree = next(body for language, body in fenced if not language and body.startswith("avtnet/"))
    packages = ("avtnet", "clipping", "ensemble", "preprocess")
    named, package = set(), ""
    for line in tree.splitlines():
        if (match := re.match(r"( *)(\w+)/  ", line)) is None:
            continue
        package = match[2] if not match[1] else package
        named.add(match[2] if not match[1] else f"{package}/{match[2]}")
    there = {
        path.parent.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*.py")
    }
    assert {name for name in named if name.split("/")[0] in packages} - {"avtnet/weights"} == there


BAD = """
# Bad

```sh
python -m ensemble.fuse a.csv --metod kmeans  # misspelt
.venv/bin/avtnet probe --json x.json a.mkv
python -m clipping.nothing --there
```

Or `python -m ensemble.fuse a.csv --config configs/none.yaml`, and `python -m clipping fly away`.

| model | score |
|---|---|
| best | 2.57 |

```python
from clipping import Segment, teleport
Segment(1, 2, labl="x")
```
"""


def test_a_wrong_readme_would_be_found(monkeypatch):
    monkeypatch.chdir(ROOT)
    problems = wrong_commands(BAD)
    assert len(problems) == 4
    for problem, match in zip(
        problems,
        ["did you mean --method?", "no module clipping.nothing", "none.yaml", "no command 'fly'"],
        strict=True,
    ):
        assert match in problem
    assert wrong_examples(BAD) == [
        "clipping has no teleport",
        "Segment(1, 2, labl='x'): got an unexpected keyword argument 'labl'",
    ]
    assert undated_sections(BAD) == ["# Bad"]
    assert undated_sections(BAD + "Measured on 2026-11-20.\n") == []

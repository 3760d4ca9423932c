"""How big, crowded and readable the code is: the counts of the restructuring into rooms.

    python benchmarks/count_code.py [ROOT] [--json FILE] [--names]

Reads the Python files of the four packages below ROOT, and ROOT's pages; nothing is imported.

* A *room* is a sub-folder of a package; the files in no sub-folder are one room, ``avtnet/*.py``.
* An *entry* is a sub-folder of a package, or a file in none: here, each file counts alone.
* An *arrow* is an import, also inside a function or under TYPE_CHECKING, but no name in a string.
* The *lines of a function* are those without decorators and docstring; nested ones count twice.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import math
import re
import statistics
import textwrap
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = ("avtnet", "preprocess", "ensemble", "clipping")
CROWDED = 25  # code files in one folder
BEGINNINGS = ("What", "Whether", "Where")  # of docstrings, in place of a subject or a verb
KINDS = ("definition", "module", "value")  # a value: a constant or field with a string below
# fmt: off
PHRASES = {
    "hangs on → depends on": r"\b(hang(s|ing)?|hung) on\b", "anew → again": r"\banew\b",
    "of whom → whose": r"\bof whom\b", "told by → follows from": r"\b(is|are|was|were) told by\b",
}
PUZZLES = {
    "hints*": "known_spans", "remembered*": "cached", "gather*": "collect_features, group_matches",
    "gathered*": "grouped", "heard*": "repetition", "given()": "probabilities", "told": "reason",
    "said()": "reason", "seen()": "candidates", "known()": "features",
    "witness*": "network_candidates", "see()": "load_inputs", "views()": "predict_views",
    "look()": "predict", "sight*": "inputs, views", "network_share": "network_trust",
    "share()": "trust", "talk*": "speech over song", "overlay": "residual", "left_over": "residual",
    "votes()": "end_consensus", "agreed()": "end_consensus", "recent()": "memory_cache",
    "chosen()": "selection", "choice()*": "selection", "planned": "decode_needed",
    "sequential()": "decode_all", "scan()": "one_pass", "prints*": "file_fingerprint",
    "set_aside*": "quarantine", "aside*": "quarantine", "seeing": "small_dense",
    "singing*": "with song loss", "home": "usual_role", "guest*": "moved", "rival*": "occupied_by",
    "borrowed*": "from_neighbour",
}
# fmt: on
"""Puzzling names, in lower or upper case, with or without an s behind, and the clear ones.

``*``: also a part of a longer name. ``()``: only a module, or a public class or function of one."""
ONLY_IN = {
    "home": r"\.roles$",
    **dict.fromkeys(("look()", "talk*"), r"^(?!.*\.synthesis)"),
    "hints*": r"^avtnet\.",  # of a season; elsewhere Python's type hints
    "gather*": r"^(?!clipping\.learning\.)",  # there it is torch.distributed's
}
"""Modules in which a name puzzles; a name that is not here puzzles in all."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Graph = Mapping[str, set[str]]  # a name → the names that its arrows lead to
Places = dict[str, list[str]]  # something counted → where it is


class Source(NamedTuple):
    """A Python file of a package; ``path`` starts at the root and has slashes."""

    path: str
    module: str
    entry: str
    room: str
    text: str
    tree: ast.Module
    nodes: list[ast.AST]


def read_sources(root: Path) -> list[Source]:
    """Read and parse the files of the packages, in the order of their paths."""
    sources = []
    for file in (each for name in PACKAGES for each in sorted((root / name).rglob("*.py"))):
        path, text = file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        entry = "/".join(path.split("/")[:2])
        room = entry if path.count("/") > 1 else f"{path.split('/')[0]}/*.py"
        tree = ast.parse(text)
        sources.append(Source(path, module, entry, room, text, tree, list(ast.walk(tree))))
    return sources


def imported(source: Source, modules: set[str]) -> set[str]:
    """Find those of the modules that a file imports anywhere."""
    found, package = set(), source.path.rpartition("/")[0].replace("/", ".")
    for node in source.nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            names = [f"{base}.{alias.name}" for alias in node.names]
            found |= {name if name in modules else base for name in names}
    return (found & modules) - {source.module}


def circles(graph: Graph) -> Places:
    """Find the groups of names that all reach each other: strongly connected components."""
    reached = {name: set(ahead) for name, ahead in graph.items()}
    for middle in graph:
        for name in graph:
            reached[name] |= reached[middle] if middle in reached[name] else set()
    mutual = {a: tuple(sorted(b for b in reached[a] if a in reached[b])) for a in graph}
    return {" ↔ ".join(group): list(group) for group in sorted(set(mutual.values())) if group}


def graphs(sources: Sequence[Source]) -> Mapping[str, Graph]:
    """Draw the arrows between the rooms, the entries and the modules of these files alone."""
    own = {source.module: source for source in sources}
    drawn: dict[str, dict[str, set[str]]] = {"room": {}, "entry": {}, "module": {}}
    for source in sources:
        ahead = [own[module] for module in imported(source, set(own))]
        for kind, graph in drawn.items():
            here, there = getattr(source, kind), {getattr(each, kind) for each in ahead}
            graph[here] = graph.get(here, set()) | (there - {here})
    return drawn


def docstrings(source: Source) -> Iterator[tuple[str, ast.Constant]]:
    """Yield the kind and the string of each docstring."""
    kinds: dict[ast.AST, str] = {}
    for node in source.nodes:
        if isinstance(node, ast.Module | ast.ClassDef | Function) and node.body:
            kinds[node.body[0]] = "module" if node is source.tree else "definition"
        match node:
            case ast.Expr(value=ast.Constant(value=str()) as constant):
                yield kinds.get(node, "value"), constant


def comments(text: str) -> Iterator[tuple[int, bool]]:
    """Yield the line of each comment, and True where nothing else is on that line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], not token.line[: token.start[1]].strip()


def bindings(source: Source) -> Iterator[tuple[bool, str, int]]:
    """Yield the names that a file makes: True for a public one, the name, the line."""
    yield True, source.module.rpartition(".")[2], 1
    for node in source.nodes:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node in source.tree.body and node.name[0] != "_", node.name, node.lineno
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield False, name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield False, name, node.lineno
            case ast.Subscript(value=ast.Name(id="Literal")):
                words = [each for each in ast.walk(node.slice) if isinstance(each, ast.Constant)]
                yield from ((False, str(each.value), each.lineno) for each in words)


@cache
def puzzle_in(name: str, module: str, public: bool) -> str | None:
    """Find the key of the puzzling name that a name is or holds; None for a clear one."""
    parts = "_".join(re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)).lower()
    for key in PUZZLES:
        pattern = (r"(^|_){}s?(_|$)" if "*" in key else "^{}s?$").format(key.rstrip("*()"))
        fits = re.search(ONLY_IN.get(key, ""), module) and (public or "()" not in key)
        if fits and re.search(pattern, parts):
            return key
    return None


def doubled(sources: Sequence[Source], kind: Any) -> Places:
    """Find the public names of a kind that several modules define, and these modules."""
    modules = defaultdict(list)
    for source in sources:
        for name in {node.name for node in source.tree.body if isinstance(node, kind)}:
            modules[name].append(source.path)
    return {name: modules[name] for name in sorted(modules) if modules[name][1:] and name[0] != "_"}


def find_phrases(text: str) -> Iterator[tuple[str, int]]:
    """Yield the hard phrases of a text and their lines; a phrase may go on on the next line."""
    for phrase, pattern in PHRASES.items():
        for match in re.finditer(pattern.replace(" ", r"\s+(?:#\s*)?"), text):
            yield phrase, text.count("\n", 0, match.start()) + 1


def find_places(sources: Sequence[Source]) -> dict[str, Places]:
    """Find the docstrings, names and phrases of the files that should be clearer."""
    begins: Places = {f"{word}, {kind}": [] for word in BEGINNINGS for kind in KINDS}
    puzzling: Places = {f"{key} → {new}": [] for key, new in PUZZLES.items()}
    phrases: Places = {phrase: [] for phrase in PHRASES}
    for source in sources:
        prose = {line for line, _ in comments(source.text)}
        for kind, node in docstrings(source):
            prose |= set(range(node.lineno, (node.end_lineno or 0) + 1))
            if begin := re.match(rf"\s*({'|'.join(BEGINNINGS)})\b", str(node.value)):
                begins[f"{begin[1]}, {kind}"].append(f"{source.path}:{node.lineno}")
        for public, name, line in bindings(source):
            if key := puzzle_in(name, source.module, public):
                puzzling[f"{key} → {PUZZLES[key]}"].append(f"{source.path}:{line} {name}")
        for phrase, line in find_phrases(source.text):
            phrases[phrase] += [f"{source.path}:{line}"] if line in prose else []
    return {
        "docstrings by their first word": begins,
        "classes in 2+ modules": doubled(sources, ast.ClassDef),
        "functions in 2+ modules": doubled(sources, Function),
        "puzzling names": puzzling,
        "hard phrases": phrases,
    }


def size_figures(sources: Sequence[Source], tests: Path) -> dict[str, Any]:
    """Count the lines, the files, the folders' files, and the lines of the folder of tests."""
    lines = {source.path: len(source.text.splitlines()) for source in sources}
    total = sum(lines.values())
    tested = sum(len(path.read_text("utf-8").splitlines()) for path in tests.rglob("*.py"))
    folders = Counter(path.rpartition("/")[0] for path in lines)
    longest = max(lines, key=lines.__getitem__)
    alone = sum(alone for source in sources for _, alone in comments(source.text))
    return {
        "files": len(lines),
        "lines": total,
        "most code files in one folder": max(folders.values()),
        "- which folder": folders.most_common(1)[0][0],
        f"folders above {CROWDED} code files": sum(each > CROWDED for each in folders.values()),
        "lines of the longest file": lines[longest],
        "- which file": longest,
        "lines of tests / lines": round(tested / max(1, total), 2) if tested else "-",
        "comment lines, %": round(100 * alone / max(1, total), 1),
    }


def length(function: Function) -> int:
    """Count the lines of a function without its decorators and its docstring."""
    first = function.body[0]
    documented = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0
    return (function.end_lineno or 0) - function.lineno + 1 - documented


def definition_figures(sources: Sequence[Source]) -> dict[str, Any]:
    """Count the lines of functions, and the percentages of documented public definitions."""
    nodes = [(each.module, node) for each in sources for node in each.nodes]
    lengths = sorted((length(n), f"{m}.{n.name}") for m, n in nodes if isinstance(n, Function))
    lines = [number for number, _ in lengths] or [0]
    percents = []
    for kind in (Function, ast.ClassDef):
        public = [n for _, n in nodes if isinstance(n, kind) and n.name[0] != "_"]
        have = sum(ast.get_docstring(node) is not None for node in public)
        percents.append(round(100 * have / max(1, len(public)), 1))
    p95 = lines[math.ceil(0.95 * len(lines)) - 1]
    return {
        "function lines: median, p95, longest": [statistics.median_low(lines), p95, lines[-1]],
        "- which function": lengths[-1][1] if lengths else "-",
        "documented, %: functions, classes": percents,
    }


def place_figures(places: Mapping[str, Places], drawn: Mapping[str, Graph]) -> dict[str, Any]:
    """Count rooms, arrows and circles, and what was found in the files."""
    figures: dict[str, Any] = {
        "rooms, entries, modules": [len(graph) for graph in drawn.values()],
        "- arrows between them": [sum(map(len, graph.values())) for graph in drawn.values()],
        "- circles of them": [len(circles(graph)) for graph in drawn.values()],
    }
    begins, *others = places
    for word in BEGINNINGS:
        counts = [len(places[begins][f"{word}, {kind}"]) for kind in KINDS]
        figures[f"{word}: definitions, modules, values"] = counts
    for title in others:
        found = [each for each in places[title].values() if each]
        figures[f"{title}: names, places"] = [len(found), sum(map(len, found))]
    return figures


def count(root: Path) -> dict[str, Any]:
    """Count a checkout: the figures of each package and of all, and the places of all."""
    sources = read_sources(root)
    figures, places = {}, dict[str, Places]()
    for name in (*PACKAGES, ""):
        if own := [each for each in sources if name in ("", each.path.split("/")[0])]:
            drawn, places = graphs(own), find_places(own)
            row = size_figures(own, root / "tests" / name) | definition_figures(own)
            figures[name or "in all"] = row | place_figures(places, drawn)
            for kind in ("entry", "module"):
                places[f"import circles, by {kind}"] = circles(drawn[kind])
    pages: Places = {phrase: [] for phrase in PHRASES}
    for page in sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")]):
        for phrase, line in find_phrases(page.read_text(encoding="utf-8")):
            pages[phrase].append(f"{page.relative_to(root).as_posix()}:{line}")
    return {"figures": figures, "places": places | {"hard phrases in pages": pages}}


def report(counted: Mapping[str, Any], names: bool) -> Iterator[str]:
    """Yield the lines of the table and of the lists; with ``names``, each place too."""
    figures = counted["figures"]
    rows = [["", *figures]]
    for label in figures["in all"]:
        cells = [str(column[label]).strip("[]") for column in figures.values()]
        rows.append([label, *(text.replace(", ", " / ") for text in cells)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        yield f"| {' | '.join(map(str.ljust, row, widths))} |"
    fill = textwrap.TextWrapper(100, "  ", "      ", break_on_hyphens=False).fill
    for title, group in counted["places"].items():
        yield f"\n{title}: {sum(map(len, group.values()))} places"
        texts = {key: ", ".join(at) if names else len(at) for key, at in group.items() if at}
        lines = [f"{key}: {text}" for key, text in texts.items()]
        yield from map(fill, lines if names else [", ".join(lines)])


def main() -> int:
    """Print the report, and write the JSON file if one is asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("root", type=Path, nargs="?", default=Path(__file__).parents[1])
    parser.add_argument("--json", type=Path, help="write the figures and all places here")
    parser.add_argument("--names", action="store_true", help="list the places")
    options = parser.parse_args()
    counted = count(options.root)
    if not counted["figures"]:
        parser.error(f"{options.root} holds none of {', '.join(PACKAGES)}")
    print(*report(counted, options.names), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(counted, indent=1, ensure_ascii=False), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

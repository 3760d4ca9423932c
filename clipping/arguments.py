"""The words of a command line, put the way jsonargparse wants them.

What it leaves out is done here: bare ``--flag`` switches, several words for a tuple, dashes in
names, words without an option anywhere among the others, ``--config`` that never beats an option.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections import deque
from collections.abc import Sequence
from keyword import iskeyword
from pathlib import Path
from typing import Any


def field_types(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every dotted name of a dataclass of dataclasses, and its type."""
    hints = typing.get_type_hints(config)
    types: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        kind = hints[field.name]
        types[prefix + field.name] = kind
        if dataclasses.is_dataclass(kind):
            types |= field_types(kind, f"{prefix}{field.name}.")
    return types


def arrange(
    config: type, argv: Sequence[str], positional: str | None = None
) -> tuple[list[str], list[str]]:
    """The options of a command line, and its words without one (those for ``positional``).

    Each option becomes one word, ``--name=value``; files of settings come first, so that the
    other options beat them. What is no option of ``config`` stays as it is, for the parser to
    refuse.
    """
    types = field_types(config)
    files: list[str] = []
    options: list[str] = []
    tuples: dict[str, list[str]] = {}
    plain: list[str] = []
    words = deque(argv)
    while words:
        word = words.popleft()
        if word == "--":
            plain += words
            break
        if not _is_option(word):
            plain.append(word)
            continue
        typed, equals, value = word.partition("=")
        name = "output" if typed in ("-o", "--out") else typed[2:].replace("-", "_")
        if iskeyword(name):  # no field can be called so: from_ is --from
            name += "_"
        kind = Path if name == "config" else types.get(name)
        if kind is None:
            switch = name.removeprefix("no_")
            options.append(f"--{switch}=false" if types.get(switch) is bool else word)
        elif kind is bool:
            if not equals:
                said = bool(words) and words[0].lower() in ("true", "false")
                value = words.popleft() if said else "true"
            options.append(f"--{name}={value}")
        elif name == positional or _item(kind) is not None:
            gathered = plain if name == positional else tuples.setdefault(name, [])
            gathered += [value] if equals else []
            while not equals and words and not _is_option(words[0]):
                gathered.append(words.popleft())
        else:
            if not equals and words and not _is_option(words[0]):
                equals, value = "=", words.popleft()
            is_file = name == "config" or dataclasses.is_dataclass(kind)
            (files if is_file else options).append(f"--{name}{equals}{value}")
    # The whole before its groups: --config, then --model FILE, then --model.part FILE.
    files.sort(key=lambda word: (not word.startswith("--config"), word.split("=")[0].count(".")))
    for name, items in tuples.items():
        options.append(f"--{name}={_listed(items, _item(types[name]))}" if items else f"--{name}")
    return files + options, plain


def _is_option(word: str) -> bool:
    """Whether a word names an option; ``-`` and negative numbers are values."""
    return len(word) > 1 and word[0] == "-" and not re.match(r"-\.?\d", word)


def _item(kind: Any) -> Any:
    """The type of a tuple's items, also in ``tuple[…] | None``; None for what is no tuple."""
    for choice in (kind, *typing.get_args(kind)):
        if typing.get_origin(choice) is tuple:
            return typing.get_args(choice)[0]
    return None


def _listed(words: list[str], item: Any) -> str:
    """The words for a tuple as a YAML list on one line."""
    if len(words) == 1 and words[0][:1] == "[" and words[0][-1:] == "]":
        return words[0]
    if len(words) == 1 and item is not Path:
        words = words[0].split(",")
    return f"[{', '.join(words if item in (int, float) else map(_quoted, words))}]"


def _quoted(text: str) -> str:
    """A YAML string; what YAML will not have in a file stands in escapes."""
    plain = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(plain)}"'

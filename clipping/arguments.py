"""The words of a command line as values by the dotted names of a dataclass's fields.

Options stand anywhere among other words; a tuple takes several words; ``--flag`` and ``--no-flag``
switch a bool; hyphens and underscores in names are the same; ``--config`` never beats an option.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from pathlib import Path
from typing import Any

from clipping.errors import ConfigError
from clipping.values import Word, Words, field_types, item_type, option_of


@dataclass
class Arguments:
    """The words of a command line, sorted."""

    files: list[tuple[str, Path]] = field(default_factory=list)
    """Files of settings: the group they are of ("" for all), and where; the whole before parts."""
    options: dict[str, Word | Words] = field(default_factory=dict)
    """Values of the options by dotted name."""
    plain: list[str] = field(default_factory=list)
    """Words without an option."""
    asks: set[str] = field(default_factory=set)
    """Those of ``help`` and ``print_config`` that are given."""


def read_arguments(
    config: type, argv: Sequence[str], positional: str | None = None, *, known_only: bool = True
) -> Arguments:
    """Sort the words of a command line.

    Args:
        known_only: refuse what ``config`` does not have; else it is left out.

    Raises:
        ConfigError: for an option that ``config`` does not have (with the nearest right one), or
            one without its value.
    """
    types = field_types(config)
    found = Arguments()
    tuples: dict[str, list[str]] = {}
    words = deque(argv)
    problems = []
    while words:
        word = words.popleft()
        if word == "--":
            found.plain += words
            break
        if not _is_option(word):
            found.plain.append(word)
            continue
        typed, equals, value = word.partition("=")
        name = _name(typed)
        kind = Path if name == "config" else types.get(name)
        switch = name.removeprefix("no_")
        if name in ("help", "print_config") and kind is None:
            found.asks.add(name)
        elif kind is None and types.get(switch) is bool and typed.startswith("--") and not equals:
            found.options[switch] = Word("false")
        elif kind is None or not (typed.startswith("--") or typed == "-o"):
            problems.append(_unknown(typed, types))
        elif kind is bool:
            if not equals:
                said = bool(words) and words[0].lower() in ("true", "false")
                value = words.popleft() if said else "true"
            found.options[name] = Word(value)
        elif name == positional or item_type(kind) is not None:
            items = found.plain if name == positional else tuples.setdefault(name, [])
            given = [value] if equals else []
            while not equals and words and not _is_option(words[0]):
                given.append(words.popleft())
            if not given and name != positional:
                problems.append(f"{option_of(name)}: expected one argument or more")
            items += given
        else:
            if not equals and words and not _is_option(words[0]):
                equals, value = "=", words.popleft()
            if not equals:
                problems.append(f"{option_of(name)}: expected one argument")
            elif name == "config" or dataclasses.is_dataclass(kind):
                found.files.append(("" if name == "config" else name, Path(value)))
            else:
                found.options[name] = Word(value)
    if problems and known_only and "help" not in found.asks:
        raise ConfigError("; ".join(problems))
    if positional is None and found.plain and known_only and "help" not in found.asks:
        raise ConfigError(f"unrecognized arguments: {' '.join(found.plain)}")
    # The whole before its groups: --config, then --model FILE, then --model.part FILE.
    found.files.sort(key=lambda each: (each[0] != "", each[0].count(".")))
    for name, items in tuples.items():
        found.options[name] = Words(_items(items, item_type(types[name]), name))
    return found


def _name(typed: str) -> str:
    """Return the field that an option names."""
    short = {"-o": "output", "--out": "output", "-h": "help"}
    name = short.get(typed, typed.removeprefix("--").replace("-", "_"))
    return f"{name}_" if iskeyword(name) else name  # no field can be called so: from_ is --from


def _is_option(word: str) -> bool:
    """Return True if a word names an option; ``-`` and negative numbers are values."""
    return len(word) > 1 and word[0] == "-" and not re.match(r"-\.?\d", word)


def _unknown(typed: str, types: Mapping[str, Any]) -> str:
    options = {option_of(name): name for name in types}
    near = difflib.get_close_matches(typed.replace("_", "-"), options, n=1, cutoff=0.6)
    return f"unrecognized arguments: {typed}" + (f"; did you mean {near[0]}?" if near else "")


def _items(words: list[str], item: Any, name: str) -> list[str]:
    """Return the items of a tuple: the words, or those of a single word that holds a list."""
    if len(words) == 1 and words[0][:1] == "[" and words[0][-1:] == "]":
        import yaml

        try:
            listed = yaml.load(words[0], yaml.BaseLoader)
        except yaml.YAMLError:
            listed = None
        if isinstance(listed, list) and all(isinstance(each, str) for each in listed):
            return listed
        if item is not Path:
            raise ConfigError(f"{option_of(name)}: Expected a list, got {words[0]!r}")
    if len(words) == 1 and item is not Path:
        return words[0].split(",")
    return words

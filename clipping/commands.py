"""The first word of a command line that has several commands: each is its own module."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence

from clipping.extra import ExtraMissing, extra_imports

Commands = Mapping[str, tuple[str, str]]
"""The name of each command, the module with its ``main``, and a phrase that says what it does."""
COLUMNS = 80
"""The width of the help."""


def dispatch(
    prog: str,
    groups: Mapping[str, Commands],
    argv: Sequence[str] | None = None,
    *,
    also: Mapping[str, str] | None = None,
) -> int:
    """Run the command that the first word names; return its exit code.

    The help lists all commands in their groups and imports none of them.

    Args:
        prog: what the user types, for the help (``"python -m clipping"``).
        groups: the commands, by the title of their group.
        argv: the words; None takes ``sys.argv[1:]``.
        also: other names that are understood and not listed, and the names that they stand for.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    commands = {name: row for group in groups.values() for name, row in group.items()}
    name = (also or {}).get(words[0], words[0]) if words else ""
    if name in commands:
        module, _ = commands[name]
        try:
            with extra_imports():
                command = importlib.import_module(module).main
        except ExtraMissing as error:
            print(f"{prog} {words[0]}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:  # torch takes a second; later Ctrl-C is the command's
            print(f"{prog}: interrupted", file=sys.stderr)
            return 130
        return _run(command, words[1:])
    if name in ("-h", "--help"):
        print(usage(prog, groups))
        return 0
    problem = "name a command"
    if words:
        near = difflib.get_close_matches(name, commands, n=1)
        problem = f"there is no command {name!r}"
        problem += f"; did you mean {near[0]}?" if near else ""
    print(f"{usage(prog, groups)}\n\n{prog}: {problem}", file=sys.stderr)
    return 2


def _run(command: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """Run a command; it ends quietly where the reader of stdout (``| head``) has ended."""
    try:
        try:
            return command(words)
        finally:  # here, not when Python ends, which would print an exception
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def usage(prog: str, groups: Mapping[str, Commands]) -> str:
    """Return the help: the commands in their groups, in lines of ``COLUMNS`` at most."""
    column = max(len(name) for group in groups.values() for name in group) + 4
    lines = [f"usage: {prog} COMMAND …", f"       {prog} COMMAND --help   explains a command"]
    for title, group in groups.items():
        lines += ["", f"{title}:"]
        for name, (_, phrase) in group.items():
            wrapped = textwrap.wrap(phrase, COLUMNS - column)
            lines.append(f"  {name:<{column - 2}}{wrapped[0]}")
            lines += [" " * column + line for line in wrapped[1:]]
    return "\n".join(lines)

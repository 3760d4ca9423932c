"""The words that the commands for all tasks share: ``--task NAME``, ``--checkpoint FILE``, help."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipping import plugins
from clipping.commands import COLUMNS
from clipping.config import refuse
from clipping.errors import ClippingError
from clipping.plugins import Row
from clipping.tasks.contract import TABLE, TaskModule, load_task, networks_of


@dataclass(frozen=True)
class TaskCommand:
    """The command line of a task: its name, its module, and the words that are left."""

    name: str
    task: TaskModule
    checkpoint: Path | None
    rest: tuple[str, ...]
    """The words that are the task's or the command's own."""


def read_words(argv: Sequence[str], *, prog: str, about: str) -> TaskCommand:
    """Find the task that a command line names, and load its module.

    Args:
        argv: the words.
        prog: what the user types, for messages.
        about: the head of the help, which is printed if no task is named.

    Raises:
        SystemExit: 0 after the help, 2 if no task is named, there is no such task, or it cannot
            be imported.
    """
    try:
        words = plugins.take_option(argv)
        given, rest = _split(words, ("--task", "--checkpoint"))
        if "--task" not in given:
            if {"-h", "--help"} & set(rest):
                print(tasks_help(prog, about))
                raise SystemExit(0)
            refuse(prog, f"name the task: --task NAME; {prog} --help lists them")
        task = load_task(given["--task"])
    except ClippingError as error:
        refuse(prog, error)
    checkpoint = given.get("--checkpoint")
    return TaskCommand(given["--task"], task, Path(checkpoint) if checkpoint else None, tuple(rest))


def tasks_help(prog: str, about: str) -> str:
    """Return the help of a command: all tasks and their networks, of which none is imported."""
    lines = [f"usage: {prog} --task NAME [options]", "", *_wrapped(about), ""]
    tasks, problems = TABLE.collect_rows()
    lines += ["tasks, and the networks of each:"] if tasks else ["There are no tasks."]
    for task, row in tasks.items():
        networks, more = networks_of(task).collect_rows()
        lines += ["", *_rows({task: row}, "  "), *_rows(networks, "    ")]
        problems += more
    lines += ["", *_wrapped(f"{plugins.OPTION} FILE.py: {plugins.HELP}")]
    for problem in dict.fromkeys(problems):
        lines += ["", *_wrapped(f"left out: {problem}")]
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS, break_on_hyphens=False)


def _rows(rows: Mapping[str, Row], indent: str) -> list[str]:
    lines: list[str] = []
    for name, row in rows.items():
        wrapped = textwrap.wrap(row.summary, COLUMNS - 20) or [""]
        lines.append(f"{indent + name:<18}  {wrapped[0]}")
        lines += [" " * 20 + line for line in wrapped[1:]]
    return lines


def _split(words: Sequence[str], options: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return the values of ``options``, and the words that are left."""
    given: dict[str, str] = {}
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        option, equals, value = word.partition("=")
        if word == "--":
            return given, [*rest, word, *waiting]
        if option in options:
            given[option] = value if equals else next(waiting, "")
        else:
            rest.append(word)
    return given, rest

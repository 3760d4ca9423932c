"""The first word of a command line that has several commands: each is its own module."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Mapping, Sequence


def dispatch(
    prog: str, commands: Mapping[str, tuple[str, str]], argv: Sequence[str] | None = None
) -> int:
    """Run the command that the first word names; the exit code is its own.

    Args:
        prog: what the user types, for the help text (``"python -m clipping"``).
        commands: of each, the module whose ``main`` it is, and what it does.
        argv: the words; None takes ``sys.argv[1:]``.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in commands:
        module, _ = commands[words[0]]
        try:
            command = importlib.import_module(module).main
        except KeyboardInterrupt:  # torch takes a second; later Ctrl-C is the command's
            print(f"{prog}: interrupted", file=sys.stderr)
            return 130
        code: int = command(words[1:])
        return code
    width = max(map(len, commands)) + 2
    usage = [f"usage: {prog} COMMAND …   ({prog} COMMAND --help explains one)", ""]
    usage += [f"  {name:<{width}}{summary}" for name, (_, summary) in commands.items()]
    if words and words[0] in ("-h", "--help"):
        print("\n".join(usage))
        return 0
    problem = "name a command"
    if words:
        near = difflib.get_close_matches(words[0], commands, n=1)
        problem = f"there is no command {words[0]!r}"
        problem += f"; did you mean {near[0]}?" if near else ""
    print("\n".join([*usage, "", f"{prog}: {problem}"]), file=sys.stderr)
    return 2

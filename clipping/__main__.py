"""``python -m clipping COMMAND …``: the commands of the library, each in its own module."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "probe": ("clipping.probing", "tell the streams, duration and chapters of media files"),
    "cut": ("clipping.cutting", "cut segments out of a file, with sound in sync"),
    "reel": ("clipping.reel", "join chosen segments with crossfades and titles"),
    "preview": ("clipping.preview", "make a contact sheet or an animation of a segment"),
}
_PROG = "python -m clipping"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is the command's own."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        module, _ = COMMANDS[words[0]]
        code: int = importlib.import_module(module).main(words[1:])
        return code
    if words and words[0] in ("-h", "--help"):
        print(_help())
        return 0
    wrong = f"there is no command {words[0]!r}" if words else "a command is missing"
    print(f"{_PROG}: {wrong}\n\n{_help()}", file=sys.stderr)
    return 2


def _help() -> str:
    lines = [f"usage: {_PROG} COMMAND …", "", "commands:"]
    lines += [f"  {name:<8} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join([*lines, "", f"{_PROG} COMMAND --help tells the options of one."])


if __name__ == "__main__":
    sys.exit(main())

"""``python -m avtnet.correct``: correct the times of a label in a file, or say it has none."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clipping import config
from clipping.errors import ClippingError, ConfigError
from clipping.formats.titles import role_of
from clipping.kept.cache import Cache
from clipping.kept.corrections import Correction, correct, corrections_of, undo
from clipping.segments import format_time, parse_time

PROG = "python -m avtnet.correct"
LABELS = ("opening", "ending", "recap", "preview", "mixed", "commercial")


@dataclass(frozen=True)
class CorrectConfig:
    """Correct what was found in a file; the correction also helps to find the same in other files.

    FILE LABEL START END gives the times, as seconds or 1:23.5; FILE LABEL none says that the file
    has none; FILE alone lists its corrections. Labels: opening, ending, recap, preview, mixed (a
    song over story), commercial.
    """

    words: tuple[str, ...] = field(
        default=(), metadata={"help": "FILE, FILE LABEL START END, or FILE LABEL none"}
    )
    add: bool = False
    """add one more span of this label, in a file that holds two episodes"""
    undo: bool = False
    """remove the last correction of FILE (LABEL); the one before counts again"""
    cache: Path | None = None
    """the folder of locate's --cache; left out: .avtnet next to the file"""

    def __post_init__(self) -> None:
        most = {True: "FILE [LABEL]", False: "FILE, FILE LABEL START END, or FILE LABEL none"}
        none = len(self.words) == 3 and self.words[2].lower() == "none"
        if self.undo and len(self.words) not in (1, 2):
            raise ConfigError(f"--undo takes {most[True]}, got {len(self.words)} words")
        if not self.undo and not (none or len(self.words) in (1, 4)):
            raise ConfigError(f"name {most[False]}; got {' '.join(self.words) or 'nothing'}")
        if self.add and len(self.words) != 4:
            raise ConfigError("--add goes with FILE LABEL START END")
        if len(self.words) > 1:
            _label(self.words[1])
        for word in self.words[2:] if len(self.words) == 4 else ():
            parse_time(word)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m avtnet.correct``."""
    settings = config.parse(CorrectConfig, argv, prog=PROG, positional="words")
    return config.run(lambda: _command(settings), PROG)


def _command(settings: CorrectConfig) -> int:
    path, *rest = Path(settings.words[0]), *settings.words[1:]
    cache = Cache(settings.cache)
    if settings.undo:
        label = _label(rest[0]) if rest else None
        if not undo(path, cache, label):
            raise ClippingError(f"{path}: nothing was said about its {label or 'segments'}")
    elif rest:
        label = _label(rest[0])
        spans = [] if len(rest) == 2 else [(parse_time(rest[1]), parse_time(rest[2]))]
        if settings.add:
            there = [each for each in corrections_of(path, cache) if each.label == label]
            spans += [(e.start, e.end) for e in there if e.start is not None and e.end is not None]
        correct(path, cache, label, spans)
    corrections = corrections_of(path, cache)
    print(f"{path}:{'' if corrections else ' nothing was said about it'}")
    for each in corrections:
        print(f"  {_line(each)}")
    return 0


def _line(correction: Correction) -> str:
    if correction.start is None or correction.end is None:
        span = "none"
    else:
        span = f"{format_time(correction.start)} - {format_time(correction.end)}"
    return f"{correction.label}: {span} ({correction.by}, {correction.when})"


def _label(word: str) -> str:
    role = word if word in LABELS else role_of(word)  # no title is called "mixed"
    if role not in LABELS:
        raise ConfigError(f"a label is one of {', '.join(LABELS)}, got {word!r}")
    return role


if __name__ == "__main__":
    sys.exit(main())

"""The console command: ``avtnet COMMAND …`` (also ``python -m avtnet COMMAND …``)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "locate": ("avtnet.localization", "find the opening and the ending of episodes"),
    "preprocess": ("preprocess.batch", "make the features of videos"),
    "train": ("avtnet.train", "train a network on labelled features"),
    "evaluate": ("avtnet.evaluate", "score a checkpoint or a submission"),
    "predict": ("avtnet.predict", "write a submission of the challenge"),
    "fuse": ("ensemble.fuse", "fuse several submissions into one"),
    "synthesize": ("avtnet.synthesize", "make a labelled set of made-up episodes"),
    "recipe": ("avtnet.recipe", "reproduce the whole recipe, small"),
    "cut": ("clipping.cutting", "cut segments out of videos, or leave them out"),
    "probe": ("clipping.probing", "say what is in a media file"),
    "reel": ("clipping.reel", "join chosen segments with crossfades and titles"),
    "preview": ("clipping.preview", "draw a contact sheet or an animation of a segment"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first word names."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words and words[0] in COMMANDS:
        module, _ = COMMANDS[words[0]]
        code: int = importlib.import_module(module).main(words[1:])
        return code
    asked = bool(words) and words[0] in ("-h", "--help")
    out = sys.stdout if asked else sys.stderr
    print("usage: avtnet COMMAND …   (avtnet COMMAND --help explains one)\n", file=out)
    for name, (_, summary) in COMMANDS.items():
        print(f"  {name:<12}{summary}", file=out)
    if words and not asked:
        print(f"\navtnet: there is no command {words[0]!r}", file=out)
    return 0 if asked else 2


if __name__ == "__main__":
    sys.exit(main())

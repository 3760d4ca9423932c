"""The console command: ``avtnet COMMAND …`` (also ``python -m avtnet COMMAND …``)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clipping.__main__ import COMMANDS as CLIPPING_COMMANDS
from clipping.commands import dispatch

COMMANDS = {
    "locate": ("avtnet.localization", "find the opening and the ending of episodes"),
    "correct": ("avtnet.correct", "say where an opening or an ending really is"),
    "themes": ("avtnet.themes", "remember openings and endings, and find them in single files"),
    "cache": ("avtnet.cache", "what is kept about media files, and room for more"),
    "preprocess": ("preprocess.batch.command", "make the features of videos"),
    "train": ("avtnet.train", "train a network on labelled features"),
    "tune": ("avtnet.tune", "tune the network on your own labelled episodes"),
    "dense_train": ("avtnet.dense_train", "train AVTNetDense on made-up episodes"),
    "evaluate": ("avtnet.evaluate", "score a checkpoint or a submission"),
    "predict": ("avtnet.predict", "write a submission of the challenge"),
    "export": ("avtnet.export", "write a checkpoint as ONNX"),
    "weights": ("avtnet.import_weights", "turn weights of other programs into checkpoints"),
    "fuse": ("ensemble.fuse", "fuse several submissions into one"),
    "synthesize": ("avtnet.synthesize", "make a labelled set of made-up episodes"),
    "recipe": ("avtnet.recipe", "reproduce the whole recipe, small"),
    **CLIPPING_COMMANDS,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first word names."""
    return dispatch("avtnet", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(main())

"""The console command: ``avtnet COMMAND …`` (also ``python -m avtnet COMMAND …``)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clipping.__main__ import FILES
from clipping.commands import dispatch

GROUPS = {
    "openings and endings": {
        "locate": ("avtnet.localization", "find the opening and the ending of episodes"),
        "correct": ("avtnet.correct", "say where an opening or an ending really is"),
        "themes": (
            "avtnet.themes",
            "remember openings and endings, and find them in single files",
        ),
        "cache": ("avtnet.cache", "list or remove what is kept about media files"),
    },
    "media files": FILES,
    "your own network": {
        "tune": ("avtnet.tune", "tune AVTNetDense on your own labelled episodes"),
        "preprocess": ("preprocess.batch.command", "make the features of videos"),
        "shards": ("preprocess.shards", "pack features into tar files, to train from storage"),
        "train": ("avtnet.train", "train a network of the original on labelled features"),
        "dense-train": ("avtnet.dense_train", "train AVTNetDense on made-up episodes"),
        "evaluate": ("avtnet.evaluate", "score a checkpoint, a submission or timelines"),
        "predict": ("avtnet.predict", "write a submission of the challenge"),
        "fuse": ("ensemble.fuse", "fuse several submissions into one"),
        "export": ("avtnet.export", "write a checkpoint as ONNX"),
        "weights": ("avtnet.import_weights", "turn weights of other programs into checkpoints"),
    },
    "made-up episodes": {
        "synthesize": ("avtnet.synthesize", "make a labelled set of made-up episodes"),
        "compose": ("avtnet.compose", "compose windows of made-up pieces, to train on"),
        "recipe": ("avtnet.recipe", "reproduce the original's whole recipe, small"),
    },
}
ALSO = {"dense_train": "dense-train"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the first word names."""
    return dispatch("avtnet", GROUPS, argv, also=ALSO)


if __name__ == "__main__":
    sys.exit(main())

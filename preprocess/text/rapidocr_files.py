"""ONNX files inside the installed rapidocr, which is an extra; its code is never imported.

That needs OpenCV, which does not load on a bare machine. rapidocr is held below 3.9: later wheels
carry only PP-OCRv6, which sees text in drawn characters (docs/text.md).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from clipping.extra import ExtraMissing, remedy

DETECTOR = "ch_PP-OCRv4_det_mobile.onnx"
"""The detector as PaddleOCR exported it; :mod:`preprocess.text.network` makes the shipped one."""
WORDS = "ch_PP-OCRv4_rec_mobile.onnx"
"""The recognizer, for :mod:`preprocess.text.words_ppocr`."""


def find_model(name: str) -> Path:
    """Return the path of an ONNX file of the installed rapidocr.

    Raises:
        ExtraMissing: where no installed rapidocr carries it.
    """
    spec = importlib.util.find_spec("rapidocr")
    folders = (spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        model = Path(folder) / "models" / name
        if model.is_file():
            return model
    raise ExtraMissing(f"{name} of {remedy('rapidocr')}, or choose --features.text-engine none")

"""The words in the boxes: only on request, for people who want to read what the masks cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from preprocess.text.engine import Box


@dataclass(frozen=True)
class Line:
    """A line of text in a frame of a window."""

    second: int
    """The whole second of the window at which the frame is shown."""
    time: float
    """Media time of the frame."""
    text: str
    box: tuple[int, int, int, int]
    """left, top, right, bottom in pixels of the upright picture."""
    score: float
    """Confidence of the engine in the words, 0..1."""


class TextReader(Protocol):
    """A recognition engine."""

    def read(self, picture: np.ndarray) -> tuple[str, float]:
        """The words in an RGB picture, uint8 (height, width, 3), of one line, and a score 0..1."""


def reader(
    engine: Literal["ppocr", "easyocr"],
    languages: Sequence[str] = ("en",),
    easyocr_models: Path | None = None,
) -> TextReader:
    """The recognition engine that goes with a detection engine.

    Args:
        languages: for EasyOCR, in its own codes; PP-OCR's model reads Chinese, Latin and most
            Japanese characters by itself.

    Raises:
        ClippingError: where the engine or its weights are not installed.
    """
    if engine == "easyocr":
        from preprocess.text.easyocr import EasyOCRReader

        return EasyOCRReader(easyocr_models, languages)
    from preprocess.text.words_ppocr import PPOCRReader

    return PPOCRReader()


def read_lines(
    engine: TextReader, picture: np.ndarray, boxes: Sequence[Box], second: int, time: float
) -> list[Line]:
    """The words in the boxes of a full-size frame, from top to bottom; boxes of none left out."""
    height, width = picture.shape[:2]
    lines = []
    for box in sorted(boxes, key=lambda box: (box.top, box.left)):
        left, right = int(box.left * width), min(width, int(np.ceil(box.right * width)))
        top, bottom = int(box.top * height), min(height, int(np.ceil(box.bottom * height)))
        line = picture[top:bottom, left:right]
        if min(line.shape[:2]) < 2:
            continue
        if line.shape[0] > 1.5 * line.shape[1]:
            line = np.rot90(line)  # a column of text, as PaddleOCR turns it
        words, score = engine.read(np.ascontiguousarray(line))
        if words.strip():
            place = (left, top, right, bottom)
            lines.append(Line(second, round(time, 3), words, place, round(score, 4)))
    return lines

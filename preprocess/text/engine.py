"""Find the text in a picture: one small interface, the engines behind it, and the mask."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from preprocess.frames import letterbox

if TYPE_CHECKING:
    from preprocess.settings import FeatureSettings

_ONE_CELL = 1 - 1e-9
"""Area of a cell, less what rounding takes."""


@dataclass(frozen=True)
class Box:
    """A rectangle with text, in shares (0..1) of the picture's width and height."""

    left: float
    top: float
    right: float
    bottom: float
    score: float = 1.0
    """Confidence of the engine, 0..1; 1 if it gives none."""


class TextDetector(Protocol):
    """A text engine: it says what size of picture it wants, and finds the boxes in one."""

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (width, height) to scale an upright picture of ``size`` to before :meth:`find`."""

    def find(self, picture: np.ndarray) -> list[Box]:
        """The text in an RGB picture, uint8 (height, width, 3), of that size."""


ENGINES = {
    "ppocr": "preprocess.text.ppocr",
    "easyocr": "preprocess.text.easyocr",
    "none": "preprocess.text.none",
}
"""The module of each engine, loaded when first used; each has a function ``build``."""


@lru_cache(maxsize=4)
def detector(settings: FeatureSettings, easyocr_models: Path | None = None) -> TextDetector:
    """The engine that the settings name; loaded once in a process.

    Args:
        easyocr_models: the folder with EasyOCR's weights; None lets EasyOCR download its own.

    Raises:
        ClippingError: where the engine or its weights are not installed.
    """
    built: TextDetector = importlib.import_module(ENGINES[settings.text_engine]).build(
        settings, easyocr_models
    )
    return built


def fill(
    boxes: Iterable[Box], size: tuple[int, int], mask_size: tuple[int, int] = (36, 27)
) -> np.ndarray:
    """The text mask of an upright picture: bool (height, width), True in the cells of a box.

    Args:
        boxes: in shares of the picture; what lies outside of it is cut off.
        size: the picture's (width, height) with square pixels, for the letterbox.
        mask_size: (width, height) in cells.

    A box is rounded to whole cells, one at the least; a box of less area than one cell is
    dropped. The letterbox's bars stay empty.
    """
    place = letterbox(size, mask_size)
    mask = np.zeros((mask_size[1], mask_size[0]), bool)
    for box in boxes:
        columns = _clip(box.left, box.right, place.width)
        rows = _clip(box.top, box.bottom, place.height)
        width, height = columns[1] - columns[0], rows[1] - rows[0]
        if width <= 0 or height <= 0 or width * height < _ONE_CELL:
            continue
        left, right = _snap(*columns, place.width)
        top, bottom = _snap(*rows, place.height)
        mask[place.top + top : place.top + bottom, place.left + left : place.left + right] = True
    return mask


def _clip(low: float, high: float, cells: int) -> tuple[float, float]:
    """Two edges in shares, cut off at the picture's border, in cells."""
    return min(max(low, 0.0), 1.0) * cells, min(max(high, 0.0), 1.0) * cells


def _snap(low: float, high: float, cells: int) -> tuple[int, int]:
    """Both edges at the nearest cell border; the cell of the middle where they fall together."""
    first, last = round(low), round(high)
    if last <= first:
        first = min(int((low + high) / 2), cells - 1)
        last = first + 1
    return first, last


LIBGL_REMEDY = (
    "a missing libGL.so.1 is in the system's package libgl1, or goes without root by "
    "pip install --force-reinstall opencv-python-headless"
)
"""Advice for a bare machine on which OpenCV, which EasyOCR needs, does not load."""

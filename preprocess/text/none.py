"""The text engine that finds nothing: empty masks, for whoever has no use for text."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from preprocess.settings import FeatureSettings
from preprocess.text.engine import Box, TextDetector


class NoText:
    """Looks at one pixel and finds nothing."""

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return 1, 1

    def find(self, picture: np.ndarray) -> list[Box]:
        return []


def build(settings: FeatureSettings, easyocr_models: Path | None) -> TextDetector:
    return NoText()

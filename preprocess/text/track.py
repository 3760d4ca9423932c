"""Text from frame to frame: a picture that is held is not looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from preprocess.text.engine import Box, TextDetector

if TYPE_CHECKING:
    from clipping.media.picture import Frame


class TextTrack:
    """Finds the text in the frames of one video.

    What the engine would see must be the same to the last bit: looser rules lose text that fades
    in slowly (docs/text.md). Even so, half of the seconds of clean holds are saved.
    """

    def __init__(self, engine: TextDetector) -> None:
        self._engine = engine
        self._seen = np.zeros((0, 0, 3), np.uint8)
        self._boxes: list[Box] = []

    def find(self, frame: Frame) -> list[Box]:
        """The text in a frame, as the engine finds it."""
        picture = frame.rgb(self._engine.input_size(frame.size))
        if not np.array_equal(picture, self._seen):
            self._seen, self._boxes = picture, self._engine.find(picture)
        return self._boxes

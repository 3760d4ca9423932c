"""PP-OCRv4 mobile, recognition: the words in a line of text, from a file inside rapidocr's wheel.

That wheel is the extra ``words``: only who wants to read the words needs these 11 MB.
"""

from __future__ import annotations

import math

import numpy as np

from clipping.onnx_session import open_session
from preprocess.text.rapidocr_files import WORDS, find_model

HEIGHT = 48
"""Rows of the network's pictures."""
LEAST_WIDTH, MOST_WIDTH = 320, 4096
"""Columns: a short line is padded to the width that the network was trained on."""


class PPOCRReader:
    """The recognizer with its weights loaded; one thread.

    Raises:
        ExtraMissing: where no installed rapidocr carries the model.
    """

    def __init__(self) -> None:
        self._session = open_session(find_model(WORDS))
        characters = self._session.get_modelmeta().custom_metadata_map["character"]
        # Class 0 is the blank that parts two equal characters; the last one is the space.
        self._characters = ["", *characters.removesuffix("\n").split("\n"), " "]

    def read(self, picture: np.ndarray) -> tuple[str, float]:
        """The words in an RGB picture of one line, and the mean probability of their characters."""
        (steps,) = self._session.run(None, {"x": self._input(picture)})
        best = steps[0].argmax(axis=1)
        # CTC: a character counts where it begins, and blanks are silent.
        begins = (best != 0) & (best != np.concatenate([[0], best[:-1]]))
        if not begins.any():
            return "", 0.0
        words = "".join(self._characters[number] for number in best[begins])
        return words.strip(), float(steps[0].max(axis=1)[begins].mean())

    @staticmethod
    def _input(picture: np.ndarray) -> np.ndarray:
        """BGR in -1..1, 48 rows, padded with grey: float32 (1, 3, 48, columns)."""
        from PIL import Image

        height, width = picture.shape[:2]
        columns = min(MOST_WIDTH, max(1, math.ceil(HEIGHT * width / height)))
        scaled = Image.fromarray(picture).resize((columns, HEIGHT), Image.Resampling.BILINEAR)
        batch = np.zeros((1, 3, HEIGHT, max(LEAST_WIDTH, columns)), np.float32)
        bgr = np.asarray(scaled, np.float32)[:, :, ::-1].transpose(2, 0, 1)
        batch[0, :, :, :columns] = bgr / 127.5 - 1
        return batch

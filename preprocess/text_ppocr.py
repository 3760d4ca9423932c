"""PP-OCRv4 mobile, detection only: text boxes from a model inside a wheel.

The wheel is rapidocr's (below 3.9: later ones carry only v6, which sees text in drawn
characters). rapidocr itself is not imported here: it needs OpenCV, and its boxes are worse than
those made straight from the probability map (docs/text.md).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from clipping.errors import ClippingError
from preprocess.settings import FeatureSettings, PPOCRSettings
from preprocess.text import Box, TextDetector

MODEL = "ch_PP-OCRv4_det_mobile.onnx"
"""The detector's file."""
WORDS_MODEL = "ch_PP-OCRv4_rec_mobile.onnx"
"""The recognizer's, for :mod:`preprocess.words_ppocr`."""
STRIDE = 32
"""The network's pictures have sides that are multiples of this."""
# ImageNet's mean and deviation in the order in which PaddleOCR applies them: to BGR.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_SCALE = 1 / (255 * _DEVIATION)
_SHIFT = -_MEAN / _DEVIATION


class PPOCR:
    """The detector with its weights loaded; one thread, so that processes do not get in the way."""

    def __init__(self, model: Path, settings: PPOCRSettings) -> None:
        self.settings = settings
        self._session = open_model(model)
        self._input = self._session.get_inputs()[0].name

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Scaled down to the settings' long side, never up; each side to a multiple of 32."""
        scale = min(1.0, self.settings.long_side / max(size))
        width, height = (max(1, round(side * scale / STRIDE)) * STRIDE for side in size)
        return width, height

    def find(self, picture: np.ndarray) -> list[Box]:
        return boxes(self.probabilities(picture), self.settings)

    def probabilities(self, picture: np.ndarray) -> np.ndarray:
        """How likely each pixel is text: float32 (height, width)."""
        batch = np.ascontiguousarray(self.normalize(picture).transpose(2, 0, 1))[np.newaxis]
        found: np.ndarray = self._session.run(None, {self._input: batch})[0][0, 0]
        return found

    @staticmethod
    def normalize(picture: np.ndarray) -> np.ndarray:
        """BGR with ImageNet's mean and deviation, as PaddleOCR trains it: float32."""
        normal: np.ndarray = picture[:, :, ::-1] * _SCALE + _SHIFT
        return normal


def boxes(probabilities: np.ndarray, settings: PPOCRSettings) -> list[Box]:
    """Connected areas of likely text as boxes, without those that are too faint, small or high."""
    from scipy import ndimage

    height, width = probabilities.shape
    areas, count = ndimage.label(probabilities > settings.pixel)
    if count == 0:
        return []
    numbers = np.arange(1, count + 1)
    pixels = np.bincount(areas.ravel(), minlength=count + 1)[1:]
    scores = ndimage.mean(probabilities, areas, numbers)
    found = []
    for (rows, columns), size, score in zip(
        ndimage.find_objects(areas), pixels, scores, strict=True
    ):
        high, wide = rows.stop - rows.start, columns.stop - columns.start
        if size < settings.min_pixels or score < settings.score:
            continue
        if min(high, wide) > settings.max_height * height:
            continue
        grow = settings.growth * high * wide / (2 * (high + wide))
        found.append(
            Box(
                max(0.0, (columns.start - grow) / width),
                max(0.0, (rows.start - grow) / height),
                min(1.0, (columns.stop + grow) / width),
                min(1.0, (rows.stop + grow) / height),
                min(1.0, float(score)),
            )
        )
    return found


def build(settings: FeatureSettings, easyocr_models: Path | None) -> TextDetector:
    """The detector of the settings.

    Raises:
        ClippingError: where no installed rapidocr carries the model.
    """
    return PPOCR(find_model(), settings.ppocr)


def open_model(model: Path) -> Any:
    """An onnxruntime session that computes in one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def find_model(name: str = MODEL) -> Path:
    """An ONNX file inside the installed rapidocr, found without importing that package.

    Raises:
        ClippingError: where no installed rapidocr carries it.
    """
    spec = importlib.util.find_spec("rapidocr")
    folders = (spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        model = Path(folder) / "models" / name
        if model.is_file():
            return model
    raise ClippingError(
        f"the text model {name} is not installed; pip install 'rapidocr>=3.8,<3.9', "
        "or choose --features.text_engine none"
    )

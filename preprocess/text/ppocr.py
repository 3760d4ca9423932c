"""PP-OCRv4 mobile, detection only: text boxes from a model that comes with the package.

Its file is in models/, with its licence and source. Boxes are made straight from the probability
map, which gives better ones than rapidocr's (docs/text.md) and needs no OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from clipping.errors import ClippingError
from clipping.extra import extra_imports
from clipping.onnx_session import open_session
from preprocess.settings import FeatureSettings, PPOCRSettings
from preprocess.text.engine import Box, TextDetector

MODEL = Path(__file__).parent / "models" / "ch_PP-OCRv4_det_mobile.quick.onnx"
"""The detector's file, as :mod:`preprocess.text.network` writes it."""
STRIDE = 32
"""The network's pictures have sides that are multiples of this."""
# ImageNet's mean and deviation in the order in which PaddleOCR applies them: to BGR.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_SCALE = 1 / (255 * _DEVIATION)
_SHIFT = -_MEAN / _DEVIATION
# Pixels by which the network's map lies too far right and too low, measured on rendered credits.
_RIGHT, _LOW = 0.75, 1.0


class PPOCR:
    """The detector with its weights loaded; one thread, so that processes do not get in the way."""

    def __init__(self, model: Path, settings: PPOCRSettings) -> None:
        self.settings = settings
        self._run = open_network(model, settings.runtime)

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Scaled down to the settings' long side, never up; each side to a multiple of 32."""
        scale = min(1.0, self.settings.long_side / max(size))
        width, height = (max(1, round(side * scale / STRIDE)) * STRIDE for side in size)
        return width, height

    def find(self, picture: np.ndarray) -> list[Box]:
        return boxes(self.probabilities(picture), self.settings)

    def probabilities(self, picture: np.ndarray) -> np.ndarray:
        """Return the probability of text at each pixel: float32 (height, width)."""
        batch = np.empty((1, 3, *picture.shape[:2]), np.float32)
        self.normalize(picture, batch[0])
        return self._run(batch)

    def normalize(self, picture: np.ndarray, planes: np.ndarray) -> None:
        """BGR with ImageNet's mean and deviation, as PaddleOCR trains it: float32 (3, h, w)."""
        for plane, channel, scale, shift in zip(planes, (2, 1, 0), _SCALE, _SHIFT, strict=True):
            np.multiply(picture[:, :, channel], scale, out=plane)
            plane += shift


def boxes(probabilities: np.ndarray, settings: PPOCRSettings) -> list[Box]:
    """Connected areas of likely text as boxes, without those that are too faint, small or high."""
    from scipy import ndimage

    height, width = probabilities.shape
    likely = probabilities > settings.pixel
    rows = np.flatnonzero(likely.any(axis=1))
    if not rows.size:
        return []
    first = int(rows[0])  # only rows with something in them are looked at
    probabilities = probabilities[first : rows[-1] + 1]
    areas, count = ndimage.label(likely[first : rows[-1] + 1])
    pixels = np.bincount(areas.ravel(), minlength=count + 1)
    sums = np.bincount(areas.ravel(), probabilities.ravel(), minlength=count + 1)
    found = []
    for number, (down, across) in enumerate(ndimage.find_objects(areas), start=1):
        score = sums[number] / pixels[number]
        if pixels[number] < settings.min_pixels or score < settings.score:
            continue
        high, wide = down.stop - down.start, across.stop - across.start
        if not _like_text(high, wide, score, height, settings):
            continue
        grow = settings.growth * high * wide / (2 * (high + wide))
        top, left = first + down.start - grow - _LOW, across.start - grow - _RIGHT
        found.append(
            Box(
                max(0.0, left / width),
                max(0.0, top / height),
                min(1.0, (left + wide + 2 * grow) / width),
                min(1.0, (top + high + 2 * grow) / height),
                min(1.0, float(score)),
            )
        )
    return found


def _like_text(high: int, wide: int, score: float, height: int, settings: PPOCRSettings) -> bool:
    """Return True if an area in a picture of ``height`` pixels has the shape of writing."""
    thick, length = min(high, wide), max(high, wide)
    if thick > settings.max_height * height or length < settings.min_length * thick:
        return False
    return score >= settings.short_score or length >= settings.short_length * thick


def build(settings: FeatureSettings, easyocr_models: Path | None) -> TextDetector:
    """The detector of the settings.

    Raises:
        ClippingError: where the settings' runtime is not installed here.
    """
    return PPOCR(MODEL, settings.ppocr)


def open_network(model: Path, runtime: str) -> Callable[[np.ndarray], np.ndarray]:
    """The detector's network: a batch of one picture, float32 (1, 3, h, w) → its map (h, w).

    Raises:
        ClippingError: where the runtime is not installed here.
    """
    if runtime == "openvino":
        return _open_openvino(model)
    session = open_session(model, runtime)
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0][0, 0]


def _open_openvino(model: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The network in OpenVINO, compiled for each size of picture once: that is a third faster."""
    try:
        with extra_imports():
            import openvino
    except ImportError as error:
        raise ClippingError(
            f"OpenVINO cannot be loaded: {error}; or choose --features.ppocr.runtime cpu"
        ) from error
    core = openvino.Core()
    # float32: in bfloat16 it is faster still, and its masks are others (docs/text.md).
    how = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}

    @lru_cache(maxsize=4)
    def compiled(shape: tuple[int, ...]) -> Any:
        network = core.read_model(model)
        network.reshape(list(shape))
        return core.compile_model(network, "CPU", how).create_infer_request()

    busy = Lock()  # a request serves one thread at a time; onnxruntime's sessions serve many

    def run(batch: np.ndarray) -> np.ndarray:
        with busy:
            found: np.ndarray = compiled(batch.shape).infer({0: batch})[0][0, 0].copy()
        return found

    return run

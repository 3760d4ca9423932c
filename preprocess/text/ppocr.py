"""PP-OCRv4 mobile, detection only: text boxes from a model inside a wheel.

The wheel is rapidocr's (below 3.9: later ones carry only v6, which sees text in drawn
characters). rapidocr itself is not imported here: it needs OpenCV, and its boxes are worse than
those made straight from the probability map (docs/text.md).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from clipping.errors import ClippingError
from preprocess.settings import FeatureSettings, PPOCRSettings
from preprocess.text.engine import Box, TextDetector
from preprocess.text.network import quick_network

MODEL = "ch_PP-OCRv4_det_mobile.onnx"
"""The detector's file."""
WORDS_MODEL = "ch_PP-OCRv4_rec_mobile.onnx"
"""The recognizer's, for :mod:`preprocess.text.words_ppocr`."""
STRIDE = 32
"""The network's pictures have sides that are multiples of this."""
# ImageNet's mean and deviation in the order in which PaddleOCR applies them: to BGR.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_SCALE = 1 / (255 * _DEVIATION)
_SHIFT = -_MEAN / _DEVIATION
# Pixels by which the network's map lies too far right and too low, measured on rendered credits.
_RIGHT, _LOW = 0.75, 1.0
# TF32 would round the factors of products to 10 bits.
_PROVIDERS: dict[str, tuple[str, dict[str, str]]] = {
    "cpu": ("CPUExecutionProvider", {}),
    "cuda": ("CUDAExecutionProvider", {"use_tf32": "0"}),
    "coreml": ("CoreMLExecutionProvider", {}),
}


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
        """How likely each pixel is text: float32 (height, width)."""
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
    """Whether an area in a picture of ``height`` pixels has the shape of writing."""
    thick, length = min(high, wide), max(high, wide)
    if thick > settings.max_height * height or length < settings.min_length * thick:
        return False
    return score >= settings.short_score or length >= settings.short_length * thick


def build(settings: FeatureSettings, easyocr_models: Path | None) -> TextDetector:
    """The detector of the settings.

    Raises:
        ClippingError: where no installed rapidocr carries the model.
    """
    return PPOCR(find_model(), settings.ppocr)


def open_network(model: Path, runtime: str) -> Callable[[np.ndarray], np.ndarray]:
    """The detector's network: a batch of one picture, float32 (1, 3, h, w) → its map (h, w).

    Raises:
        ClippingError: where the runtime is not installed here.
    """
    if runtime == "openvino":
        return _open_openvino(model)
    session = open_model(quick_network(model), runtime)
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0][0, 0]


def open_model(model: Path | bytes, runtime: str = "cpu") -> Any:
    """An onnxruntime session that computes in one thread, or on a GPU.

    Args:
        model: an ONNX file, or what is in one.

    Raises:
        ClippingError: where the installed onnxruntime cannot do that.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    there = onnxruntime.get_available_providers()
    if runtime == "auto":
        runtime = "cuda" if _PROVIDERS["cuda"][0] in there else "cpu"
    provider, how = _PROVIDERS[runtime]
    if provider not in there:
        raise ClippingError(
            f"the installed onnxruntime has no {provider}, only {', '.join(there)}; install "
            "one that has it (onnxruntime-gpu for cuda), or choose --features.ppocr.runtime cpu"
        )
    providers = list(dict.fromkeys([provider, "CPUExecutionProvider"]))
    settings = [how if name == provider else {} for name in providers]
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers, settings)


def _open_openvino(model: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The network in OpenVINO, compiled for each size of picture once: that is a third faster."""
    try:
        import openvino
    except ImportError as error:
        raise ClippingError(
            f"OpenVINO cannot be loaded ({error}); pip install 'avtnet[openvino]', or choose "
            "--features.ppocr.runtime cpu"
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

"""EasyOCR: the CRAFT detector of the original solution. Slow (seconds a frame on a CPU)."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from clipping.errors import ClippingError
from clipping.extra import ExtraMissing, extra_imports
from preprocess.settings import EasyOCRSettings, FeatureSettings
from preprocess.text.engine import LIBGL_REMEDY, Box, TextDetector

DETECTOR_WEIGHTS = "craft_mlt_25k.pth"


class EasyOCR:
    """EasyOCR's detection, without its recognition."""

    def __init__(self, settings: EasyOCRSettings, models: Path | None) -> None:
        self.settings = settings
        self._reader = _open(models, ["en"], detector=True)

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Full size, up to the settings' long side."""
        scale = min(1.0, self.settings.long_side / max(size))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    def find(self, picture: np.ndarray) -> list[Box]:
        height, width = picture.shape[:2]
        with _quiet():
            level, slanted = self._reader.detect(
                picture,
                text_threshold=self.settings.text_threshold,
                low_text=self.settings.low_text,
                link_threshold=self.settings.link_threshold,
                canvas_size=self.settings.long_side,
            )
        edges = [tuple(box) for box in level[0]]
        for corners in slanted[0]:
            x, y = np.asarray(corners, float).T
            edges.append((x.min(), x.max(), y.min(), y.max()))
        return [
            Box(float(x0) / width, float(y0) / height, float(x1) / width, float(y1) / height)
            for x0, x1, y0, y1 in edges
        ]


class EasyOCRReader:
    """EasyOCR's recognition of single lines."""

    def __init__(self, models: Path | None, languages: Sequence[str]) -> None:
        self._reader = _open(models, list(languages), detector=False)

    def read(self, picture: np.ndarray) -> tuple[str, float]:
        grey = np.asarray(picture @ np.array([0.299, 0.587, 0.114]), np.uint8)
        with _quiet():
            found = self._reader.recognize(grey)
        scores = [float(score) for _, _, score in found]
        return " ".join(words for _, words, _ in found), min(scores, default=0.0)


def build(settings: FeatureSettings, easyocr_models: Path | None) -> TextDetector:
    """The detector of the settings.

    Raises:
        ClippingError: where EasyOCR or its weights cannot be had.
    """
    return EasyOCR(settings.easyocr, easyocr_models)


def _open(models: Path | None, languages: list[str], *, detector: bool) -> Any:
    """An ``easyocr.Reader`` with only its detector or only its recognizer.

    Weights in a folder that the user names are used as they are and never replaced: EasyOCR
    checks their MD5, and would delete and download what it does not know.
    """
    if models is not None and not models.is_dir():
        raise ClippingError(f"{models}: there is no such folder with EasyOCR's weights")
    if models is not None and detector and not (models / DETECTOR_WEIGHTS).is_file():
        raise ClippingError(
            f"{models}: EasyOCR's weights are missing there; for detection it needs "
            f"{DETECTOR_WEIGHTS}"
        )
    paths = sys.path[:]
    try:
        with extra_imports():
            import easyocr
            import torch
    except ImportError as error:
        # A cv2 that fails to load leaves its own folder in front, with a "typing" in it.
        sys.path[:] = paths
        remedy = "" if isinstance(error, ExtraMissing) else f"; {LIBGL_REMEDY}"
        raise ClippingError(
            f"easyocr cannot be loaded ({error}){remedy}, or choose --features.text-engine ppocr"
        ) from error
    torch.set_num_threads(1)  # one thread a process, as everywhere in preprocess
    folder = str(models) if models is not None else None
    try:
        with _quiet():
            return easyocr.Reader(
                languages,
                gpu=False,
                model_storage_directory=folder,
                user_network_directory=folder,
                download_enabled=models is None,
                detector=detector,
                recognizer=not detector,
                verbose=False,
            )
    except FileNotFoundError as error:
        raise ClippingError(
            f"{models}: EasyOCR's weights are missing there, or damaged ({error}); for detection "
            f"it needs {DETECTOR_WEIGHTS}"
        ) from error
    except (OSError, AssertionError, BadZipFile) as error:
        raise ClippingError(
            f"EasyOCR cannot download its weights ({error}); put craft_mlt_25k.pth into a folder "
            "and name it with --easyocr-models"
        ) from error
    except ValueError as error:
        raise ClippingError(f"EasyOCR does not know a language: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings that EasyOCR, last released in 2024, draws from current torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

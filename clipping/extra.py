"""Packages that a plain install lacks: imported where they are used, missed with a remedy."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clipping.errors import ClippingError

EXTRAS = {
    "easyocr": "easyocr",
    "fsspec": "storage",
    "imageio": "video",
    "imageio_ffmpeg": "video",
    "librosa": "librosa",
    "moviepy": "video",
    "onnx": "train",
    "openvino": "openvino",
    "opentimelineio": "otio",
    "proglog": "video",
    "rapidocr": "words",
    "ray": "ray",
    "sklearn": "sklearn",
    "tensorboard": "train",
    "torch": "train",
    "torchvision": "train",
}
"""Package → the extra of setup.cfg that brings it."""


class ExtraMissing(ClippingError, ImportError):
    """A package of an extra is not installed; the message is the line that installs it."""


@contextmanager
def extra_imports() -> Iterator[None]:
    """Imports in this block say which extra brings a package that is not there.

    Raises:
        ExtraMissing: where a package of :data:`EXTRAS` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS or has_extra(package):
            raise
        raise ExtraMissing(remedy(package)) from error


def extra_module(name: str) -> Any:
    """Return an imported module of a package of an extra.

    Raises:
        ExtraMissing: where it is not installed.
    """
    with extra_imports():
        return importlib.import_module(name)


def require_package(package: str) -> None:
    """See, before long work, that a package of an extra is installed; nothing of it is loaded.

    Raises:
        ExtraMissing: where it is not.
    """
    if not has_extra(package):
        raise ExtraMissing(remedy(package))


def has_extra(package: str) -> bool:
    """Return whether a package is installed; nothing of it is loaded."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # a module that was put in its place
        return sys.modules[package] is not None


def remedy(package: str) -> str:
    """Return the sentence with the line to type for a package of an extra."""
    return f"{package} is not installed: pip install 'avtnet[{EXTRAS[package]}]'"


def font_path() -> str:
    """A font that is always there: DejaVu Sans, which comes with matplotlib."""
    import matplotlib

    return f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"

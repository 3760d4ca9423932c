"""From an episode file to the input of the networks: MFCC, thumbnails and text masks of a window.

Importing it costs nothing: each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from preprocess.batch.command import PreprocessConfig, preprocess
    from preprocess.extraction import extract
    from preprocess.features import Features, load, save
    from preprocess.settings import FeatureSettings

_HOME = {
    "FeatureSettings": "preprocess.settings",
    "Features": "preprocess.features",
    "PreprocessConfig": "preprocess.batch.command",
    "extract": "preprocess.extraction",
    "load": "preprocess.features",
    "preprocess": "preprocess.batch.command",
    "save": "preprocess.features",
}
__all__ = [
    "FeatureSettings",
    "Features",
    "PreprocessConfig",
    "extract",
    "load",
    "preprocess",
    "save",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

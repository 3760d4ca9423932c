"""Find the opening and the ending of anime and TV episodes by sound, picture and on-screen text.

Importing it costs nothing: each public name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avtnet.config import ModelConfig, TrainConfig
    from avtnet.localization import LocateConfig, locate, locate_all
    from avtnet.model import AVTNet, AVTNet2, AVTNet_YOLT

_HOME = {
    "AVTNet": "avtnet.model",
    "AVTNet2": "avtnet.model",
    "AVTNet_YOLT": "avtnet.model",
    "LocateConfig": "avtnet.localization",
    "ModelConfig": "avtnet.config",
    "TrainConfig": "avtnet.config",
    "locate": "avtnet.localization",
    "locate_all": "avtnet.localization",
}
__all__ = [
    "AVTNet",
    "AVTNet2",
    "AVTNet_YOLT",
    "LocateConfig",
    "ModelConfig",
    "TrainConfig",
    "locate",
    "locate_all",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Find the opening and the ending of anime and TV episodes by sound, picture and on-screen text.

Importing it costs nothing: each public name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipping.extra import extra_module

if TYPE_CHECKING:
    from avtnet.classic.config import ModelConfig, TrainConfig
    from avtnet.classic.model import AVTNet, AVTNet2, AVTNet_YOLT
    from avtnet.localization import locate, locate_all
    from avtnet.search.request import LocateConfig

_HOME = {
    "AVTNet": "avtnet.classic.model",
    "AVTNet2": "avtnet.classic.model",
    "AVTNet_YOLT": "avtnet.classic.model",
    "LocateConfig": "avtnet.search.request",
    "ModelConfig": "avtnet.classic.config",
    "TrainConfig": "avtnet.classic.config",
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
        return getattr(extra_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

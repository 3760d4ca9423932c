"""Libraries of the extra ``video``: imported where they are used, missed with a remedy."""

from __future__ import annotations

import importlib
from typing import Any

from clipping.errors import ClippingError


def video_library(name: str) -> Any:
    """The imported module.

    Raises:
        ClippingError: where it is not installed, with the line that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ClippingError(
            f"{name.partition('.')[0]} is not installed: pip install 'avtnet[video]'"
        ) from error


def font_path() -> str:
    """A font that is always there: DejaVu Sans, which comes with matplotlib."""
    import matplotlib

    return f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"

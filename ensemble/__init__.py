"""Fuse the answers of several models for the same windows. Needs no torch.

The function is :func:`fuse_submissions`; ``ensemble.fuse`` is the command (``python -m
ensemble.fuse A.csv B.csv -o fused.csv``). Importing costs nothing: names are loaded when used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ensemble.fusion import Fusion, fuse_positions, fuse_submissions
    from ensemble.kmeans import Cluster, larger_cluster

_HOME = {
    "Cluster": "ensemble.kmeans",
    "Fusion": "ensemble.fusion",
    "fuse_positions": "ensemble.fusion",
    "fuse_submissions": "ensemble.fusion",
    "larger_cluster": "ensemble.kmeans",
}
__all__ = ["Cluster", "Fusion", "fuse_positions", "fuse_submissions", "larger_cluster"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

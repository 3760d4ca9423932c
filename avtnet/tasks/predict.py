"""Predict one file with a network alone: without its season, its chapters, and corrections."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from avtnet.evidence import fuse_candidates
from avtnet.search.inputs import collect_features
from avtnet.search.networks import (
    Networks,
    load_inputs,
    load_networks,
    network_candidates,
    predict_views,
)
from avtnet.search.request import LocateConfig
from clipping.errors import ClippingError
from clipping.segments import Timeline
from preprocess.features import SIDES


def predict(path: Path, checkpoint: Path) -> Timeline:
    """Return the opening and the ending that the network of a checkpoint finds.

    Args:
        path: a media file, or a file of features (``.safetensors`` of a window, ``.episode``).
        checkpoint: of AVTNetDense, or of a network of the original's family.

    Raises:
        ClippingError: if the file cannot be read, or the checkpoint cannot be used.
    """
    if not path.is_file():
        raise ClippingError(f"{path}: there is no such file")
    networks = _networks(checkpoint, checkpoint.stat().st_mtime_ns if checkpoint.is_file() else 0)
    with collect_features([str(path)], networks.settings, workers=0) as collected:
        for reason in collected.failures.values():
            raise ClippingError(reason)
        windows = sorted(collected.features, key=lambda window: SIDES.index(window.side))
        episode = next(iter(collected.episodes.values()), None)
        inputs = load_inputs([collected.features[window] for window in windows], episode)
        boundaries = predict_views(inputs, networks)
        candidates = network_candidates(inputs, boundaries, networks, 1.0)
    duration = max((window.duration for window in inputs.windows), default=0.0)
    segments = fuse_candidates(candidates, duration, min_confidence=LocateConfig.min_confidence)
    return Timeline(str(path), round(duration, 3), segments)


@lru_cache(maxsize=1)
def _networks(checkpoint: Path, changed: int) -> Networks:
    """Load a checkpoint; many files are predicted with the same one."""
    return load_networks(LocateConfig(weights=(checkpoint,), network="always"))

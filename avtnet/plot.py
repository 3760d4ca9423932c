"""A picture of what the network saw of an episode, and of what it said."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avtnet.decode import LABELS, NAMES, Boundary
from clipping.files import atomic_path
from clipping.segments import Timeline

COLOURS = {"opening": "#1f77b4", "ending": "#d62728"}


def draw_episode(folder: Path, name: str, boundaries: Sequence[Boundary], found: Timeline) -> Path:
    """Draw ``FOLDER/NAME.png``: a column a window, with the same seconds below each other.

    From the top: MFCC; mean colour and brightness of the frames; share of the picture that is
    text; where each model sees the boundary, in each of its views.

    Raises:
        ClippingError: where the picture cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5 * len(boundaries), 7), layout="constrained")
    title = f"{name}: {_summary(found)}".encode("utf-8", "backslashreplace").decode()
    figure.suptitle(title, parse_math=False)  # a $ in a file's name is a $
    grid = figure.subplots(
        4, len(boundaries), squeeze=False, sharex="col", height_ratios=(3, 1, 2, 2)
    )
    for column, boundary in zip(grid.T, boundaries, strict=True):
        _draw_window(column, boundary, found)
    # S1/01 stays a folder and a file, as with clips and features: S1_01 is another episode.
    parts = [re.sub(r"[^-.()\w ]", "_", part).lstrip(".") for part in name.split("/")]
    path = folder.joinpath(*parts[:-1], f"{parts[-1] or 'episode'}.png")
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # they become boxes
        figure.savefig(temporary, dpi=100)
    return path


def _draw_window(axes: Sequence[Any], boundary: Boundary, found: Timeline) -> None:
    features = boundary.features
    first, last = features.start, features.start + features.settings.window
    seconds = first + np.arange(features.settings.seconds)

    # Each coefficient on its own scale: loudness, the first, would drown the others.
    mean, spread = (figure(features.mfcc, axis=1, keepdims=True) for figure in (np.mean, np.std))
    axes[0].imshow(
        (features.mfcc - mean) / np.maximum(spread, 1e-6),
        aspect="auto",
        origin="lower",
        extent=(first, last, 0, len(features.mfcc)),
        cmap="RdBu_r",
        vmin=-2.5,
        vmax=2.5,
        interpolation="nearest",
    )
    axes[0].set(ylabel="MFCC", title=f"{features.side} window: where {NAMES[features.side]}")

    colours = features.frames.mean(axis=(2, 3)) / 255
    axes[1].imshow(colours[None], aspect="auto", extent=(first, last, 0, 1))
    axes[1].set(ylabel="colour", yticks=[])

    coverage = features.text.mean(axis=(1, 2)) * 100
    axes[2].fill_between(seconds, coverage, step="post", color="#555555")
    axes[2].set(ylabel="text (% of picture)", ylim=(0, max(5.0, coverage.max() * 1.1)))

    label = LABELS[features.side]
    for row, positions in enumerate(boundary.views.values()):
        places = [features.start + position for position in positions]
        axes[3].plot(places, [row] * len(places), ".", color="#999999", markersize=8)
        axes[3].plot(places[0], row, "o", color=COLOURS[label])
    axes[3].set_yticks(
        range(len(boundary.views)), labels=list(boundary.views), fontsize=7, parse_math=False
    )
    axes[3].set(ylim=(-0.7, len(boundary.views) - 0.3))
    axes[3].set_xlabel(
        f"seconds of the file; {NAMES[features.side]} at {boundary.time:.1f} s, "
        f"confidence {boundary.confidence:.2f}"
    )
    for axis in axes:
        axis.axvline(boundary.time, color=COLOURS[label], linewidth=1.2)
        segment = found.find(label)
        if segment is not None:
            axis.axvspan(segment.start, segment.end, color=COLOURS[label], alpha=0.08)
        axis.set_xlim(first, last)


def _summary(found: Timeline) -> str:
    if found.error is not None:
        return found.error
    return ", ".join(map(str, found.segments)) or "nothing found"

"""Draw an episode: the features that the networks see, and their answers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avtnet.classic.decode import LABELS, NAMES, Boundary
from avtnet.evidence import Candidate
from clipping.files import atomic_path
from clipping.segments import Timeline
from preprocess.features import Features

COLOURS = {"opening": "#1f77b4", "ending": "#d62728"}


def draw_episode(
    folder: Path,
    name: str,
    windows: Sequence[Features],
    found: Timeline,
    boundaries: Sequence[Boundary] = (),
    candidates: Sequence[Candidate] = (),
) -> Path:
    """Draw ``FOLDER/NAME.png``: one column for each window, with equal seconds below each other.

    Rows from the top: MFCC; mean colour of the frames; share of the picture that is text; the
    answers of the networks.

    Args:
        windows: features of the episode's windows.
        boundaries: answers of networks that know one boundary of a window, in several views.
        candidates: answers of networks that know both ends, drawn for windows without a boundary.

    Raises:
        ClippingError: if the picture cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5 * len(windows), 7), layout="constrained")
    title = f"{name}: {_summary(found)}".encode("utf-8", "backslashreplace").decode()
    figure.suptitle(title, parse_math=False)  # a $ in a file's name is no formula
    grid = figure.subplots(4, len(windows), squeeze=False, sharex="col", height_ratios=(3, 1, 2, 2))
    of_side = {boundary.side: boundary for boundary in boundaries}
    for column, features in zip(grid.T, windows, strict=True):
        _draw_window(column, features, found)
        boundary = of_side.get(features.side)
        if boundary is not None:
            _draw_views(column, boundary)
        else:
            _draw_candidates(column[3], features, candidates)
    # S1/01 stays a folder and a file, as with clips and features: S1_01 may be another episode.
    parts = [re.sub(r"[^-.()\w ]", "_", part).lstrip(".") for part in name.split("/")]
    path = folder.joinpath(*parts[:-1], f"{parts[-1] or 'episode'}.png")
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # drawn as boxes
        figure.savefig(temporary, dpi=100)
    return path


def _draw_window(axes: Sequence[Any], features: Features, found: Timeline) -> None:
    """Draw the features of a window into the first three of its four axes."""
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
    segment = found.find(label)
    for axis in axes:
        if segment is not None:
            axis.axvspan(segment.start, segment.end, color=COLOURS[label], alpha=0.08)
        axis.set_xlim(first, last)


def _draw_views(axes: Sequence[Any], boundary: Boundary) -> None:
    """Draw the positions that the models give to the boundary: one row a model, a dot a view."""
    features, answers = boundary.features, axes[3]
    colour = COLOURS[LABELS[features.side]]
    for row, positions in enumerate(boundary.views.values()):
        places = [features.start + position for position in positions]
        answers.plot(places, [row] * len(places), ".", color="#999999", markersize=8)
        answers.plot(places[0], row, "o", color=colour)
    answers.set_yticks(
        range(len(boundary.views)), labels=list(boundary.views), fontsize=7, parse_math=False
    )
    answers.set(ylim=(-0.7, len(boundary.views) - 0.3))
    answers.set_xlabel(
        f"seconds of the file; {NAMES[features.side]} at {boundary.time:.1f} s, "
        f"confidence {boundary.confidence:.2f}"
    )
    for axis in axes:
        axis.axvline(boundary.time, color=colour, linewidth=1.2)


def _draw_candidates(axis: Any, features: Features, candidates: Sequence[Candidate]) -> None:
    """Draw the candidates of a window's role as bars, with their trust."""
    label = LABELS[features.side]
    first, last = features.start, features.start + features.settings.window
    own = [each for each in candidates if each.role == label]
    for row, each in enumerate(own):
        low = first if each.start is None else each.start
        high = last if each.end is None else each.end
        axis.plot([low, high], [row, row], "|-", color=COLOURS[label], linewidth=3)
    labels = [f"sure {each.trust:.2f}" for each in own]
    axis.set_yticks(range(len(own)), labels=labels, fontsize=7)
    axis.set(ylim=(-0.7, max(1, len(own)) - 0.3))
    axis.set_xlabel(f"seconds of the file; {label} by AVTNetDense" + ("" if own else ": none"))


def _summary(found: Timeline) -> str:
    """Return the segments of an episode, or its error, as text."""
    if found.error is not None:
        return found.error
    return ", ".join(map(str, found.segments)) or "nothing found"

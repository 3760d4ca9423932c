"""Varied episodes as real files: what ``python -m avtnet.synthesize --kind varied`` makes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from avtnet.synthesis.encode import encode
from avtnet.synthesis.film import Film, draw_size
from avtnet.synthesis.material import SPLITS, SUFFIXES, Material, find_material
from avtnet.synthesis.outline import Outline, draw_outline
from avtnet.synthesis.settings import Split
from clipping.files import atomic_path

if TYPE_CHECKING:
    from avtnet.synthesis.settings import SynthesizeConfig


def draw_outlines(config: SynthesizeConfig) -> list[Outline]:
    """Return the outline of every episode, without rendering; a larger number changes none."""
    outlines = []
    seed = config.seed * len(SPLITS) + SPLITS[config.split]
    spread = (config.duration, config.duration + config.duration_spread)
    for index in range(config.episodes):
        series, number = divmod(index, config.series_episodes)
        name = f"{config.split}-s{series + 1:03d}e{number + 1:02d}"
        outlines.append(draw_outline(seed, index, series=series, name=name, duration=spread))
    return outlines


def render(outline: Outline, path: Path, config: SynthesizeConfig) -> None:
    """Write an episode's file: H.264 of some quality and AAC in MP4."""
    rng = np.random.default_rng([outline.seed, 24])
    size = draw_size(rng, config.picture_size[1])
    film = Film(outline, size, _material(config))
    with atomic_path(path) as temporary:
        encode(
            temporary,
            film.pictures(config.rate),
            film.mastered(0.0, outline.duration),
            size=size,
            rate=config.rate,
            crf=int(rng.integers(20, 36)),
        )


def describe_outline(outline: Outline, media: Path, config: SynthesizeConfig) -> dict[str, Any]:
    """Return the contents of an episode's truth file, without its settings."""
    return {
        "name": outline.name,
        "file": media.relative_to(config.output).as_posix(),
        "series": outline.series_seed,
        "duration": outline.duration,
        "opening": outline.span("opening"),
        "ending": outline.span("ending"),
        "labels": outline.labels,
        "parts": [
            {"kind": each.kind, "start": round(each.start, 4), "end": round(each.end, 4)}
            for each in outline.stretches
        ],
        "size_bytes": media.stat().st_size,
    }


def _material(config: SynthesizeConfig) -> Material:
    elsewhere = tuple((kind, getattr(config, kind)) for kind in SUFFIXES)
    return _found(config.material, config.split, elsewhere)


@lru_cache(maxsize=1)
def _found(
    folder: Path | None, split: Split, elsewhere: tuple[tuple[str, Path | None], ...]
) -> Material:
    """Return the material of a split; each worker searches for it once."""
    return find_material(folder, split, dict(elsewhere))

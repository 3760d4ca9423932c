"""A varied episode whose pictures and sound can be rendered at any time of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from avtnet.synthesis.captions import Box, Writer
from avtnet.synthesis.drawing import Style, draw_look
from avtnet.synthesis.material import Material
from avtnet.synthesis.mixing import Mixer, draw_mix, master
from avtnet.synthesis.music import SAMPLE_RATE, Sound
from avtnet.synthesis.outline import Outline
from avtnet.synthesis.scenes import Scene, scene

SHAPES = (16 / 9, 16 / 9, 16 / 9, 4 / 3, 2.35)
"""Possible shapes of pictures, width over height."""


@dataclass(frozen=True)
class FilmManner:
    """Changes of every picture of an episode, as copies of real ones have."""

    brightness: float
    contrast: float
    saturation: float
    tint: tuple[float, float, float]
    grain: float
    """Standard deviation of noise, in steps of 255."""
    blur: float
    """Radius of a blur in pixels of a picture 100 pixels high."""
    quality: int
    """JPEG quality, in place of a video codec; 0: no compression."""
    bars: float
    """Black bars above and below (positive) or at the sides (negative), as a share of the side."""
    mark: bool
    """A station's logo in a corner."""
    subtitled: bool


PLAIN = FilmManner(1.0, 1.0, 1.0, (1.0, 1.0, 1.0), 0.0, 0.0, 0, 0.0, False, False)
"""No changes: pictures as they are drawn."""


def draw_manner(rng: np.random.Generator) -> FilmManner:
    """Draw the changes of one copy of one episode."""
    bars = rng.uniform(0.05, 0.13) if rng.random() < 0.12 else 0.0
    if rng.random() < 0.08:
        bars = -float(rng.uniform(0.08, 0.13))
    return FilmManner(
        brightness=float(np.exp(rng.normal(0, 0.15))),
        contrast=float(np.exp(rng.normal(0, 0.15))),
        saturation=0.0 if rng.random() < 0.02 else float(np.exp(rng.normal(0, 0.25))),
        tint=tuple(float(x) for x in np.exp(rng.normal(0, 0.05, 3))),  # type: ignore[arg-type]
        grain=float(rng.uniform(1, 8)) if rng.random() < 0.3 else 0.0,
        blur=float(rng.uniform(0.2, 0.8)) if rng.random() < 0.25 else 0.0,
        quality=int(rng.integers(20, 70)) if rng.random() < 0.4 else 0,
        bars=float(bars),
        mark=bool(rng.random() < 0.15),
        subtitled=bool(rng.random() < 0.4),
    )


class Film:
    """An outline with its material: pictures and sound at any time.

    They depend only on outline, size and material, not on the order in which they are rendered.

    Args:
        size: (width, height) in pixels; texts and figures scale with the height.
        manner: changes of its pictures; None: random.
    """

    def __init__(
        self,
        outline: Outline,
        size: tuple[int, int],
        material: Material,
        manner: FilmManner | None = None,
    ) -> None:
        self.outline, self.size, self.material = outline, size, material
        rng = np.random.default_rng([outline.seed, 12])
        drawn = draw_manner(rng)
        self.manner = drawn if manner is None else manner
        self._mixer = Mixer(outline.series_seed, draw_mix(rng), material)
        self._look = _look(outline.series_seed, size)
        self._writer = _writer(outline.series_seed, size, material)
        mark = np.random.default_rng([outline.seed, 13])
        self._mark = (
            self._writer.headline(mark, 0.045, (235, 235, 235)) if self.manner.mark else None
        )
        self._scenes = lru_cache(maxsize=4)(self._make_scene)

    def picture(self, time: float) -> tuple[Image.Image, list[tuple[int, Box]]]:
        """Return the picture at a second, and its text: number of the caption, box in pixels.

        A caption keeps its number as long as it is shown.
        """
        number = self._at(time)
        stretch = self.outline.stretches[number]
        image, boxes = self._scenes(number).picture(time - stretch.start)
        if self._mark is not None:
            image = image.copy()
            stamp = self._mark.image
            x, y = self.size[0] - stamp.width - 4, 3
            image.paste(stamp, (x, y), stamp)
            boxes = [*boxes, *((-1, _moved(box, x, y)) for box in self._mark.boxes)]
        key = int(time * 1000)
        return self._treated(image, key), [(1000 * number + own, box) for own, box in boxes]

    def sound(self, start: float, end: float) -> Sound:
        """Return mono samples of ``[start, end)`` before mastering (:meth:`mastered`)."""
        tracks = []
        for stretch in self.outline.stretches:
            if stretch.end <= start or stretch.start >= end:
                continue
            base = round(stretch.start * SAMPLE_RATE)
            first = max(base, round(start * SAMPLE_RATE)) - base
            last = min(round(stretch.end * SAMPLE_RATE), round(end * SAMPLE_RATE)) - base
            tracks.append(self._mixer.play(stretch, first, last)[: last - first])
        return np.concatenate(tracks) if tracks else np.zeros(0, np.float32)

    def mastered(self, start: float, end: float) -> Sound:
        """Return mono samples of ``[start, end)`` as they are written into a file."""
        return master(self.sound(start, end), np.random.default_rng([self.outline.seed, 14]))

    def pictures(self, rate: int) -> Iterator[Image.Image]:
        """Yield all pictures of the episode, ``rate`` per second."""
        for number in range(round(self.outline.duration * rate)):
            yield self.picture(number / rate)[0]

    def _at(self, time: float) -> int:
        for number, stretch in enumerate(self.outline.stretches):
            if time < stretch.end:
                return number
        return len(self.outline.stretches) - 1

    def _make_scene(self, number: int) -> Scene:
        stretch = self.outline.stretches[number]
        return scene(stretch, self._look, self._writer, self.material, self.manner.subtitled)

    def _treated(self, image: Image.Image, key: int) -> Image.Image:
        manner = self.manner
        if replace(manner, subtitled=False) == PLAIN:
            return image
        if manner.saturation < 0.8 or manner.saturation > 1.25:
            image = ImageEnhance.Color(image).enhance(manner.saturation)
        if manner.blur:
            image = image.filter(ImageFilter.GaussianBlur(manner.blur * self.size[1] / 100))
        pixels = np.asarray(image, np.float32)
        gain = np.array(manner.tint, np.float32) * np.float32(manner.brightness * manner.contrast)
        pixels = (pixels - 128 * (1 - 1 / manner.contrast)) * gain
        if manner.grain:
            noise = np.random.default_rng([self.outline.seed, 15, key])
            pixels += noise.normal(0, manner.grain, (*pixels.shape[:2], 1)).astype(np.float32)
        pixels = np.clip(pixels, 0, 255)
        if manner.bars:
            rows = max(0, round(manner.bars * self.size[1]))
            columns = max(0, round(-manner.bars * self.size[0]))
            framed = np.zeros_like(pixels)
            inside = np.s_[rows : self.size[1] - rows, columns : self.size[0] - columns]
            framed[inside] = pixels[inside]
            pixels = framed
        image = Image.fromarray(pixels.astype(np.uint8))
        if manner.quality:
            packed = io.BytesIO()
            image.save(packed, "JPEG", quality=manner.quality)
            image = Image.open(packed).convert("RGB")
        return image


@lru_cache(maxsize=8)
def _look(series_seed: int, size: tuple[int, int]) -> Style:
    return draw_look(series_seed, 0, size)


@lru_cache(maxsize=8)
def _writer(series_seed: int, size: tuple[int, int], material: Material) -> Writer:
    return Writer(np.random.default_rng([series_seed, 16]), size, material)


def _moved(box: Box, x: float, y: float) -> Box:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


def draw_size(rng: np.random.Generator, height: int) -> tuple[int, int]:
    """Draw a picture's width and height in pixels, both even: 16:9, 4:3 or 2.35:1."""
    shape = SHAPES[rng.integers(len(SHAPES))]
    return round(height * shape / 2) * 2, height // 2 * 2

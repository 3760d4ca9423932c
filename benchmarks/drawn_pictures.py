"""Pictures without text for benchmarks/text_detector.py: episodes as avtnet synthesize draws them,
and what stands in rows as letters do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from avtnet.synthesis.drawing import draw_look
from avtnet.synthesis.sequences import OPENING_SHOTS
from avtnet.synthesis.shots import STORY_SHARES, STORY_SHOTS


class Mute:
    """Writes nothing on signs."""

    def sign(self, *arguments: object) -> Image.Image:
        return Image.new("RGBA", (1, 1))


DRAWN_SIZE = (320, 180)
"""Size for which the drawing is made: its windows have 2x3 pixels in any size."""


def episode(seed: int, seconds: int, size: tuple[int, int] = (1280, 720)) -> Iterator[np.ndarray]:
    """One picture a second of shots of 1 to 4 s, as in stories and openings, without any text."""
    look = replace(draw_look(seed, 0, DRAWN_SIZE), typist=Mute())  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    rate, shown = 6, 0
    while shown < seconds:
        length = int(rng.integers(1, 5))
        if rng.random() < 0.4:
            shot = OPENING_SHOTS[rng.integers(len(OPENING_SHOTS))]
            run = shot(length * rate, look, rng)
        else:
            story = STORY_SHOTS[rng.choice(len(STORY_SHOTS), p=STORY_SHARES)]
            run = story(length * rate, rate, look, rng)
        for number, image in enumerate(run):
            if number % rate == rate // 2 and shown < seconds:
                yield np.asarray(image.resize(size, Image.Resampling.BICUBIC))
                shown += 1


def lookalikes(count: int, size: tuple[int, int], seed: int) -> Iterator[np.ndarray]:
    """Pictures crowded with fences, windows, buttons, hatching: the hardest there is."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield np.asarray(_lookalikes(size, rng))


def _lookalikes(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A ground, flat shapes with outlines, faces, and what stands in rows as letters do."""
    image = gradient(size, rng)
    draw = ImageDraw.Draw(image)
    things = (_ellipse, _face, _windows, _fence, _leaves, _stripes, _stars, _speed_lines, _buttons)
    for _ in range(rng.integers(8, 25)):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        unit = int(rng.integers(size[1] // 20, size[1] // 3))
        things[rng.integers(len(things))](draw, int(x), int(y), unit, rng)
    return image.filter(ImageFilter.GaussianBlur(size[1] / 720))


Draw = ImageDraw.ImageDraw


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def _ellipse(draw: Draw, x: int, y: int, unit: int, rng: np.random.Generator) -> None:
    wide = unit * rng.uniform(0.3, 2)
    draw.ellipse((x, y, x + wide, y + unit), _colour(rng), (0, 0, 0), _pen(unit))


def _face(draw: Draw, x: int, y: int, unit: int, rng: np.random.Generator) -> None:
    draw.ellipse((x, y, x + unit, y + 1.2 * unit), (250, 215, 190), (60, 30, 20), _pen(unit))
    draw.pieslice((x, y - 0.2 * unit, x + unit, y + unit), 170, 370, _colour(rng), (60, 30, 20))
    for side in (0.15, 0.55):
        left, top = x + side * unit, y + 0.5 * unit
        draw.ellipse((left, top, left + 0.3 * unit, top + 0.3 * unit), "white", (0, 0, 0))
        draw.ellipse(
            (left + 0.08 * unit, top + 0.05 * unit, left + 0.24 * unit, top + 0.28 * unit),
            _colour(rng),
        )
        draw.ellipse(
            (left + 0.1 * unit, top + 0.08 * unit, left + 0.16 * unit, top + 0.14 * unit), "white"
        )
    open_ = rng.uniform(0, 0.15) * unit
    middle = (x + 0.4 * unit, y + unit, x + 0.6 * unit, y + unit + open_ + 1)
    draw.ellipse(middle, (150, 40, 40), (60, 30, 20))


def _windows(draw: Draw, x: int, y: int, unit: int, rng: np.random.Generator) -> None:
    """A house front: a grid of small bright rectangles on a dark one."""
    columns, rows = rng.integers(2, 9), rng.integers(1, 7)
    pane = max(2, unit // 8)
    draw.rectangle((x, y, x + 2 * pane * columns, y + 2.2 * pane * rows), _colour(rng), (0, 0, 0))
    lit = _colour(rng)
    for row, column in np.ndindex(int(rows), int(columns)):
        left, top = x + pane * (0.5 + 2 * column), y + pane * (0.5 + 2.2 * row)
        draw.rectangle((left, top, left + pane, top + 1.2 * pane), lit, (0, 0, 0))


def _fence(draw: Draw, x: int, y: int, unit: int, rng: np.random.Generator) -> None:
    step, colour = max(3, unit // 6), _colour(rng)
    for post in range(int(rng.integers(4, 20))):
        left = x + post * step
        draw.rectangle((left, y, left + step // 2, y + unit // 2), colour, (40, 30, 20))
    draw.rectangle((x, y + unit // 6, x + 12 * step, y + unit // 4), colour, (40, 30, 20))


def _leaves(draw: Draw, x: int, y: int, unit: int, rng: np.random.Generator) -> None:
    colour = (int(rng.integers(20, 90)), int(rng.integers(110, 220)), int(rng.integers(20, 90)))
    size = max(2, unit // 8)
    for dx, dy in rng.normal(0, unit / 2, (60, 2)):
        draw.ellipse((x + dx, y + dy, x + dx + 2 * size, y + dy + size), colour, (20, 60, 20))


def _stripes(draw: Draw, x: int, y: int, unit: int, rng: np.random.Generator) -> None:
    """Hatching, as on a skirt, a curtain or a shadow."""
    step, slant = max(2, unit // 10), rng.uniform(-1, 1) * unit
    colour = _colour(rng)
    for line in range(int(rng.integers(5, 15))):
        left = x + line * step
        draw.line((left, y, left + slant, y + unit), colour, max(1, step // 3))


def _stars(draw: Draw, x: int, y: int, unit: int, rng: np.random.Generator) -> None:
    for dx, dy in rng.uniform(-unit, unit, (40, 2)):
        size = max(1, unit // 40) * rng.uniform(0.5, 2)
        draw.ellipse((x + dx, y + dy, x + dx + size, y + dy + size), (255, 255, 230))


def _speed_lines(draw: Draw, x: int, y: int, unit: int, rng: np.random.Generator) -> None:
    for angle in rng.uniform(0, 2 * np.pi, 40):
        near, far = unit * rng.uniform(0.8, 1.2), unit * 3
        start = (x + near * np.cos(angle), y + near * np.sin(angle))
        stop = (x + far * np.cos(angle), y + far * np.sin(angle))
        draw.line((*start, *stop), (250, 250, 250), _pen(unit))


def _buttons(draw: Draw, x: int, y: int, unit: int, rng: np.random.Generator) -> None:
    """Round things in a row: buttons, lamps, pearls, teeth."""
    size, colour = max(3, unit // 7), _colour(rng)
    for place in range(int(rng.integers(3, 10))):
        left = x + place * size * 1.4
        draw.rounded_rectangle((left, y, left + size, y + size), size // 3, colour, (0, 0, 0))


def _pen(unit: int) -> int:
    return max(1, unit // 40)


def gradient(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Four colours that run into each other."""
    corners = rng.integers(0, 200, (2, 2, 3)).astype(np.uint8)
    return Image.fromarray(corners).resize(size, Image.Resampling.BICUBIC)

"""The look of a series: its colours, its characters, the places of its scenes."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from avtnet.synthesis.lettering import Typist
from avtnet.synthesis.script import SERIES, stream

Colour = tuple[int, int, int]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return an RGB colour, 0..255, of hue (in turns), saturation and value (0..1)."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


@dataclass(frozen=True)
class Character:
    """A character as pictures with transparency."""

    bust: Image.Image
    talking: Image.Image
    """The bust with its mouth open."""
    walking: tuple[Image.Image, Image.Image]
    """The whole figure in two phases of a step."""


@dataclass(frozen=True)
class Style:
    """The look of a series in one picture size."""

    size: tuple[int, int]
    """Width and height in pixels."""
    hues: tuple[float, ...]
    characters: tuple[Character, ...]
    typist: Typist
    ending_style: str
    """``scroll``, ``cards`` or ``side``."""
    ending_black: bool
    credit_align: str
    seed: int
    """Seed of the pictures that are equal in every episode: the opening's and the ending's."""


def draw_look(seed: int, series: int, size: tuple[int, int]) -> Style:
    """Draw the look of a series."""
    rng = stream(seed, SERIES, series, 1)
    hue = rng.random()
    return Style(
        size=size,
        hues=tuple(float(h) for h in (hue + np.array([0, 0.08, 0.33, 0.5, 0.66])) % 1),
        characters=tuple(_draw_character(rng, size[1]) for _ in range(4)),
        typist=Typist(rng, size[1]),
        ending_style=str(rng.choice(["scroll", "cards", "side"])),
        ending_black=bool(rng.random() < 0.35),
        credit_align=str(rng.choice(["left", "center", "right"])),
        seed=int(rng.integers(2**31)),
    )


def draw_place(
    look: Style, rng: np.random.Generator, width: int, height: int, *, bright: float = 0.25
) -> Image.Image:
    """Draw a landscape, town, room or night; in light colours with probability ``bright``."""
    light = rng.random() < bright
    hue = look.hues[rng.integers(len(look.hues))]
    kind = str(rng.choice(["land", "town", "room", "night"]))
    top = hsv(hue, rng.uniform(0.2, 0.7), rng.uniform(0.75, 1) if light else rng.uniform(0.25, 0.8))
    low = hsv(hue + 0.07, rng.uniform(0.1, 0.5), 0.95 if light else rng.uniform(0.3, 0.85))
    if kind == "night" and not light:
        top, low = hsv(hue, 0.6, 0.1), hsv(hue, 0.5, 0.3)
    column = np.linspace(top, low, height).astype(np.uint8)[:, None]
    image = Image.fromarray(np.broadcast_to(column, (height, width, 3)).copy())
    draw = ImageDraw.Draw(image)
    if kind == "land":
        xs = np.linspace(0, width, 24)
        for layer in range(3):
            ys = height * (0.5 + 0.14 * layer) + height * 0.1 * np.sin(
                xs / width * rng.uniform(4, 14) + rng.uniform(0, 6)
            )
            points = [(0, height), *zip(xs.tolist(), ys.tolist(), strict=True), (width, height)]
            draw.polygon(points, fill=hsv(hue + 0.25 + 0.04 * layer, 0.5, 0.75 - 0.18 * layer))
    elif kind == "room":
        floor = round(height * rng.uniform(0.65, 0.8))
        draw.rectangle((0, floor, width, height), fill=hsv(hue + 0.05, 0.5, 0.35))
        for _ in range(4):
            x, y = rng.uniform(0, width * 0.85), rng.uniform(height * 0.1, height * 0.35)
            box = (x, y, x + rng.uniform(15, 50), y + rng.uniform(20, 50))
            draw.rectangle(box, fill=hsv(hue + rng.uniform(0.3, 0.6), 0.35, 0.85), outline=low)
    else:
        x = 0.0
        while x < width:
            wide, tall = rng.uniform(12, 40), rng.uniform(0.25, 0.75) * height
            shade = hsv(hue + 0.03, 0.35, rng.uniform(0.12, 0.5))
            draw.rectangle((x, height - tall, x + wide, height), fill=shade)
            for wy in np.arange(height - tall + 4, height - 4, 9):
                for wx in np.arange(x + 3, x + wide - 4, 7):
                    if rng.random() < 0.4:
                        draw.rectangle((wx, wy, wx + 2, wy + 3), fill=hsv(0.14, 0.5, 0.9))
            x += wide
    return image


def _draw_character(rng: np.random.Generator, height: int) -> Character:
    skin = hsv(rng.uniform(0.03, 0.09), rng.uniform(0.15, 0.45), rng.uniform(0.75, 1))
    hair = hsv(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.15, 0.95))
    coat = hsv(rng.random(), rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9))
    eyes = hsv(rng.random(), 0.8, 0.6)
    spikes = [(rng.uniform(-1.1, 1.1), rng.uniform(-1.45, -0.6)) for _ in range(9)]
    spikes.sort()
    long_hair = rng.uniform(0.2, 1.6)

    def head(draw: ImageDraw.ImageDraw, x: float, y: float, r: float, mouth: float) -> None:
        def ellipse(cx: float, cy: float, rx: float, ry: float, fill: Colour) -> None:
            box = (x + (cx - rx) * r, y + (cy - ry) * r, x + (cx + rx) * r, y + (cy + ry) * r)
            draw.ellipse(box, fill=fill)

        draw.rectangle((x - r, y - 0.2 * r, x + r, y + long_hair * r), fill=hair)
        ellipse(0, -0.1, 1.08, 1.08, hair)
        ellipse(0, 0.1, 0.85, 0.95, skin)
        for side in (-1, 1):
            ellipse(0.36 * side, 0.15, 0.2, 0.26, (255, 255, 255))
            ellipse(0.36 * side, 0.19, 0.14, 0.21, eyes)
            ellipse(0.36 * side, 0.22, 0.07, 0.12, (10, 10, 20))
            ellipse(0.36 * side - 0.05, 0.1, 0.05, 0.06, (255, 255, 255))
        ellipse(0, 0.68, 0.16, 0.03 + mouth, (150, 40, 50))
        fringe = [(x - 1.05 * r, y), *((x + sx * r, y + sy * r) for sx, sy in spikes)]
        fringe += [(x + 1.05 * r, y), (x + 0.5 * r, y - 0.35 * r), (x, y - 0.1 * r)]
        draw.polygon([*fringe, (x - 0.5 * r, y - 0.4 * r)], fill=hair)

    def bust(mouth: float) -> Image.Image:
        tall = round(height * 0.8) * 2
        image = Image.new("RGBA", (tall, tall), (*coat, 0))
        draw = ImageDraw.Draw(image)
        draw.rounded_rectangle((0.12 * tall, 0.72 * tall, 0.88 * tall, 1.3 * tall), 40, fill=coat)
        draw.rectangle((0.44 * tall, 0.6 * tall, 0.56 * tall, 0.76 * tall), fill=skin)
        head(draw, 0.5 * tall, 0.42 * tall, 0.27 * tall, mouth)
        return image.resize((tall // 2, tall // 2), Image.Resampling.BOX)

    def figure(stride: float) -> Image.Image:
        tall = round(height * 0.6) * 2
        image = Image.new("RGBA", (tall // 2, tall), (*coat, 0))
        draw = ImageDraw.Draw(image)
        middle = tall / 4
        for side in (-1, 1):
            foot = (middle + side * stride * tall, 0.98 * tall)
            draw.line(((middle, 0.62 * tall), foot), fill=hair, width=round(0.05 * tall))
            hand = (middle - side * stride * tall, 0.6 * tall)
            draw.line(((middle, 0.36 * tall), hand), fill=skin, width=round(0.04 * tall))
        box = (middle - 0.1 * tall, 0.32 * tall, middle + 0.1 * tall, 0.7 * tall)
        draw.rounded_rectangle(box, 10, fill=coat)
        head(draw, middle, 0.18 * tall, 0.13 * tall, 0.02)
        return image.resize((tall // 4, tall // 2), Image.Resampling.BOX)

    return Character(bust(0.0), bust(0.1), (figure(0.1), figure(0.02)))

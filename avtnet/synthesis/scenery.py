"""Shots as functions of time: any second of a shot can be drawn without the seconds before it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from avtnet.synthesis.drawing import Style, draw_place, hsv
from avtnet.synthesis.material import Material, picture

Draw = Callable[[float], Image.Image]
"""Function of the seconds since the shot began: its picture. A returned picture never changes."""
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def ground(look: Style, rng: np.random.Generator, material: Material, scale: float) -> Image.Image:
    """A background ``scale`` times as wide and high as the picture: drawn, texture or photo."""
    width, height = (round(side * scale) for side in look.size)
    kind = rng.random()
    if kind < 0.35 and material.pictures:
        found = picture(material.pictures[rng.integers(len(material.pictures))])
        if found is not None:
            return _cropped(found, width, height, rng)
    if kind < 0.6:
        return texture(rng, width, height, look.hues[rng.integers(len(look.hues))])
    return draw_place(look, rng, width, height, bright=rng.uniform(0, 0.6))


def texture(rng: np.random.Generator, width: int, height: int, hue: float) -> Image.Image:
    """Soft clouds, rough ground or anything between, in two or three colours."""
    rough = rng.uniform(0.35, 0.8)
    field = np.zeros((height, width), np.float32)
    for octave in range(5):
        cells = (2 ** (octave + 1) + 1, 2**octave + 2)
        small = Image.fromarray(rng.standard_normal(cells[::-1]).astype(np.float32))
        large = small.resize((width, height), Image.Resampling.BICUBIC)
        field += np.asarray(large) * np.float32(rough**octave)
    low, high = np.percentile(field, (2, 98))
    share = np.clip((field - low) / (high - low + 1e-6), 0, 1)[..., None]
    dark = np.array(hsv(hue, rng.uniform(0, 0.9), rng.uniform(0, 0.6)), np.float32)
    light = hsv(hue + rng.normal(0, 0.15), rng.uniform(0, 0.8), rng.uniform(0.3, 1))
    return Image.fromarray((dark + (np.array(light, np.float32) - dark) * share).astype(np.uint8))


def _cropped(image: Image.Image, width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """Cut a random part out of a picture, mirrored or not."""
    share = rng.uniform(0.35, 1)
    wide = min(image.width, image.height * width / height) * share
    high = wide * height / width
    left, top = rng.uniform(0, image.width - wide), rng.uniform(0, image.height - high)
    box = (left, top, left + wide, top + high)
    cut = image.resize((width, height), Image.Resampling.BILINEAR, box)
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else cut


def _over(base: Image.Image, top: Image.Image, x: float, y: float) -> Image.Image:
    base.paste(top, (round(x), round(y)), top)
    return base


def pan(look: Style, rng: np.random.Generator, material: Material, speed: float) -> Draw:
    """A background in a pan or a zoom; ``speed`` in widths of the picture per second."""
    width, height = look.size
    image = ground(look, rng, material, 1.6)
    angle, zoom = rng.uniform(0, 2 * np.pi), rng.uniform(-0.04, 0.04)
    dx, dy = np.cos(angle) * speed * width, np.sin(angle) * speed * width * rng.uniform(0, 1)
    room = 0.3 * np.array([width, height])

    def draw(time: float) -> Image.Image:
        x = room[0] * (1 + np.clip(dx * time / room[0], -1, 1))
        y = room[1] * (1 + np.clip(dy * time / room[1], -1, 1))
        size = float(np.clip(1 + zoom * time, 0.7, 1.0)) if zoom < 0 else 1.0
        if size == 1.0:
            return image.crop((int(x), int(y), int(x) + width, int(y) + height))
        right, low = min(image.width, x + width * size), min(image.height, y + height * size)
        return image.resize(look.size, Image.Resampling.BILINEAR, (x, y, right, low))

    return draw


def talk(look: Style, rng: np.random.Generator, material: Material, speed: float) -> Draw:
    """One or two people before a background; their mouths move."""
    width, height = look.size
    place = ground(look, rng, material, 1.0)
    people = []
    for _ in range(1 if rng.random() < 0.7 else 2):
        someone = look.characters[rng.integers(len(look.characters))]
        scale = rng.uniform(0.7, 1.4)
        size = (round(someone.bust.width * scale), round(someone.bust.height * scale))
        busts = [someone.bust.resize(size), someone.talking.resize(size)]
        people.append((busts, width * rng.uniform(-0.05, 0.75), height * rng.uniform(0.0, 0.4)))
    key = int(rng.integers(2**31))

    def draw(time: float) -> Image.Image:
        image = place.copy()
        beat = int(time * 3)
        for who, (busts, x, low) in enumerate(people):
            bust = busts[(key >> ((beat + 7 * who) % 30)) & 1]
            _over(image, bust, x, height - bust.height * 0.9 + low)
        return image

    return draw


def walk(look: Style, rng: np.random.Generator, material: Material, speed: float) -> Draw:
    """Somebody walks or runs while the background moves past."""
    width, height = look.size
    behind = pan(look, rng, material, max(speed, 0.04))
    walker = look.characters[rng.integers(len(look.characters))].walking
    rate, x = 2 + 20 * speed, width * rng.uniform(0.1, 0.7)

    def draw(time: float) -> Image.Image:
        figure = walker[int(time * rate) % 2]
        return _over(behind(time).copy(), figure, x, height - figure.height - height * 0.03)

    return draw


def lines(look: Style, rng: np.random.Generator, material: Material, speed: float) -> Draw:
    """Speed lines, with or without a character who shakes."""
    width, height = look.size
    someone = look.characters[rng.integers(len(look.characters))].bust
    paint = hsv(look.hues[rng.integers(len(look.hues))], 0.5, rng.uniform(0.1, 0.9))
    alone, seed = rng.random() < 0.4, int(rng.integers(2**31))

    def draw(time: float) -> Image.Image:
        own = np.random.default_rng([seed, int(time * 8)])
        image = Image.new("RGB", look.size, paint)
        pen = ImageDraw.Draw(image)
        marks = own.uniform((0, -0.2, 0.1), (1, 1, 0.6), (14, 3)) * (height, width, width)
        for y, x, long in marks.tolist():
            pen.line((x, y, x + long, y), fill=WHITE, width=1)
        if alone:
            return image
        x, y = own.normal((width - someone.width) / 2, width * 0.02), own.uniform(0, height * 0.2)
        return _over(image, someone, x, y)

    return draw


def rays(look: Style, rng: np.random.Generator, material: Material, speed: float) -> Draw:
    """Rays that turn behind a character."""
    width, height = look.size
    hue, count, turn = look.hues[rng.integers(len(look.hues))], int(rng.integers(5, 14)), speed * 12
    someone = look.characters[rng.integers(len(look.characters))].bust
    back, front = hsv(hue, 0.35, rng.uniform(0.4, 1)), hsv(hue + 0.08, 0.8, 0.9)

    def draw(time: float) -> Image.Image:
        image = Image.new("RGB", look.size, back)
        pen = ImageDraw.Draw(image)
        for ray in range(count):
            angles = 2 * np.pi * (ray + np.array([0, 0.5])) / count + time * turn
            far = [(width / 2 + width * np.cos(a), height / 2 + width * np.sin(a)) for a in angles]
            pen.polygon([(width / 2, height / 2), *far], fill=front)
        x = width * (0.5 + 0.1 * np.sin(time * 2)) - someone.width / 2
        return _over(image, someone, x, height - someone.height)

    return draw


def shapes(look: Style, rng: np.random.Generator, material: Material, speed: float) -> Draw:
    """Polygons that fly about."""
    width, height = look.size
    back = hsv(look.hues[rng.integers(len(look.hues))], rng.uniform(0, 0.7), rng.uniform(0, 1))
    count = int(rng.integers(4, 16))
    at = rng.uniform((0, 0), (width, height), (count, 2))
    drift = rng.normal(0, width * max(speed, 0.02), (count, 2))
    radius = rng.uniform(height * 0.04, height * 0.25, count)
    paint = [hsv(rng.random(), 0.8, rng.uniform(0.4, 1)) for _ in range(count)]
    sides, spin = rng.integers(3, 7, count), rng.uniform(-90, 90)

    def draw(time: float) -> Image.Image:
        image = Image.new("RGB", look.size, back)
        pen = ImageDraw.Draw(image)
        spots = at + time * drift
        for (x, y), r, fill, n in zip(spots.tolist(), radius, paint, sides, strict=True):
            spot = (x % width, y % height, float(r))
            pen.regular_polygon(spot, int(n), rotation=time * spin, fill=fill)
        return image

    return draw


def faces(look: Style, rng: np.random.Generator, material: Material, speed: float) -> Draw:
    """Panels with characters that slide in."""
    width, height = look.size
    panels = int(rng.integers(2, 5))
    image = Image.new("RGB", look.size, WHITE if rng.random() < 0.5 else BLACK)
    for slot in range(panels):
        who = int(rng.integers(len(look.characters)))
        panel = ground(look, rng, material, 1.0 / panels).resize((width // panels - 2, height))
        bust = look.characters[who].bust
        _over(panel, bust, (panel.width - bust.width) / 2, height - bust.height)
        image.paste(panel, (slot * width // panels, 0))

    def draw(time: float) -> Image.Image:
        offset = round(width * max(0.0, 0.5 - time))
        if not offset:
            return image
        moved = Image.new("RGB", look.size, WHITE)
        moved.paste(image, (offset, 0))
        return moved

    return draw


def one_colour(look: Style, rng: np.random.Generator, material: Material, speed: float) -> Draw:
    """One colour, in most cases black."""
    paint = BLACK if rng.random() < 0.6 else hsv(rng.random(), rng.random(), rng.random())
    image = Image.new("RGB", look.size, paint)
    return lambda time: image


def dimmed(draw: Draw, level: float) -> Draw:
    """The same shot, darker (``level`` below 1) or brighter."""
    return lambda time: ImageEnhance.Brightness(draw(time)).enhance(level)


def blurred(draw: Draw, pixels: float) -> Draw:
    """The same shot, out of focus."""
    return lambda time: draw(time).filter(ImageFilter.GaussianBlur(pixels))


STORY = (talk, pan, walk, lines, one_colour, faces)
STORY_SHARES = (0.42, 0.3, 0.14, 0.08, 0.03, 0.03)
SONG = (rays, walk, shapes, faces, pan, talk, lines, one_colour)
SONG_SHARES = (0.14, 0.18, 0.14, 0.12, 0.22, 0.1, 0.06, 0.04)
CALM = (pan, walk, talk, shapes, one_colour)
CALM_SHARES = (0.5, 0.15, 0.1, 0.05, 0.2)


class Runner:
    """Shots that fill ``length`` seconds; each is made when its first picture is drawn.

    Args:
        seconds: mean length of a shot.
        speed: speed of motion, in widths of the picture per second.
        beat: shots change on multiples of it, in seconds.
        altered: changes every shot, given its random numbers.
    """

    def __init__(
        self,
        length: float,
        look: Style,
        seed: int,
        material: Material,
        *,
        kinds: tuple[Callable[..., Draw], ...],
        shares: tuple[float, ...],
        seconds: float,
        speed: float,
        beat: float | None = None,
        altered: Callable[[Draw, np.random.Generator], Draw] | None = None,
    ) -> None:
        rng = np.random.default_rng([seed, 1])
        starts = [0.0]
        while True:
            end = starts[-1] + max(0.4, rng.gamma(2.5, seconds / 2.5))
            if beat is not None:
                end = max(starts[-1] + beat, round(end / beat) * beat)
            if end >= length:
                break
            starts.append(end)
        self.starts = np.array(starts)

        def make(number: int) -> Draw:
            own = np.random.default_rng([seed, 2, number])
            kind = kinds[own.choice(len(kinds), p=shares)]
            drawn: Draw = kind(look, own, material, speed * own.uniform(0, 2))
            return drawn if altered is None else altered(drawn, own)

        self._made = lru_cache(maxsize=3)(make)

    def draw(self, time: float) -> Image.Image:
        """Return the picture at a second."""
        number = max(0, int(np.searchsorted(self.starts, time, "right")) - 1)
        return self._made(number)(time - float(self.starts[number]))

"""The pictures of an opening and of an ending: shots on the beat, stills, and credits on them.

A picture that is held is yielded as the same object, so that the encoder converts it only once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from PIL import Image, ImageDraw

from avtnet.synthesis.drawing import Style, draw_place, hsv
from avtnet.synthesis.music import Song

Pictures = Iterator[Image.Image]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def opening(
    frames: int, rate: int, look: Style, song: Song, rng: np.random.Generator, credited: bool
) -> Pictures:
    """Bright shots that change on the beat, the title, and credits on most of them."""
    beat = 60 / song.beats_per_minute * rate
    title_at = frames * rng.uniform(0.08, 0.25)
    logo_frames = round(2.5 * rate)
    shown, titled = 0, False
    while shown < frames:
        beats = round(shown / beat) + int(rng.choice([2, 4, 4, 8]))
        length = max(1, round(beats * beat) - shown)
        if not titled and shown >= title_at:
            titled, length = True, max(length, logo_frames)
            run = _logo_shot(min(length, frames - shown), look, rng)
        elif shown + length > frames - logo_frames:  # it ends as it began: with the title
            length = frames - shown
            run = _logo_shot(length, look, rng)
        else:
            run = OPENING_SHOTS[rng.integers(len(OPENING_SHOTS))](length, look, rng)
            block = _opening_credit(look, rng)
            has_credit = rng.random() < 0.85
            if credited and has_credit:
                run = stamped(run, *block)
        yield from run
        shown += length


def _opening_credit(look: Style, rng: np.random.Generator) -> tuple[Image.Image, tuple[int, int]]:
    """Return a block of credits and the position of its corner or side."""
    lines = look.typist.credit(rng, int(rng.integers(1, 4)))
    if rng.random() < 0.3:
        lines += look.typist.credit(rng, 1)
    dark = rng.random() < 0.8
    fill = WHITE if dark else hsv(look.hues[0], 0.8, 0.3)
    block = look.typist.credits(lines, fill, look.credit_align, dark)
    width, height = look.size
    margin = round(height * 0.06)
    right, low = width - block.width - margin, height - block.height - margin
    x = {"left": margin, "center": right // 2, "right": right}[look.credit_align]
    return block, (x, int(rng.choice([margin, low, (margin + low) // 2])))


def _rays_shot(frames: int, look: Style, rng: np.random.Generator) -> Pictures:
    width, height = look.size
    hue = look.hues[rng.integers(len(look.hues))]
    count, turn = int(rng.integers(6, 12)), rng.uniform(-0.12, 0.12)
    someone = look.characters[rng.integers(len(look.characters))].bust
    for k in range(frames):
        image = Image.new("RGB", look.size, hsv(hue, 0.35, 1))
        draw = ImageDraw.Draw(image)
        for ray in range(count):
            angles = 2 * np.pi * (ray + np.array([0, 0.5])) / count + k * turn
            far = [(width / 2 + width * np.cos(a), height / 2 + width * np.sin(a)) for a in angles]
            draw.polygon([(width / 2, height / 2), *far], fill=hsv(hue + 0.08, 0.8, 0.95))
        x = round(width * (0.5 + 0.02 * k)) - someone.width // 2
        image.paste(someone, (x, height - someone.height), someone)
        yield image


def _run_shot(frames: int, look: Style, rng: np.random.Generator) -> Pictures:
    width, height = look.size
    place = draw_place(look, rng, width * 3, height, bright=0.8)
    speed = round(width * rng.uniform(0.05, 0.12))
    runner = look.characters[rng.integers(len(look.characters))].walking
    for k in range(frames):
        x = (k * speed) % (2 * width)
        image = place.crop((x, 0, x + width, height))
        figure = runner[k % 2]
        image.paste(figure, (width // 2 - 20, height - figure.height - 3 * (k % 2)), figure)
        yield image


def _shapes_shot(frames: int, look: Style, rng: np.random.Generator) -> Pictures:
    width, height = look.size
    ground = hsv(look.hues[rng.integers(len(look.hues))], 0.5, 0.95)
    count = int(rng.integers(5, 14))
    at = rng.uniform((0, 0), (width, height), (count, 2))
    speed = rng.normal(0, width * 0.05, (count, 2))
    radius = rng.uniform(height * 0.05, height * 0.25, count)
    paint = [hsv(look.hues[k % len(look.hues)], 0.8, rng.uniform(0.6, 1)) for k in range(count)]
    sides = rng.integers(3, 7, count)
    for k in range(frames):
        image = Image.new("RGB", look.size, ground)
        draw = ImageDraw.Draw(image)
        for (x, y), r, fill, n in zip((at + k * speed).tolist(), radius, paint, sides, strict=True):
            spot = (x % width, y % height, float(r))
            draw.regular_polygon(spot, int(n), rotation=k * 12, fill=fill)
        yield image


def _faces_shot(frames: int, look: Style, rng: np.random.Generator) -> Pictures:
    """Panels with characters that slide in."""
    width, height = look.size
    chosen = rng.permutation(len(look.characters))[:3]
    image = Image.new("RGB", look.size, WHITE)
    for slot, who in enumerate(chosen):
        left = slot * width // 3
        fill = hsv(look.hues[who % len(look.hues)], 0.6, 0.95)
        panel = Image.new("RGB", (width // 3 - 2, height), fill)
        bust = look.characters[who].bust
        panel.paste(bust, ((panel.width - bust.width) // 2, height - bust.height), bust)
        image.paste(panel, (left, 0))
    for k in range(frames):
        offset = round(width * max(0, 0.5 - 0.25 * k))
        shown = Image.new("RGB", look.size, WHITE) if k < 2 else image
        if k < 2:
            shown.paste(image, (offset, 0))
        yield shown


def _sky_shot(frames: int, look: Style, rng: np.random.Generator) -> Pictures:
    """A fast vertical pan."""
    width, height = look.size
    place = draw_place(look, rng, width, height * 2, bright=0.8)
    for k in range(frames):
        y = round(height * (1 - (k + 1) / frames))
        yield place.crop((0, y, width, y + height))


def _logo_shot(frames: int, look: Style, rng: np.random.Generator) -> Pictures:
    hue = look.hues[0]
    image = Image.new("RGB", look.size, hsv(hue, 0.15, 1))
    draw = ImageDraw.Draw(image)
    width, height = look.size
    for radius in range(6, 0, -1):
        r = radius * height / 7
        box = (width / 2 - 2 * r, height / 2 - r, width / 2 + 2 * r, height / 2 + r)
        draw.ellipse(box, fill=hsv(hue + 0.02 * radius, 0.2 + 0.08 * radius, 1))
    logo = look.typist.logo(hsv(hue + 0.5, 0.9, 0.5), WHITE)
    logo.thumbnail((round(width * 0.9), round(height * 0.8)))
    image.paste(logo, ((width - logo.width) // 2, (height - logo.height) // 2), logo)
    flash = Image.new("RGB", look.size, WHITE)
    for k in range(frames):
        yield flash if k == 0 else image


OPENING_SHOTS = (_rays_shot, _run_shot, _shapes_shot, _faces_shot, _sky_shot)


def ending(frames: int, rate: int, look: Style, rng: np.random.Generator) -> Pictures:
    """Slow pictures, or none, with a great deal of credits."""
    stills = _stills(frames, rate, look, rng)
    width, height = look.size
    if look.ending_style == "cards":
        yield from _cards(stills, frames, rate, look, rng)
        return
    speed = height / rng.uniform(5, 9) / rate  # a credit crosses the screen in 5 to 9 seconds
    lines: list[tuple[str, bool]] = [(look.typist.title, True), ("", False)]
    while len(lines) < frames * speed / (height * 0.08):
        lines += [*look.typist.credit(rng, int(rng.integers(1, 6))), ("", False)]
    roll = look.typist.credits(lines, WHITE, "center", dark=True)
    x = (width - roll.width) // 2
    if look.ending_style == "side":
        x = min(width - roll.width - 4, round(width * 0.55))
    for k, still in zip(range(frames), stills, strict=False):
        image = still.copy()
        climbed = round(k * speed) + round(0.3 * height)
        image.paste(roll, (x, height - climbed % (roll.height + height)), roll)
        yield image


def _stills(frames: int, rate: int, look: Style, rng: np.random.Generator) -> Pictures:
    """The slow pans behind the credits; black for some series."""
    width, height = look.size
    if look.ending_black:
        black = Image.new("RGB", look.size, BLACK)
        for _ in range(frames):
            yield black
        return
    shown = 0
    while shown < frames:
        length = min(round(rng.uniform(8, 20) * rate), frames - shown)
        place = draw_place(look, rng, round(width * 1.5), height)
        dim = Image.blend(place, Image.new("RGB", place.size, BLACK), rng.uniform(0.1, 0.5))
        walker = look.characters[rng.integers(len(look.characters))].walking
        walks = look.ending_style == "side" or rng.random() < 0.3
        for k in range(length):
            x = round(0.5 * width * k / length)
            image = dim.crop((x, 0, x + width, height))
            if walks:
                figure = walker[k // max(1, rate // 2) % 2]
                image.paste(figure, (round(width * 0.15), height - figure.height - 4), figure)
            yield image
        shown += length


def _cards(
    stills: Pictures, frames: int, rate: int, look: Style, rng: np.random.Generator
) -> Pictures:
    """Blocks of credits that change every few seconds."""
    width, height = look.size
    shown = 0
    while shown < frames:
        length = min(round(rng.uniform(3, 6) * rate), frames - shown)
        lines = look.typist.credit(rng, int(rng.integers(2, 6)))
        if len(lines) < 5:
            lines += [("", False), *look.typist.credit(rng, 2)]
        block = look.typist.credits(lines, WHITE, look.credit_align, dark=True)
        free = max(0, width - block.width - 8)
        x = 4 + round(free * {"left": 0.1, "center": 0.5, "right": 0.9}[look.credit_align])
        yield from stamped(islice(stills, length), block, (x, (height - block.height) // 2))
        shown += length


def stamped(run: Pictures, mark: Image.Image, at: tuple[int, int]) -> Pictures:
    """Yield the pictures with a text drawn on each."""
    before = stamped = None
    for image in run:
        if image is not before or stamped is None:
            before, stamped = image, image.copy()
            stamped.paste(mark, at, mark)
        yield stamped

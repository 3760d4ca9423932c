"""The pictures of a stretch of a varied episode: its shots, and the captions on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from avtnet.synthesis.captions import BLACK, WHITE, Block, Box, Caption, Writer
from avtnet.synthesis.drawing import Style, hsv
from avtnet.synthesis.material import Material
from avtnet.synthesis.outline import OutlineStretch
from avtnet.synthesis.scenery import (
    CALM,
    CALM_SHARES,
    SONG,
    SONG_SHARES,
    STORY,
    STORY_SHARES,
    Draw,
    Runner,
    blurred,
    dimmed,
    one_colour,
)


@dataclass(frozen=True)
class Scene:
    """A stretch that can be drawn at any second of it."""

    draw: Draw
    captions: tuple[Caption, ...]
    length: float
    fade_in: float = 0.0
    """Seconds in which it fades in from black."""
    fade_out: float = 0.0

    def picture(self, time: float) -> tuple[Image.Image, list[tuple[int, Box]]]:
        """Return the picture at a second, and its text: number of the caption, box in pixels."""
        image, boxes = self.draw(time), []
        copied = False
        for number, caption in enumerate(self.captions):
            opacity = caption.opacity(time)
            if opacity <= 0:
                continue
            if not copied:
                image, copied = image.copy(), True
            x, y = caption.place(time - caption.start)
            stamp = caption.block.image
            if opacity < 1:
                mask = stamp.getchannel("A").point(lambda value, o=opacity: round(value * o))
                image.paste(stamp, (x, y), mask)
            else:
                image.paste(stamp, (x, y), stamp)
            if opacity > 0.35:
                boxes += [
                    (number, (left + x, top + y, right + x, bottom + y))
                    for left, top, right, bottom in caption.block.boxes
                    if bottom + y > 0 and top + y < image.height
                ]
        level = min(
            1.0,
            (time + 0.02) / self.fade_in if self.fade_in else 1.0,
            (self.length - time) / self.fade_out if self.fade_out else 1.0,
        )
        if level < 1:
            black = Image.new("RGB", image.size, BLACK)
            image = Image.blend(black, image, max(0.0, level))
            boxes = boxes if level > 0.35 else []
        return image, boxes


def scene(
    stretch: OutlineStretch, look: Style, writer: Writer, material: Material, subtitled: bool
) -> Scene:
    """Return the scene of a stretch; it depends only on seed, look, writer and material."""
    rng = np.random.default_rng([stretch.seed, 3])
    length = stretch.length + stretch.head
    shown = SCENES[stretch.kind](length, look, writer, material, rng, subtitled)
    if not stretch.head:
        return shown
    head = stretch.head
    captions = tuple(
        Caption(c.block, c.start - head, c.end - head, c.place, c.fade) for c in shown.captions
    )
    return Scene(
        lambda time: shown.draw(time + head), captions, stretch.length, 0.0, shown.fade_out
    )


def _run(
    length: float, look: Style, material: Material, rng: np.random.Generator, **how: object
) -> Runner:
    return Runner(length, look, int(rng.integers(2**31)), material, **how)  # type: ignore[arg-type]


def _story(
    length: float, look: Style, writer: Writer, material: Material, rng: np.random.Generator,
    subtitled: bool,
) -> Scene:  # fmt: skip
    run = _run(
        length, look, material, rng,
        kinds=STORY, shares=STORY_SHARES, seconds=rng.uniform(2.5, 8), speed=rng.uniform(0, 0.08),
        altered=_sometimes_altered,
    )  # fmt: skip
    captions = _signs(length, look, writer, rng)
    if subtitled:
        captions += _subtitles(length, writer, rng)
    if rng.random() < 0.1:  # credits stand on the first scenes, which are story all the same
        captions += _corner_credits(min(length, rng.uniform(15, 70)), look, writer, rng, 0.5)
    fades = rng.random(2) < 0.25
    long = rng.uniform(0.4, 2.0, 2) * fades
    return Scene(run.draw, tuple(captions), length, float(long[0]), float(long[1]))


def _opening(
    length: float, look: Style, writer: Writer, material: Material, rng: np.random.Generator,
    subtitled: bool,
) -> Scene:  # fmt: skip
    beat = 60 / rng.uniform(80, 180) * 2
    run = _run(
        length, look, material, rng,
        kinds=SONG, shares=SONG_SHARES, seconds=rng.uniform(1.0, 3.5), speed=rng.uniform(0.03, 0.4),
        beat=float(beat) if rng.random() < 0.7 else None,
    )  # fmt: skip
    captions: list[Caption] = []
    if rng.random() < 0.85:
        captions += _corner_credits(length, look, writer, rng, rng.uniform(0.4, 0.95))
    captions += _logos(length, look, writer, rng)
    if rng.random() < 0.25:
        captions += _lyrics(length, writer, rng)
    fade = rng.uniform(0.3, 2.5) if rng.random() < 0.35 else 0.0
    start = rng.uniform(0.3, 1.5) if rng.random() < 0.15 else 0.0
    return Scene(run.draw, tuple(captions), length, float(start), float(fade))


def _ending(
    length: float, look: Style, writer: Writer, material: Material, rng: np.random.Generator,
    subtitled: bool,
) -> Scene:  # fmt: skip
    manner = str(
        rng.choice(["black", "stills", "calm", "song", "story"], p=[0.25, 0.2, 0.3, 0.15, 0.1])
    )
    dim = float(rng.uniform(0.3, 1.0))
    if manner == "black":
        draw: Draw = one_colour(look, np.random.default_rng(1), material, 0)
        if rng.random() < 0.3:
            paint = hsv(rng.random(), rng.uniform(0, 0.8), rng.uniform(0, 0.35))
            field = Image.new("RGB", look.size, paint)
            draw = lambda time: field  # noqa: E731 - a shot that is one picture
        else:
            black = Image.new("RGB", look.size, BLACK)
            draw = lambda time: black  # noqa: E731
    else:
        kinds, shares = {
            "stills": (CALM[:1], (1.0,)),
            "calm": (CALM, CALM_SHARES),
            "song": (SONG, SONG_SHARES),
            "story": (STORY, STORY_SHARES),
        }[manner]
        seconds = rng.uniform(4, 25) if manner in ("stills", "calm") else rng.uniform(1.5, 5)
        run = _run(
            length, look, material, rng, kinds=kinds, shares=shares,
            seconds=seconds, speed=rng.uniform(0, 0.06),
            altered=lambda draw, own: dimmed(draw, dim) if dim < 0.9 else draw,
        )  # fmt: skip
        draw = run.draw
    layout = str(
        rng.choice(["roll", "side", "cards", "corner", "crawl"], p=[0.33, 0.13, 0.3, 0.18, 0.06])
    )
    captions = LAYOUTS[layout](length, look, writer, rng)
    if rng.random() < 0.2:
        captions += _lyrics(length, writer, rng)
    if rng.random() < 0.2:
        captions += _logos(length, look, writer, rng)[:1]
    fades = rng.random(2) < (0.35, 0.4)
    long = rng.uniform(0.3, 2.5, 2) * fades
    return Scene(draw, tuple(captions), length, float(long[0]), float(long[1]))


def _card(
    length: float, look: Style, writer: Writer, material: Material, rng: np.random.Generator,
    subtitled: bool,
) -> Scene:  # fmt: skip
    """A title, a sponsor, an eyecatch, a company's logo: few pictures, few words."""
    if rng.random() < 0.4:
        paint = BLACK if rng.random() < 0.5 else hsv(rng.random(), rng.random(), rng.random())
        field = Image.new("RGB", look.size, paint)
        draw: Draw = lambda time: field  # noqa: E731
    else:
        draw = _run(
            length, look, material, rng, kinds=SONG, shares=SONG_SHARES,
            seconds=8.0, speed=rng.uniform(0, 0.2),
        ).draw  # fmt: skip
    fill = WHITE if rng.random() < 0.7 else hsv(rng.random(), 0.8, 1)
    block = writer.headline(rng, rng.uniform(0.05, 0.2), fill)
    captions = [_held(block, look, rng, rng.uniform(0, 0.4) * length, length, centred=True)]
    if rng.random() < 0.4:
        small = writer.headline(rng, writer.small, fill)
        captions.append(_held(small, look, rng, 0.0, length, centred=False))
    fades = rng.random(2) < 0.3
    long = rng.uniform(0.2, 0.8, 2) * fades
    return Scene(draw, tuple(captions), length, float(long[0]), float(long[1]))


def _preview(
    length: float, look: Style, writer: Writer, material: Material, rng: np.random.Generator,
    subtitled: bool,
) -> Scene:  # fmt: skip
    run = _run(
        length, look, material, rng, kinds=STORY, shares=STORY_SHARES,
        seconds=rng.uniform(1, 2.5), speed=rng.uniform(0, 0.1),
    )  # fmt: skip
    captions = _subtitles(length, writer, rng) if subtitled else []
    block = writer.headline(rng, rng.uniform(0.05, 0.1), WHITE)
    if rng.random() < 0.6:
        captions.append(_held(block, look, rng, 0.0, length, centred=False))
    if rng.random() < 0.6:
        big = writer.headline(rng, rng.uniform(0.08, 0.14), WHITE)
        captions.append(_held(big, look, rng, length * 0.75, length, centred=True))
    return Scene(run.draw, tuple(captions), length)


SCENES: dict[str, Callable[..., Scene]] = {
    "story": _story,
    "recap": _story,
    "opening": _opening,
    "ending": _ending,
    "preview": _preview,
    "title": _card,
    "sponsor": _card,
    "eyecatch": _card,
    "logo": _card,
    "warning": _card,
}


def _sometimes_altered(draw: Draw, rng: np.random.Generator) -> Draw:
    kind = rng.random()
    if kind < 0.12:
        return dimmed(draw, float(rng.uniform(0.2, 0.6)))
    return blurred(draw, float(rng.uniform(0.7, 2))) if kind < 0.2 else draw


def _held(
    block: Block, look: Style, rng: np.random.Generator, start: float, end: float, *, centred: bool
) -> Caption:
    """A block that stands somewhere, or drifts a little."""
    width, height = look.size
    free = (width - block.image.width, height - block.image.height)
    if centred:
        x, y = free[0] / 2, free[1] * rng.uniform(0.3, 0.7)
    else:
        x, y = rng.uniform(0.02, 0.98) * free[0], rng.uniform(0.05, 0.95) * free[1]
    drift = rng.normal(0, 0.01 * width) if rng.random() < 0.2 else 0.0
    fade = float(rng.uniform(0.2, 0.8)) if rng.random() < 0.5 else 0.0
    return Caption(block, start, end, lambda time: (round(x + drift * time), round(y)), fade)


def _corner_credits(
    length: float, look: Style, writer: Writer, rng: np.random.Generator, share: float
) -> list[Caption]:
    """Small blocks one after the other, in corners, at a side, or anywhere."""
    captions: list[Caption] = []
    fill = (
        WHITE
        if rng.random() < 0.75
        else hsv(rng.random(), rng.uniform(0, 1), rng.choice([0.1, 0.9]))
    )
    align = str(rng.choice(["left", "center", "right"]))
    hold, wander = rng.uniform(1.5, 5), rng.random() < 0.5
    anchor = rng.uniform(0.02, 0.98, 2) if not wander else None
    at = rng.uniform(0, 6)
    while at < length:
        end = min(length, at + hold * rng.uniform(0.7, 1.4))
        if rng.random() < share:
            block = writer.credits(rng, int(rng.integers(1, 4)), align, fill)
            spot = rng.uniform(0.02, 0.98, 2) if anchor is None else anchor
            x = spot[0] * max(0, look.size[0] - block.image.width)
            y = spot[1] * max(0, look.size[1] - block.image.height)
            drift = rng.normal(0, 0.03 * look.size[0]) if rng.random() < 0.2 else 0.0
            captions.append(Caption(block, at, end, _drifting(x, y, drift), 0.25))
        at = end + rng.uniform(0, 0.4)
    return captions


def _drifting(x: float, y: float, drift: float) -> Callable[[float], tuple[int, int]]:
    return lambda time: (round(x + drift * time), round(y))


def _cards(length: float, look: Style, writer: Writer, rng: np.random.Generator) -> list[Caption]:
    """Full blocks of credits that change every few seconds."""
    captions: list[Caption] = []
    align, hold = str(rng.choice(["left", "center", "right"])), rng.uniform(2, 6)
    x_share = {"left": 0.1, "center": 0.5, "right": 0.9}[align]
    gap = rng.uniform(0, 0.8)
    at = rng.uniform(0, 4) if rng.random() < 0.6 else 0.0
    while at < length:
        end = min(length, at + hold * rng.uniform(0.8, 1.3))
        block = writer.credits(rng, int(rng.integers(2, 9)), align, WHITE)
        x = x_share * (look.size[0] - block.image.width)
        y = 0.5 * (look.size[1] - block.image.height)
        captions.append(Caption(block, at, end, _drifting(x, y, 0.0), min(0.5, gap)))
        at = end + gap
    return captions


def _roll(
    length: float, look: Style, writer: Writer, rng: np.random.Generator, side: bool = False
) -> list[Caption]:
    """Credits that climb through the picture, in its middle or at a side."""
    width, height = look.size
    speed = height / rng.uniform(4, 12)
    stop = rng.uniform(0, 0.06) * length
    block = writer.roll(rng, min(round(speed * (length - stop)), 40 * height), WHITE)
    free = width - block.image.width
    x = round(free * (rng.choice([0.06, 0.94]) if side else 0.5))
    first = height * (rng.uniform(0.2, 1.0) if rng.random() < 0.4 else 1.0)
    return [Caption(block, 0.0, length, lambda time: (x, round(first - speed * time)))]


def _side(length: float, look: Style, writer: Writer, rng: np.random.Generator) -> list[Caption]:
    return _roll(length, look, writer, rng, side=True)


def _corner(length: float, look: Style, writer: Writer, rng: np.random.Generator) -> list[Caption]:
    return _corner_credits(length, look, writer, rng, rng.uniform(0.7, 1.0))


def _crawl(length: float, look: Style, writer: Writer, rng: np.random.Generator) -> list[Caption]:
    """Credits that run along the foot of the picture."""
    width, height = look.size
    names = "   ".join(f"{writer.role(rng)}: {writer.name(rng)}" for _ in range(14))
    captions: list[Caption] = []
    y, speed, at = round(height * rng.choice([0.05, 0.88])), width / rng.uniform(4, 9), 0.0
    block = writer.block([(names, writer.large)], writer.face, "left", WHITE, BLACK)
    pass_length = (width + block.image.width) / speed
    while at < length:
        captions.append(
            Caption(
                block, at, min(length, at + pass_length),
                lambda time: (round(width - speed * time), y),
            )
        )  # fmt: skip
        at += pass_length
    return captions


LAYOUTS: dict[str, Callable[..., list[Caption]]] = {
    "roll": _roll,
    "side": _side,
    "cards": _cards,
    "corner": _corner,
    "crawl": _crawl,
}


def _logos(length: float, look: Style, writer: Writer, rng: np.random.Generator) -> list[Caption]:
    """The series' title: early on, at the close, both or not at all."""
    fill = WHITE if rng.random() < 0.6 else hsv(rng.random(), 0.9, rng.uniform(0.4, 1))
    block = writer.headline(rng, rng.uniform(0.09, 0.22), fill)
    hold = rng.uniform(2, 5)
    captions = []
    if rng.random() < 0.55:
        at = rng.uniform(0, 0.3) * length
        captions.append(_held(block, look, rng, at, min(length, at + hold), centred=True))
    if rng.random() < 0.45:
        captions.append(_held(block, look, rng, max(0.0, length - hold), length, centred=True))
    return captions


def _lyrics(length: float, writer: Writer, rng: np.random.Generator) -> list[Caption]:
    """The words of a song, line by line."""
    low = rng.random() < 0.7
    return _lines(length, writer, rng, low, hold=(2.5, 5), pause=0.6, sung=True)


def _subtitles(length: float, writer: Writer, rng: np.random.Generator) -> list[Caption]:
    return _lines(length, writer, rng, True, hold=(1, 4), pause=rng.uniform(0.5, 3), sung=False)


def _lines(
    length: float,
    writer: Writer,
    rng: np.random.Generator,
    low: bool,
    *,
    hold: tuple[float, float],
    pause: float,
    sung: bool,
) -> list[Caption]:
    """Lines of words at the foot of the picture, or at its head."""
    captions: list[Caption] = []
    width, height = writer.size
    at = rng.exponential(pause)
    while at < length:
        end = min(length, at + rng.uniform(*hold))
        block = writer.subtitle(rng)
        x = (width - block.image.width) // 2
        y = height - block.image.height - round(0.03 * height) if low else round(0.03 * height)
        captions.append(Caption(block, at, end, _drifting(x, y, 0.0), 0.2 if sung else 0.0))
        at = end + rng.exponential(pause)
    return captions


def _signs(length: float, look: Style, writer: Writer, rng: np.random.Generator) -> list[Caption]:
    """Signs in the picture, and captions of place and time."""
    captions: list[Caption] = []
    often = rng.choice([0.0, 1 / 60, 1 / 15])
    for _ in range(rng.poisson(length * often)):
        fill = WHITE if rng.random() < 0.5 else hsv(rng.random(), rng.random(), rng.random())
        block = writer.sign(rng, fill)
        at = rng.uniform(0, length)
        captions.append(
            _held(block, look, rng, at, min(length, at + rng.uniform(1, 6)), centred=False)
        )
    return captions

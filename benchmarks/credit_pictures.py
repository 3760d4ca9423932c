"""Credits whose boxes are known, for benchmarks/text_detector.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from drawn_pictures import gradient
from PIL import Image, ImageDraw, ImageFont

from preprocess.text.engine import Box

LATIN = (
    "Directed by Ann Example|Original Story|Series Composition Ben Sample|Character Design|"
    'Music Carla Muster|Opening Theme "Morning Line"|Art Director D. Person|Sound E. Name|'
    "Color Design|Director of Photography|Producers F. Doe  G. Roe  H. Poe|Animation Studio"
).split("|")
CJK = (
    "監督 山田太郎|原作 鈴木花子|シリーズ構成|キャラクターデザイン|音楽 佐藤一郎|美術監督|"
    "オープニングテーマ「朝の線」|撮影監督 高橋|音響監督 田中|制作 製作委員会|色彩設計|作画監督"
).split("|")
LAYOUTS = "logo title card roll cast small tiny upright lyrics corner".split()
"""From 20 % of the height to 2.2 %; upright is vertical writing, for CJK only."""
INKS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int] | None]] = {
    "edged": ((255, 255, 255), (20, 20, 40)),
    "plain": ((245, 245, 245), None),
    "coloured": ((255, 220, 90), (90, 20, 20)),
    "dark": ((15, 15, 30), (240, 240, 240)),
}
"""Letters and their edge; plain ones stand on black and dark pictures only."""


@dataclass(frozen=True)
class Credit:
    """A rendered picture with text, and where it stands."""

    picture: np.ndarray
    boxes: list[Box]
    layout: str
    script: str
    ground: str


def credits(
    height: int, cjk_fonts: Sequence[str], behind: Mapping[str, Sequence[np.ndarray]], seed: int
) -> Iterator[Credit]:
    """Credits of every layout, font and ground at 16:9, the same ones for one seed."""
    rng = np.random.default_rng(seed)
    size = (height * 16 // 9, height)
    fonts = [("Latin", name) for name in _dejavu()] + [("CJK", name) for name in cjk_fonts]
    inks = itertools.cycle(INKS)
    grounds = {"black": _black, "gradient": gradient}
    grounds.update((name, _picture(pictures)) for name, pictures in behind.items())
    for layout, (script, font), (ground, paint) in itertools.product(
        LAYOUTS, fonts, grounds.items()
    ):
        if layout == "upright" and script == "Latin":
            continue
        ink = "plain" if ground == "black" else next(inks)
        if ink == "plain" and ground != "black":
            ink = "edged"
        image = paint(size, rng)
        boxes = _write(image, layout, CJK if script == "CJK" else LATIN, font, ink, rng)
        yield Credit(np.asarray(image), boxes, layout, script, ground)


def _black(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    return Image.new("RGB", size)


def _picture(pictures: Sequence[np.ndarray]) -> Callable[..., Image.Image]:
    def ground(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
        return Image.fromarray(pictures[rng.integers(len(pictures))]).resize(size)

    return ground


def _write(
    image: Image.Image,
    layout: str,
    words: list[str],
    font_file: str,
    ink: str,
    rng: np.random.Generator,
) -> list[Box]:
    """Write one layout of credits on the picture; the boxes of its lines."""
    width, height = image.size
    draw = ImageDraw.Draw(image)
    boxes: list[Box] = []
    fill, edge = INKS[ink]

    def line(text: str, x: float, y: float, share: float, anchor: str) -> None:
        font = ImageFont.truetype(font_file, max(8, round(height * share)))
        stroke = max(1, round(height * share / 16)) if edge else 0
        at = (x * width, y * height)
        draw.text(at, text, fill, font, anchor, stroke_width=stroke, stroke_fill=edge)
        left, top, right, bottom = draw.textbbox(at, text, font, anchor)
        boxes.append(Box(left / width, top / height, right / width, bottom / height))

    chosen = [words[index] for index in rng.permutation(len(words))]
    if layout == "logo":
        line(chosen[0].split()[0][:8], 0.5, 0.45, 0.2, "mm")
    elif layout == "title":
        line(chosen[0], 0.5, 0.45, 0.09, "mm")
    elif layout == "card":  # one role and one name, as openings show them for two seconds
        left, top = rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.7)
        line(chosen[0].split()[0], left, top, 0.045, "lm")
        line(chosen[1].split()[-1], left + 0.05, top + 0.09, 0.065, "lm")
    elif layout == "roll":
        for row, text in enumerate(chosen[:9]):
            line(text, 0.5, 0.12 + row * 0.09, 0.045, "mm")
    elif layout == "cast":
        for row, (role, name) in enumerate(zip(chosen[:5], chosen[5:10], strict=True)):
            line(role, 0.46, 0.3 + row * 0.08, 0.04, "rm")
            line(name, 0.54, 0.3 + row * 0.08, 0.04, "lm")
    elif layout in ("small", "tiny"):
        share = 0.03 if layout == "small" else 0.022
        for column, (row, text) in itertools.product((0.3, 0.7), enumerate(chosen[:10])):
            line(text, column, 0.2 + row * 2 * share, share, "mm")
    elif layout == "upright":
        for column, text in enumerate(chosen[:3]):
            for row, letter in enumerate(text.replace(" ", "")[:10]):
                line(letter, 0.85 - column * 0.12, 0.15 + row * 0.06, 0.05, "mm")
            first, last = boxes[-min(10, len(text.replace(" ", "")))], boxes[-1]
            del boxes[column:]
            boxes.append(Box(first.left, first.top, first.right, last.bottom))
    elif layout == "lyrics":
        line(chosen[0], 0.5, 0.9, 0.06, "mm")
        line(chosen[1], 0.5, 0.08, 0.045, "mm")
    else:
        line(chosen[0], 0.95, 0.8, 0.04, "rm")
        line(chosen[1], 0.95, 0.87, 0.055, "rm")
    return boxes


def _dejavu() -> list[str]:
    """Latin fonts that come with matplotlib."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [str(folder / name) for name in ("DejaVuSans.ttf", "DejaVuSerif-Bold.ttf")]

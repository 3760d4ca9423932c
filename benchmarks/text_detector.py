"""How well the text detector finds credits, and how often it sees text where there is none.

    python benchmarks/text_detector.py --font ipaexg.ttf --text-free cartoon.mp4

Renders credit pictures whose text boxes are known, counts the mask cells (27x36) that each
variant of the settings gets right, and counts the text-free frames in which it finds anything.
Prints the Markdown table of docs/text.md.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from clipping.media import frames_at, probe
from preprocess.settings import PPOCRSettings
from preprocess.text import Box, fill
from preprocess.text_ppocr import PPOCR, find_model

LATIN = (
    "Directed by Ann Example|Original Story|Series Composition Ben Sample|Character Design|"
    'Music Carla Muster|Opening Theme "Morning Line"|Art Director D. Person|Sound E. Name|'
    "Color Design|Director of Photography|Producers F. Doe  G. Roe  H. Poe|Animation Studio"
).split("|")
CJK = (
    "監督 山田太郎|原作 鈴木花子|シリーズ構成|キャラクターデザイン|音楽 佐藤一郎|美術監督|"
    "オープニングテーマ「朝の線」|撮影監督 高橋|音響監督 田中|制作 製作委員会|色彩設計|作画監督"
).split("|")
LAYOUTS = ("logo", "title", "roll", "cast", "lyrics", "corner")
Picture = tuple[np.ndarray, list[Box]]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--font", action="append", default=[], help="a font with CJK glyphs")
    parser.add_argument("--text-free", action="append", default=[], help="a video without text")
    parser.add_argument("--from", type=float, default=0.0, dest="first", help="its first second")
    parser.add_argument("--until", type=float, default=None, help="its last second")
    parser.add_argument("--frames", type=int, default=100, help="frames a video")
    options = parser.parse_args(argv)
    free = [frame for path in options.text_free for frame in spread(path, options)]
    heights = (360, 720, 1080)
    print(
        "| variant | " + " | ".join(f"{h}p: recall, precision, IoU, missed" for h in heights),
        end="",
    )
    print(" | false alarms, largest |\n|---|" + "---|" * (len(heights) + 1))
    fonts = [None, *options.font]
    credit_sets = {height: list(pictures(height, fonts, free)) for height in heights}
    for name, detector in variants():
        cells = [score(detector, credit_sets[height]) for height in heights]
        alarms = [int(detect(detector, frame).sum()) for frame in free]
        rate = f"{np.count_nonzero(alarms)}/{len(free)}, {max(alarms)} cells" if free else "-"
        print(f"| {name} | {' | '.join(cells)} | {rate} |", flush=True)
    return 0


class HalfNormalized(PPOCR):
    """With RapidOCR's normalization in place of PaddleOCR's."""

    @staticmethod
    def normalize(picture: np.ndarray) -> np.ndarray:
        return (picture[:, :, ::-1] / np.float32(127.5) - 1).astype(np.float32)


class InRGB(PPOCR):
    """With the colors in the wrong order."""

    @staticmethod
    def normalize(picture: np.ndarray) -> np.ndarray:
        return PPOCR.normalize(picture[:, :, ::-1])


def variants() -> Iterator[tuple[str, PPOCR]]:
    """The default, and each choice changed by itself."""
    model, default = find_model(), PPOCRSettings()
    yield "default", PPOCR(model, default)
    yield "normalized to -1..1", HalfNormalized(model, default)
    yield "RGB for BGR", InRGB(model, default)
    moves: dict[str, tuple[Any, ...]] = {
        "long_side": (480, 736, 960),
        "pixel": (0.2, 0.4),
        "score": (0.4, 0.7),
        "max_height": (0.1, 0.2, 1.0),
        "growth": (0.0, 1.0, 1.4, 1.6),
        "min_pixels": (10, 60),
    }
    for name, values in moves.items():
        for value in values:
            yield f"{name} = {value}", PPOCR(model, replace(default, **{name: value}))


def spread(path: str, options: argparse.Namespace) -> Iterator[np.ndarray]:
    """Frames at even distances, at the size of the video."""
    last = probe(path).duration - 1 if options.until is None else options.until
    times = np.linspace(options.first, last, options.frames)
    for frame in frames_at(path, times.tolist()):
        if frame is not None:
            yield frame.rgb()


def detect(detector: PPOCR, picture: np.ndarray) -> np.ndarray:
    """The mask of one full-size picture."""
    size = (picture.shape[1], picture.shape[0])
    small = Image.fromarray(picture).resize(detector.input_size(size), Image.Resampling.BOX)
    return fill(detector.find(np.asarray(small)), size)


def score(detector: PPOCR, credits: list[Picture]) -> str:
    """Recall, precision and IoU of mask cells over all pictures, and pictures wholly missed."""
    hit = found = true = missed = 0
    for picture, boxes in credits:
        want = fill(boxes, (picture.shape[1], picture.shape[0]))
        got = detect(detector, picture)
        hit += int((want & got).sum())
        found += int(got.sum())
        true += int(want.sum())
        missed += not (want & got).any()
    union = found + true - hit
    parts = f"{hit / true:.2f}, {hit / max(1, found):.2f}, {hit / union:.2f}"
    return f"{parts}, {missed}/{len(credits)}"


def pictures(height: int, fonts: list[str | None], free: list[np.ndarray]) -> Iterator[Picture]:
    """Credits of every layout, font and background, the same ones on every run."""
    rng = np.random.default_rng(7)
    backgrounds = (_black, _gradient, _drawing, _film(free) if free else _drawing)
    for layout, font, background in itertools.product(LAYOUTS, fonts, backgrounds):
        size = (height * 16 // 9, height)
        image = background(size, rng)
        boxes = _write(image, layout, font, rng)
        yield np.asarray(image), boxes


def _black(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    return Image.new("RGB", size)


def _gradient(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    corners = rng.integers(0, 200, (2, 2, 3)).astype(np.uint8)
    return Image.fromarray(corners).resize(size, Image.Resampling.BICUBIC)


def _drawing(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Flat shapes with outlines, as in a cartoon."""
    image = _gradient(size, rng)
    draw = ImageDraw.Draw(image)
    for _ in range(25):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        w, h = rng.integers(size[1] // 20, size[1] // 3, 2)
        color = tuple(int(v) for v in rng.integers(0, 256, 3))
        draw.ellipse(
            (float(x), float(y), float(x + w), float(y + h)),
            fill=color,
            outline=(0, 0, 0),
            width=size[1] // 180,
        )
    return image.filter(ImageFilter.GaussianBlur(size[1] / 720))


def _film(free: list[np.ndarray]) -> Callable[..., Image.Image]:
    def background(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
        return Image.fromarray(free[rng.integers(len(free))]).resize(size)

    return background


def _write(
    image: Image.Image, layout: str, font_file: str | None, rng: np.random.Generator
) -> list[Box]:
    """Write one layout of credits on the picture; the boxes of its lines."""
    words = CJK if font_file else LATIN
    file = font_file or _dejavu()
    width, height = image.size
    draw = ImageDraw.Draw(image)
    boxes: list[Box] = []

    def line(text: str, x: float, y: float, share: float, anchor: str) -> None:
        font = ImageFont.truetype(file, max(8, round(height * share)))
        edge = max(1, round(height * share / 16))
        draw.text(
            (x * width, y * height), text, (255, 255, 255), font, anchor,
            stroke_width=edge, stroke_fill=(20, 20, 40),
        )  # fmt: skip
        left, top, right, bottom = draw.textbbox((x * width, y * height), text, font, anchor)
        boxes.append(Box(left / width, top / height, right / width, bottom / height))

    chosen = [words[index] for index in rng.permutation(len(words))]
    if layout == "logo":
        line(chosen[0].split()[0][:8], 0.5, 0.45, 0.2, "mm")
    elif layout == "title":
        line(chosen[0], 0.5, 0.45, 0.09, "mm")
    elif layout == "roll":
        for row, text in enumerate(chosen[:9]):
            line(text, 0.5, 0.12 + row * 0.09, 0.045, "mm")
    elif layout == "cast":
        for row, (role, name) in enumerate(zip(chosen[:5], chosen[5:10], strict=True)):
            line(role, 0.46, 0.3 + row * 0.08, 0.04, "rm")
            line(name, 0.54, 0.3 + row * 0.08, 0.04, "lm")
    elif layout == "lyrics":
        line(chosen[0], 0.5, 0.9, 0.06, "mm")
        line(chosen[1], 0.5, 0.08, 0.045, "mm")
    else:
        line(chosen[0], 0.95, 0.8, 0.04, "rm")
        line(chosen[1], 0.95, 0.87, 0.055, "rm")
    return boxes


def _dejavu() -> str:
    """A Latin font that comes with matplotlib."""
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")


if __name__ == "__main__":
    raise SystemExit(main())

"""How well the text detector finds credits, how often it sees text where there is none, its cost.

    python benchmarks/text_detector.py --cjk-font ipaexg.ttf --film cartoon.mp4

Renders credits whose boxes are known (credit_pictures), draws episodes without text
(drawn_pictures), takes frames of films without text, and counts cells of the mask (27x36).
Prints the Markdown tables of docs/measured/text.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # preprocess is the package

from credit_pictures import Credit, credits
from drawn_pictures import episode, lookalikes

from clipping.errors import ClippingError
from clipping.media.frames import frames_at
from clipping.media.picture import Frame
from clipping.media.probe import probe
from preprocess.settings import FeatureSettings, PPOCRSettings
from preprocess.text.engine import detector, fill
from preprocess.text.ppocr import MODEL, PPOCR, boxes

HEIGHTS = (360, 720, 1080)
DEFAULT = PPOCRSettings()
MOVES: dict[str, tuple[Any, ...]] = {
    "long_side": (544, 736),
    "pixel": (0.2, 0.4),
    "score": (0.4, 0.85),
    "max_height": (0.1, 0.2, 1.0),
    "min_length": (1.0, 2.0, 3.0),
    "short_score": (0.0, 0.94, 0.98),
    "growth": (0.0, 1.2, 1.6),
    "min_pixels": (10, 60),
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cjk-font", action="append", default=[], help="a font with CJK glyphs")
    parser.add_argument("--film", action="append", default=[], help="a drawn film without text")
    parser.add_argument("--from", type=float, default=0.0, dest="first", help="its first second")
    parser.add_argument("--until", type=float, default=None, help="its last second")
    parser.add_argument("--seed", type=int, default=9, help="of what is rendered and drawn")
    parser.add_argument("--easyocr-models", type=Path, help="folder with EasyOCR's weights")
    parser.add_argument("--only", choices=("default", "cost"), help="less than everything")
    options = parser.parse_args(argv)
    if options.only != "cost":
        quality(options)
    if options.only != "default":
        cost(options.easyocr_models)
    return 0


def quality(options: argparse.Namespace) -> None:
    """Make the pictures, and print how each variant does on them."""
    film = [frame for path in options.film for frame in every_second(path, options)]
    drawn = [p for n in range(10) for p in episode(100 * options.seed + n, 40)]
    free = {"film": film, "drawn": drawn, "lookalikes": lookalikes(60, (1280, 720), options.seed)}
    behind = {"drawn": drawn[::20], **({"film": film[::12]} if film else {})}
    tables(
        variants(every=options.only is None),
        lambda height: credits(height, options.cjk_font, behind, options.seed),
        {name: pictures for name, pictures in free.items() if pictures},
    )


def variants(*, every: bool) -> dict[str, PPOCRSettings]:
    """The default, what was the default until 2026-11-20, and each choice changed by itself."""
    old = replace(DEFAULT, growth=1.2, min_length=1.0, short_score=0.0)
    moved = {
        f"{name} = {value}": replace(DEFAULT, **{name: value})
        for name, values in MOVES.items()
        for value in values
        if every
    }
    return {"default": DEFAULT, "rules of 2026-11-20": old, **moved}


def every_second(path: str, options: argparse.Namespace) -> Iterator[np.ndarray]:
    """The frames of whole seconds, at the size of the video."""
    last = probe(path).duration - 1 if options.until is None else options.until
    for frame in frames_at(path, np.arange(options.first, last).tolist()):
        if frame is not None:
            yield frame.rgb()


class Masks:
    """The masks of a picture for every variant; each network size is computed once."""

    def __init__(self, variants: dict[str, PPOCRSettings]) -> None:
        self.variants = variants
        sides = {settings.long_side for settings in self.variants.values()}
        self._networks = {side: PPOCR(MODEL, replace(DEFAULT, long_side=side)) for side in sides}

    def of(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        frame = as_frame(picture)
        maps = {
            side: network.probabilities(frame.rgb(network.input_size(frame.size)))
            for side, network in self._networks.items()
        }
        return {
            name: fill(boxes(maps[settings.long_side], settings), frame.size)
            for name, settings in self.variants.items()
        }


def as_frame(picture: np.ndarray) -> Frame:
    """A picture as a decoder gives it."""
    return Frame(0, 0, av.VideoFrame.from_ndarray(picture).reformat(format="yuv420p"))


def tables(
    variants: dict[str, PPOCRSettings],
    rendered: Callable[[int], Iterator[Credit]],
    free: dict[str, Any],
) -> None:
    """Print how each variant does on all pictures, and where the default loses cells."""
    masks = Masks(variants)
    tallies: dict[tuple[str, str, int], np.ndarray] = defaultdict(lambda: np.zeros(5, int))
    for height in HEIGHTS:
        for credit in rendered(height):
            want = fill(credit.boxes, (credit.picture.shape[1], credit.picture.shape[0]))
            for name, got in masks.of(credit.picture).items():
                hit = int((want & got).sum())
                row = (hit, got.sum(), want.sum(), hit == 0, 1)
                tallies[name, "all", height] += row
                if name == "default":
                    for part in (credit.layout, credit.script, credit.ground):
                        tallies[name, part, height] += row
    alarms: dict[tuple[str, str], list[int]] = defaultdict(list)
    for kind, pictures in free.items():
        for picture in pictures:
            for name, got in masks.of(picture).items():
                alarms[name, kind].append(int(got.sum()))
    told = " | ".join(f"{height}p" for height in HEIGHTS)
    print(f"| variant | {told} | {' | '.join(free)} |\n|---|" + "---|" * (len(HEIGHTS) + len(free)))
    for name in masks.variants:
        cells = [summary(tallies[name, "all", height]) for height in HEIGHTS]
        for kind in free:
            lit = alarms[name, kind]
            cells.append(f"{np.count_nonzero(lit)}/{len(lit)}, {max(lit)} cells")
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\n| default, on | {told} |\n|---|" + "---|" * len(HEIGHTS))
    for part in dict.fromkeys(part for _, part, _ in tallies):
        cells = [summary(tallies["default", part, height]) for height in HEIGHTS]
        print(f"| {part} | {' | '.join(cells)} |")


def summary(tally: np.ndarray) -> str:
    """Recall, precision and IoU of cells; pictures in which no cell was right, of all."""
    hit, found, true, missed, pictures = tally.tolist()
    parts = f"{hit / true:.3f}, {hit / max(1, found):.3f}, {hit / (found + true - hit):.3f}"
    return f"{parts}, {missed}/{pictures}"


def cost(easyocr_models: Path | None) -> None:
    """Print the CPU milliseconds of a 1080p frame, each way of it in turn, medians of 7."""
    frames = [as_frame(picture) for picture in lookalikes(5, (1920, 1080), 1)]
    network = PPOCR(MODEL, DEFAULT)
    size = network.input_size(frames[0].size)
    small = [frame.rgb(size) for frame in frames]
    maps = [network.probabilities(picture) for picture in small]
    planes = np.empty((3, size[1], size[0]), np.float32)
    steps: dict[str, tuple[Callable[[Any], Any], Sequence[Any]]] = {
        "scale": (lambda frame: frame.rgb(size), frames),
        "normalize": (lambda picture: network.normalize(picture, planes), small),
        "normalize and network": (network.probabilities, small),
        "areas to boxes": (lambda found: boxes(found, DEFAULT), maps),
        "boxes to mask": (lambda found: fill(boxes(found, DEFAULT), frames[0].size), maps),
        "all of it": (lambda frame: fill(network.find(frame.rgb(size)), frame.size), frames),
    }
    try:
        other = PPOCR(MODEL, replace(DEFAULT, runtime="openvino"))
        steps["all of it, openvino"] = (
            lambda frame: fill(other.find(frame.rgb(size)), frame.size),
            frames,
        )
    except ClippingError:
        print("openvino is not installed")
    milliseconds: dict[str, list[float]] = defaultdict(list)
    for round_ in range(8):
        for name, (step, inputs) in steps.items():
            spent = cpu_ms(step, inputs)
            if round_:  # the first one warms up
                milliseconds[name].append(spent)
    medians = {name: float(np.median(values)) for name, values in milliseconds.items()}
    if easyocr_models is not None:
        craft = detector(FeatureSettings(text_engine="easyocr"), easyocr_models)
        full = craft.input_size(frames[0].size)
        medians["easyocr (CRAFT), full size"] = cpu_ms(
            lambda frame: craft.find(frame.rgb(full)), frames[:3]
        )
    print("\n| step | CPU ms a 1080p frame | of all of it |\n|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value:.2f} | {value / medians['all of it']:.2f}x |")


def cpu_ms(step: Callable[[Any], Any], inputs: Sequence[Any]) -> float:
    """CPU milliseconds an input."""
    begun = time.process_time()
    for one in inputs:
        step(one)
    return (time.process_time() - begun) / len(inputs) * 1000


if __name__ == "__main__":
    raise SystemExit(main())

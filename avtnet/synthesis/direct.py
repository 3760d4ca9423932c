"""Make features of a varied episode without a file: pictures and sound go straight to arrays.

There is no codec and no text engine, so a window takes about a second. The damage of a codec is
imitated on a share of the episodes (:mod:`avtnet.synthesis.film`), the errors of the text engine by
:class:`Detector`, whose figures were measured on rendered frames (docs/model-card.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from avtnet.synthesis.captions import Box
from avtnet.synthesis.film import Film
from clipping.identity import Source
from clipping.windows import Side
from preprocess.audio import mfcc
from preprocess.features import Features
from preprocess.frames import letterbox
from preprocess.settings import FeatureSettings
from preprocess.text.engine import Box as TextBox
from preprocess.text.engine import fill

LEAST_LINE = 0.018
"""Height of a line, as a share of the picture's, up to which the text engine finds nothing."""
SURE_LINE = 0.034
"""Height of a line from which the text engine finds as many as it ever does."""


@dataclass(frozen=True)
class Detector:
    """Imitation of the text engine's errors on text whose boxes are known."""

    found: float = 0.93
    """Share of the captions of sufficient height that are found."""
    steady: float = 0.95
    """Share of the seconds of such a caption in which it is found."""
    false_boxes: float = 0.03
    """Share of pictures with a box without text."""
    jitter: float = 0.06
    """Standard deviation of a box's edges, as a share of its height."""

    def see(
        self, boxes: list[tuple[int, Box]], size: tuple[int, int], seed: int, second: int
    ) -> list[TextBox]:
        """Return the boxes that the engine would find in a picture, as shares of its sides."""
        width, height = size
        rng = np.random.default_rng([seed, 17, second])
        found: list[TextBox] = []
        for order, (caption, (left, top, right, bottom)) in enumerate(boxes):
            lasting = np.random.default_rng([seed, 18, caption + 1, order])
            high, wide = bottom - top, right - left
            chance = np.clip((high / height - LEAST_LINE) / (SURE_LINE - LEAST_LINE), 0, 1)
            if high > 0.2 * height or wide < 2.2 * high:  # the engine takes these as drawings
                chance *= 0.15
            elif wide < 3.5 * high:
                chance *= 0.6
            if lasting.random() > chance * self.found or rng.random() > self.steady:
                continue
            shift = rng.normal(0, self.jitter * high, 4)
            found.append(
                TextBox(
                    (left + shift[0]) / width,
                    (top + shift[1]) / height,
                    (right + shift[2]) / width,
                    (bottom + shift[3]) / height,
                )
            )
        if rng.random() < self.false_boxes:
            high = rng.uniform(0.02, 0.08)
            wide = high * rng.uniform(2.5, 6) * height / width
            left, top = rng.uniform(0, 1 - wide), rng.uniform(0, 1 - high)
            found.append(TextBox(left, top, left + wide, top + high))
        return found


def window_features(
    film: Film,
    side: Side,
    settings: FeatureSettings | None = None,
    *,
    start: float | None = None,
    detector: Detector | None = None,
) -> Features:
    """The features of a window of a film, as :func:`preprocess.extract` makes them of a file.

    Args:
        start: media time of its second 0; None: 0 or, of the end window, 200 s before the end.
        detector: how text is seen; None: like the engine; its figures all perfect: as it stands.
    """
    settings, detector = settings or FeatureSettings(), detector or Detector()
    duration = film.outline.duration
    if start is None:
        start = max(0.0, duration - settings.window) if side == "end" else 0.0
    covered = min(settings.window, duration - start)
    frames = np.zeros(settings.shapes["frames"], np.uint8)
    text = np.zeros(settings.shapes["text"], bool)
    cells = (settings.mask_width, settings.mask_height)
    for second in range(min(settings.seconds, math.ceil(covered - 1e-6))):
        image, boxes = film.picture(start + second)
        frames[second] = thumbnail(image, settings)
        seen = detector.see(boxes, image.size, film.outline.seed, second)
        text[second] = fill(seen, image.size, cells)
    sound = film.mastered(start, start + covered)
    return Features(
        mfcc=mfcc(sound, settings),
        frames=frames,
        text=text,
        name=film.outline.name,
        side=side,
        start=start,
        covered=covered,
        duration=duration,
        source=Source(f"{film.outline.name} (rendered)", 0, ""),
        settings=settings,
    )


def thumbnail(image: Image.Image, settings: FeatureSettings) -> np.ndarray:
    """A picture in the middle of a black canvas: uint8 (3, 66, 88)."""
    canvas = np.zeros((3, settings.frame_height, settings.frame_width), np.uint8)
    place = letterbox(image.size, (settings.frame_width, settings.frame_height))
    small = image.resize((place.width, place.height), Image.Resampling.BOX)
    rows = slice(place.top, place.top + place.height)
    columns = slice(place.left, place.left + place.width)
    canvas[:, rows, columns] = np.asarray(small).transpose(2, 0, 1)
    return canvas

"""Features of a film that is rendered straight to arrays, as preprocess makes them of a file."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from avtnet.synthesis.detector import Detector
from avtnet.synthesis.film import Film
from clipping.identity import Source
from clipping.windows import Side
from preprocess.audio import mfcc
from preprocess.features import Features
from preprocess.frames import letterbox
from preprocess.settings import FeatureSettings
from preprocess.text.engine import fill


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

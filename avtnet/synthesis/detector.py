"""Imitate the errors of the text engine, for pieces that are rendered straight to arrays.

A piece has neither a codec nor a text engine, so a second of it costs milliseconds. The figures of
:class:`Detector` were measured on rendered frames (docs/measured/model-card.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avtnet.synthesis.captions import Box
from preprocess.text.engine import Box as TextBox

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

"""Draw pictures as thumbnails with black bars (letterbox), never cropped or stretched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from clipping.media.picture import Frame


@dataclass(frozen=True)
class Letterbox:
    """Place of a picture on a canvas of another shape, in pixels of the canvas."""

    left: int
    top: int
    width: int
    height: int


def letterbox(size: tuple[int, int], canvas: tuple[int, int]) -> Letterbox:
    """Return the place of a picture of ``size`` on ``canvas``: as large as fits, in the middle.

    Both are (width, height), upright and with square pixels. A picture of any shape keeps at least
    one pixel; an odd pixel of the border goes to the right or the bottom.

    Raises:
        ValueError: if a size is not positive.
    """
    if min(*size, *canvas) < 1:
        raise ValueError(f"a picture needs a size of 1x1 or more, got {size} on {canvas}")
    scale = min(canvas[0] / size[0], canvas[1] / size[1])
    width = min(canvas[0], max(1, round(size[0] * scale)))
    height = min(canvas[1], max(1, round(size[1] * scale)))
    return Letterbox((canvas[0] - width) // 2, (canvas[1] - height) // 2, width, height)


def draw_thumbnail(frame: Frame, canvas: np.ndarray) -> None:
    """Draw a frame, area-averaged, into the middle of a black uint8 (3, height, width) canvas."""
    box = letterbox(frame.size, (canvas.shape[2], canvas.shape[1]))
    rows = slice(box.top, box.top + box.height)
    columns = slice(box.left, box.left + box.width)
    canvas[:, rows, columns] = frame.rgb((box.width, box.height)).transpose(2, 0, 1)

"""Held pictures: their text is found once, and every mask is what looking again would give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from clipping.media.frames import frames_at
from clipping.media.picture import Frame
from preprocess.settings import FeatureSettings
from preprocess.text.engine import Box, detector, fill
from preprocess.text.track import TextTrack

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
WIDTH, HEIGHT, RATE, SECONDS = 320, 180, 6, 12


class Counting:
    """The real engine, and how often it was asked."""

    def __init__(self) -> None:
        self._engine = detector(FeatureSettings())
        self.asked = 0

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return self._engine.input_size(size)

    def find(self, picture: np.ndarray) -> list[Box]:
        self.asked += 1
        return self._engine.find(picture)


def _scene(hue: int) -> Image.Image:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    ground = np.stack([rows, columns // 2, rows * 0 + hue], axis=-1)
    image = Image.fromarray(ground.astype(np.uint8))
    ImageDraw.Draw(image).ellipse((120, 60, 180, 150), (240, 200, 180), "black", 2)
    return image


def _written(image: Image.Image, y: float, opacity: float = 1.0) -> Image.Image:
    lettered = image.copy()
    font = ImageFont.truetype(str(FONT), 14)
    for row, text in enumerate(("Directed by", "Ann Example", "Music", "Ben Sample")):
        ImageDraw.Draw(lettered).text((WIDTH / 2, y + 20 * row), text, "white", font, "mm")
    return Image.blend(image, lettered, opacity)


def _holds(frame: int) -> Image.Image:
    """Four pictures for three seconds each, every other one with credits."""
    scene = _scene(60 * (frame // (3 * RATE)))
    return _written(scene, 60) if frame // (3 * RATE) % 2 else scene


def _fade(frame: int) -> Image.Image:
    """Credits that take twelve seconds to come."""
    return _written(_scene(90), 60, frame / (SECONDS * RATE))


def _scroll(frame: int) -> Image.Image:
    return _written(_scene(20), HEIGHT - 3 * frame)


@pytest.mark.parametrize(
    ("show", "quality", "most_asked"),
    [(_holds, {"qp": "0"}, 4), (_fade, {"crf": "20"}, SECONDS), (_scroll, {"crf": "20"}, SECONDS)],
)
def test_masks_are_those_of_looking_at_every_frame(show, quality, most_asked, tmp_path):
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", RATE, options=quality)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in range(SECONDS * RATE):
            made.mux(stream.encode(av.VideoFrame.from_image(show(frame))))
        made.mux(stream.encode())
    engine, always = Counting(), Counting()
    track = TextTrack(engine)
    lit = []
    for frame in _seconds(path):
        mask = fill(track.find(frame), frame.size)
        looked = always.find(frame.rgb(always.input_size(frame.size)))
        assert (mask == fill(looked, frame.size)).all()
        lit.append(bool(mask.any()))
    assert engine.asked <= most_asked
    assert always.asked == SECONDS
    assert True in lit
    assert show is _scroll or False in lit


def _seconds(path: Path) -> Iterator[Frame]:
    for frame in frames_at(path, [second + 0.5 for second in range(SECONDS)]):
        assert frame is not None
        yield frame

"""Show a segment at a glance: as a contact sheet (PNG, JPEG) or an animation (WebP, GIF)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from clipping import config
from clipping.errors import ClippingError, ConfigError, MediaError
from clipping.extra import extra_module, font_path
from clipping.files import atomic_path, require_replaceable
from clipping.media.frames import frames_at
from clipping.media.probe import probe
from clipping.segments import Segment, format_time, parse_time

SHEETS = (".png", ".jpg", ".jpeg")
ANIMATIONS = (".webp", ".gif")
MAX_PICTURES = 1000
"""Most pictures of a preview; all of them are held in memory."""
_SHEET_PICTURES = 20
_ANIMATION_SECONDS = 0.1
_GAP_PIXELS = 4
_PROG = "python -m clipping preview"


def preview(
    source: Path | str,
    segment: Segment | None = None,
    *,
    output: Path | str,
    every: float | None = None,
    columns: int = 5,
    width: int = 320,
    overwrite: bool = False,
) -> Path:
    """Write pictures of a segment to ``output``; its suffix chooses sheet or animation.

    Args:
        segment: in media time; None: the whole file.
        every: seconds between pictures; None: 20 pictures on a sheet, 10 per second in an
            animation, which then plays at normal speed.
        columns: pictures in a row of a sheet.
        width: pixels of one picture; its height follows from the film's shape.

    Raises:
        MediaError: if the source cannot be read, has no picture, or ends before the segment.
        ClippingError: if ``output`` exists, cannot be written or has another suffix; if the extra
            ``video`` is not installed; if there would be more than 1000 pictures.
        ValueError: if columns, width or every is out of range.
    """
    source, output = Path(source), Path(output)
    suffix = output.suffix.lower()
    if suffix not in SHEETS + ANIMATIONS:
        raise ClippingError(f"{output}: a preview is {', '.join(SHEETS + ANIMATIONS)}")
    require_replaceable(output, overwrite=overwrite)
    if columns < 1 or not 16 <= width <= 4096 or (every is not None and every <= 0):
        raise ValueError("a preview needs columns >= 1, width 16 to 4096, every > 0")
    imageio = extra_module("imageio.v3")
    info = probe(source)
    if info.video is None:
        raise MediaError(f"{source}: has no picture")
    segment = segment or Segment(0.0, info.duration)
    if segment.start >= info.duration:
        raise MediaError(f"{source}: ends at {format_time(info.duration)}, before {segment}")
    length = min(segment.end, info.duration) - segment.start
    if every is None:
        every = _ANIMATION_SECONDS if suffix in ANIMATIONS else length / _SHEET_PICTURES
    count = max(1, int(length / every + 1e-6))
    if count > MAX_PICTURES:
        raise ClippingError(
            f"{output}: {count} pictures are more than {MAX_PICTURES}; "
            f"take one every {length / MAX_PICTURES:.2f} s or fewer"
        )
    full_width, full_height = info.video.display_size
    size = (width, max(1, round(width * full_height / full_width)))
    times = [segment.start + number * every for number in range(count)]
    shown = [
        (frame.time, frame.rgb(size)) for frame in frames_at(source, times) if frame is not None
    ]
    if not shown:
        raise MediaError(f"{source}: shows no picture in {segment}")
    with atomic_path(output) as temporary:
        if suffix in SHEETS:
            imageio.imwrite(temporary, _sheet(shown, columns), extension=suffix)
        else:
            pictures = np.stack([picture for _, picture in shown])
            options = {"duration": every * 1000, "loop": 0}
            imageio.imwrite(temporary, pictures, extension=suffix, plugin="pillow", **options)
    return output


def _sheet(shown: Sequence[tuple[float, np.ndarray]], columns: int) -> np.ndarray:
    """The pictures in rows, each with its time, as uint8 (height, width, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    height, width = shown[0][1].shape[:2]
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    across, down = width + _GAP_PIXELS, height + _GAP_PIXELS
    sheet = Image.new("RGB", (columns * across + _GAP_PIXELS, rows * down + _GAP_PIXELS))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(font_path(), max(10, width // 20))
    for number, (time, picture) in enumerate(shown):
        row, column = divmod(number, columns)
        left, top = _GAP_PIXELS + column * across, _GAP_PIXELS + row * down
        sheet.paste(Image.fromarray(picture), (left, top))
        corner = (left + 4, top + height - 4)
        draw.text(
            corner,
            format_time(time),
            "white",
            font,
            anchor="ls",
            stroke_width=max(1, width // 160),
            stroke_fill="black",
        )
    return np.asarray(sheet)


@dataclass(frozen=True)
class PreviewConfig:
    """Write a contact sheet (.png, .jpg) or an animation (.webp, .gif) of a segment."""

    file: tuple[str, ...] = field(default=(), metadata={"help": "one media file"})
    start: str = ""
    """start of the segment: 83.5 or 1:23.5; default: the start of the file"""
    end: str = ""
    """end of the segment; default: the end of the file"""
    output: Path = Path("preview.png")
    """the file to write; its suffix chooses the kind"""
    every: float | None = None
    """seconds between pictures; default: 20 pictures on a sheet, 10 per second in an animation"""
    columns: int = 5
    """pictures in a row of a sheet"""
    width: int = 320
    """width of one picture in pixels"""
    overwrite: bool = False
    """replace a file that exists"""

    def __post_init__(self) -> None:
        if len(self.file) != 1:
            raise ConfigError(f"a preview shows one file, got {len(self.file)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the preview that a command line asks for."""
    settings = config.parse(PreviewConfig, argv, prog=_PROG, positional="file")
    return config.run(lambda: _run(settings), _PROG)


def _run(settings: PreviewConfig) -> int:
    source = Path(settings.file[0])
    try:
        start = parse_time(settings.start or "0")
        end = parse_time(settings.end) if settings.end else probe(source).duration
        written = preview(
            source,
            Segment(start, end),
            output=settings.output,
            every=settings.every,
            columns=settings.columns,
            width=settings.width,
            overwrite=settings.overwrite,
        )
    except ValueError as error:
        raise ClippingError(str(error)) from error
    print(written)
    return 0


if __name__ == "__main__":
    sys.exit(main())

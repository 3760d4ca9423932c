"""The picture of a made season: shots that move and cut, as planes of YUV 4:2:0.

A reel is endless and drawn in cells of 16 s, each from its own random numbers; a picture costs
some slices of a larger drawing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from making.season_plan import FRAMES_PER_SECOND, Piece, Reel
from PIL import Image

from avtnet.synthesis.lettering import FAMILY_NAMES, GIVEN_NAMES, ROLES, font, latin_fonts, letter

CELL_SECONDS = 16
CELL_FRAMES = CELL_SECONDS * FRAMES_PER_SECOND
SHOT_SECONDS = {"story": (2.0, 6.0), "opening": (0.75, 2.5), "ending": (4.0, 9.0)}
HOLD = 2
"""Frames for which a picture is held: drawn on twos, as animation is."""
BLACK, GREY, WHITE = 16, 128, 235


@dataclass(frozen=True, eq=False)
class Shot:
    """What is seen between two cuts."""

    first: int
    """Frame of the cell."""
    drawing: np.ndarray
    """uint8 luma, half as large again as the picture each way."""
    start: tuple[float, float]
    drift: tuple[float, float]
    """Rows and columns, and how many more a frame."""
    thing: tuple[int, int, float, float, int]
    """What moves in it: top, height, left and speed as shares of the width, luma."""
    chroma: tuple[int, int]


def piece_pictures(piece: Piece, size: tuple[int, int]) -> Iterator[tuple[np.ndarray, bool]]:
    """Every frame of a piece: uint8 (height * 3 / 2, width) planes, and whether it is a cut.

    A held picture is the same array again.
    """
    width, height = size
    frames = round(piece.seconds * FRAMES_PER_SECOND)
    into, out = (round(fade * FRAMES_PER_SECOND) for fade in piece.fades)
    offset = round(piece.reel.begin * FRAMES_PER_SECOND)
    draw = _DRAWN[piece.reel.kind]
    held: tuple[float, int, int] | None = None
    planes = np.empty(0, np.uint8)
    for number in range(frames):
        first, age = _shot(piece.reel, offset + number, size)
        light = min(1.0, number / into if into else 1.0, (frames - number) / out if out else 1.0)
        if held != (light, first, age // HOLD):
            held = (light, first, age // HOLD)
            planes = draw(piece.reel, first + age // HOLD * HOLD, width, height)
            if light < 1:
                for part, dark in ((planes[:height], BLACK), (planes[height:], GREY)):
                    part[:] = (part.astype(np.float32) - dark) * light + dark
        yield planes, age == 0 or number == 0


def _shot(reel: Reel, frame: int, size: tuple[int, int]) -> tuple[int, int]:
    """The first frame of a frame's shot in the reel, and how many it has been seen."""
    if reel.kind not in SHOT_SECONDS:
        return 0, frame
    cell, within = divmod(frame, CELL_FRAMES)
    shots = _cell(reel.kind, reel.seed, cell, *size)
    first = max(shot.first for shot in shots if shot.first <= within)
    return cell * CELL_FRAMES + first, within - first


def _shots_picture(reel: Reel, frame: int, width: int, height: int) -> np.ndarray:
    cell, within = divmod(frame, CELL_FRAMES)
    shots = _cell(reel.kind, reel.seed, cell, width, height)
    shot = next(each for each in reversed(shots) if each.first <= within)
    age = within - shot.first
    row, column = (
        int(abs((start + speed * age + room) % (2 * room) - room))
        for start, speed, room in zip(
            shot.start, shot.drift, (height // 2, width // 2), strict=True
        )
    )
    planes = np.empty((height * 3 // 2, width), np.uint8)
    planes[:height] = shot.drawing[row : row + height, column : column + width]
    top, tall, left, speed, luma = shot.thing
    at = int(width * ((left + speed * age) % 1.2 - 0.2))
    planes[top : top + tall, max(0, at) : max(0, at + width // 5)] = luma
    planes[height : height + height // 4], planes[height + height // 4 :] = shot.chroma
    if reel.credits is not None:
        if reel.kind == "ending":
            _scroll(planes, reel.credits, frame, width, height)
        elif cell == 0 and len(shots) > 1 and shots[1].first <= within < shots[1].first + 24:
            _stamp(planes, _title(reel.seed, height), width, height, middle=True)
        else:
            _stamp(planes, _names(reel.credits, frame // 24, height), width, height)
    return planes


def _card_picture(reel: Reel, frame: int, width: int, height: int) -> np.ndarray:
    """A word on a plain ground that grows a little: a channel's logo, an eyecatch."""
    rng = np.random.default_rng((reel.seed, 7))
    planes = np.full((height * 3 // 2, width), GREY, np.uint8)
    slope = np.linspace(0, rng.uniform(20, 60), width)
    planes[:height] = (rng.uniform(30, 130) + slope).astype(np.uint8)
    planes[height : height + height // 4] = rng.integers(90, 166)
    planes[height + height // 4 :] = rng.integers(90, 166)
    radius = rng.uniform(0.2, 0.4) * height * (1 + 0.02 * min(frame, 16))
    rows, columns = np.ogrid[:height, :width]
    away = (rows - height / 2) ** 2 + (columns - rng.uniform(0.3, 0.7) * width) ** 2
    planes[:height][away < radius**2] = rng.integers(170, WHITE)
    _stamp(planes, _title(reel.seed, height), width, height, middle=True)
    return planes


def _black_picture(reel: Reel, frame: int, width: int, height: int) -> np.ndarray:
    planes = np.full((height * 3 // 2, width), GREY, np.uint8)
    planes[:height] = BLACK
    return planes


_DRAWN = {
    "story": _shots_picture,
    "opening": _shots_picture,
    "ending": _shots_picture,
    "card": _card_picture,
    "black": _black_picture,
}


@lru_cache(maxsize=16)
def _cell(kind: str, seed: int, cell: int, width: int, height: int) -> tuple[Shot, ...]:
    rng = np.random.default_rng((seed, cell, sorted(SHOT_SECONDS).index(kind)))
    shots = []
    at = 0
    while at < CELL_FRAMES:
        shots.append(_draw_shot(rng, at, width, height))
        at += round(rng.uniform(*SHOT_SECONDS[kind]) * FRAMES_PER_SECOND)
    return tuple(shots)


def _draw_shot(rng: np.random.Generator, first: int, width: int, height: int) -> Shot:
    large = (width * 3 // 2, height * 3 // 2)
    drawing = np.zeros(large[::-1], np.float32)
    for cells, weight in (((6, 4), 0.7), ((24, 14), 0.3)):
        coarse = rng.integers(0, 256, cells[::-1]).astype(np.uint8)
        smooth = Image.fromarray(coarse).resize(large, Image.Resampling.BICUBIC)
        drawing += weight * np.asarray(smooth)
    light, contrast = rng.uniform(70, 150), rng.uniform(0.6, 1.2)
    drawing = (drawing - 127) * contrast + light
    for _ in range(rng.integers(2, 6)):  # walls, doors, people: edges
        tall, wide = int(rng.uniform(0.2, 0.7) * large[1]), int(rng.uniform(0.05, 0.25) * large[0])
        top, left = int(rng.integers(large[1] - tall)), int(rng.integers(large[0] - wide))
        drawing[top : top + tall, left : left + wide] = rng.uniform(30, 220)
    return Shot(
        first=first,
        drawing=drawing.clip(BLACK + 4, WHITE).astype(np.uint8),
        start=(float(rng.uniform(0, height // 2)), float(rng.uniform(0, width // 2))),
        drift=(float(rng.uniform(-0.6, 0.6)), float(rng.uniform(-1.5, 1.5))),
        thing=(
            int(rng.uniform(0.2, 0.6) * height),
            int(rng.uniform(0.15, 0.4) * height),
            float(rng.uniform(0, 1)),
            float(rng.uniform(-0.03, 0.03)),
            int(rng.integers(40, 225)),
        ),
        chroma=(int(rng.integers(90, 166)), int(rng.integers(90, 166))),
    )


def _stamp(
    planes: np.ndarray, text: np.ndarray, width: int, height: int, *, middle: bool = False
) -> None:
    """Light letters with a dark rim, below at the left or in the middle."""
    text = text[:height, :width]
    tall, wide = text.shape
    top = (height - tall) // 2 if middle else height - tall - 2
    left = (width - wide) // 2 if middle else min(4, width - wide)
    part = planes[top : top + tall, left : left + wide]
    np.copyto(part, text, where=text > 0)


def _scroll(planes: np.ndarray, seed: int, frame: int, width: int, height: int) -> None:
    column = _roll(seed, height)
    first = frame % (len(column) - height)
    text = column[first : first + height, : width // 2]
    part = planes[:height, width - text.shape[1] :]
    np.copyto(part, text, where=text > 0)


@lru_cache(maxsize=64)
def _names(seed: int, number: int, height: int) -> np.ndarray:
    rng = np.random.default_rng((seed, number, 8))
    return _letters([_role(rng), _name(rng)], height)


@lru_cache(maxsize=16)
def _roll(seed: int, height: int) -> np.ndarray:
    rng = np.random.default_rng((seed, 9))
    lines = [line for _ in range(8) for line in (_role(rng), _name(rng), "")]
    column = _letters(lines, height)
    blank = np.zeros((height, column.shape[1]), np.uint8)
    return np.concatenate([blank, column, column, column, blank])


@lru_cache(maxsize=16)
def _title(seed: int, height: int) -> np.ndarray:
    rng = np.random.default_rng((seed, 10))
    return _letters([str(rng.choice(FAMILY_NAMES)).upper()], height, share=0.25)


def _role(rng: np.random.Generator) -> str:
    return str(rng.choice(list(ROLES)))


def _name(rng: np.random.Generator) -> str:
    return f"{rng.choice(GIVEN_NAMES)} {rng.choice(FAMILY_NAMES)}"


def _letters(lines: list[str], height: int, share: float = 0.1) -> np.ndarray:
    """uint8 luma of lines of text; 0 where there is none."""
    face = font(latin_fonts()[0], max(8, round(share * height)))
    image = letter([(line, face) for line in lines], (255, 255, 255))
    grey, alpha = np.asarray(image.convert("L")), np.asarray(image)[:, :, 3]
    return np.where(alpha > 127, np.clip(grey, BLACK, WHITE), 0).astype(np.uint8)

"""Text that is shown on pictures for a while, with the boxes that a perfect detector would find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from avtnet.synthesis.lettering import (
    COMPANIES,
    FAMILY_NAMES,
    FAMILY_NAMES_CJK,
    GIVEN_NAMES,
    GIVEN_NAMES_CJK,
    ROLES,
    SIGN_WORDS,
    SPEECH_WORDS,
    TITLE_WORDS,
    font,
)
from avtnet.synthesis.material import Material

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""
Colour = tuple[int, int, int]
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
EDGE = ((-1, -1), (1, -1), (-1, 1), (1, 1))

KANJI = (
    "日一国人年大十二本中長出三時行見月分後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百"
    "書先名川千水半男西電校語土木聞食車何南万毎白天母火右読友左休父雨花空海森林星夜光風雪桜夢愛心道町"
)
KANA = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわを"
HANGUL = (
    "가나다라마바사아자차카타파하김이박최정강조윤장임한오서신권황안송류홍고문양손배백허남심노하"
)
VOWELS, CONSONANTS = "aeiou", "bdfghjklmnprstvz"


@dataclass(frozen=True)
class Block:
    """Text as a transparent picture, and a box around each of its lines."""

    image: Image.Image
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Caption:
    """A block that is shown from ``start`` to ``end`` (seconds of its stretch)."""

    block: Block
    start: float
    end: float
    place: Callable[[float], tuple[int, int]]
    """Function of the seconds since ``start``: position of the upper left corner in pixels."""
    fade: float = 0.0
    """Seconds of its fade in and of its fade out."""

    def opacity(self, time: float) -> float:
        """Return the opacity, 0..1, at a second of the stretch."""
        if not self.start <= time < self.end:
            return 0.0
        if self.fade <= 0:
            return 1.0
        return min(1.0, (time - self.start) / self.fade, (self.end - time) / self.fade)


class Writer:
    """Makes the texts of a series for pictures of one height, in its scripts, fonts and sizes."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], material: Material) -> None:
        self.size = size
        scripts = ["latin"] * 3 + ["japanese", "chinese"] * 2 * bool(material.cjk)
        scripts += ["korean"] * bool(material.korean)
        self.script = str(rng.choice(scripts))
        self._latin = _pick(rng, material.latin)
        self._title = _pick(rng, material.latin if rng.random() < 0.6 else self._faces(material))
        self.face = _pick(rng, self._faces(material))
        self._subtitle = _pick(rng, material.latin)
        self._speech_scale = rng.uniform(0.055, 0.085)
        self._speech_colour = (
            WHITE if rng.random() < 0.8 else (255, 240, int(rng.integers(60, 200)))
        )
        self.small = rng.uniform(0.028, 0.06)
        """Height of small text as a share of the picture's height."""
        self.large = self.small * rng.uniform(1.0, 1.5)
        self.spacing = rng.uniform(1.1, 1.7)

    def _faces(self, material: Material) -> tuple[Path, ...]:
        if self.script == "latin":
            return material.latin
        return material.korean if self.script == "korean" else material.cjk

    def name(self, rng: np.random.Generator) -> str:
        """Draw the name of a member of the staff, common or made up."""
        made_up = rng.random() < 0.6
        if self.script == "latin":
            if made_up:
                return f"{_syllables(rng, 1, 3).title()} {_syllables(rng, 2, 4).title()}"
            return f"{rng.choice(GIVEN_NAMES)} {rng.choice(FAMILY_NAMES)}"
        if self.script == "korean":
            return _letters(rng, HANGUL, 2, 4)
        if made_up:
            return f"{_letters(rng, KANJI, 1, 3)} {_letters(rng, KANJI, 1, 3)}"
        return f"{rng.choice(FAMILY_NAMES_CJK)} {rng.choice(GIVEN_NAMES_CJK)}"

    def role(self, rng: np.random.Generator) -> str:
        """Draw the role of a member of the staff: director, editor …"""
        role = str(rng.choice(list(ROLES)))
        if self.script == "latin":
            return role
        if self.script == "japanese":
            return ROLES[role]
        return _letters(rng, HANGUL if self.script == "korean" else KANJI, 2, 6)

    def phrase(self, rng: np.random.Generator, words: int) -> str:
        """Draw a phrase of dialogue or of a song."""
        if self.script == "latin" or rng.random() < 0.5:
            return " ".join(str(word) for word in rng.choice(SPEECH_WORDS, words))
        if self.script == "korean":
            return _letters(rng, HANGUL, 2 * words, 4 * words)
        return _letters(rng, KANA + KANJI[:40], 2 * words, 3 * words)

    def credits(self, rng: np.random.Generator, people: int, align: str, fill: Colour) -> Block:
        """Draw credits: a role and its people, in two sizes."""
        lines = [(self.role(rng), self.small)]
        for _ in range(people):
            company = self.script == "latin" and rng.random() < 0.08
            lines.append((str(rng.choice(COMPANIES)) if company else self.name(rng), self.large))
        return self.block(lines, self.face, align, fill, _outline(rng, fill))

    def roll(self, rng: np.random.Generator, height: int, fill: Colour) -> Block:
        """Draw a long list of credits, about ``height`` pixels high, in one column or two."""
        two, lines = rng.random() < 0.5, [(self.title(rng), self.large * 1.3), ("", self.small)]
        row = max(7, round(self.large * self.size[1])) * self.spacing
        while len(lines) * row < height:
            for _ in range(int(rng.choice([1, 2, 3, 8]))):
                role = self.role(rng) if two else ""
                lines.append((f"{role}   {self.name(rng)}" if two else self.name(rng), self.large))
            lines += [("", self.small)] if two else [("", self.small), (self.role(rng), self.small)]
        return self.block(lines, self.face, "center", fill, _outline(rng, fill))

    def title(self, rng: np.random.Generator) -> str:
        """Draw a title of one to three words."""
        if self.script == "latin":
            return " ".join(str(w) for w in rng.choice(TITLE_WORDS, rng.integers(1, 4)))
        return _letters(rng, HANGUL if self.script == "korean" else KANA + KANJI, 3, 9)

    def headline(self, rng: np.random.Generator, scale: float, fill: Colour) -> Block:
        """Draw a title; ``scale`` is the height of letters as a share of the picture's."""
        words = self.title(rng)
        lines = words.split() if rng.random() < 0.3 else [words]
        edge = None if rng.random() < 0.5 else (BLACK if sum(fill) > 380 else WHITE)
        face = self.face if self.script != "latin" else self._title
        return self.block([(line, scale) for line in lines], face, "center", fill, edge)

    def subtitle(self, rng: np.random.Generator) -> Block:
        """Draw one or two lines of dialogue."""
        lines = [
            (" ".join(str(w) for w in rng.choice(SPEECH_WORDS, rng.integers(2, 8))).capitalize(), 0)
            for _ in range(1 if rng.random() < 0.65 else 2)
        ]
        sized = [(text, self._speech_scale) for text, _ in lines]
        return self.block(sized, self._subtitle, "center", self._speech_colour, BLACK)

    def sign(self, rng: np.random.Generator, fill: Colour) -> Block:
        """Draw a text in the scene, as on a wall, a letter or a screen."""
        text = str(rng.choice(SIGN_WORDS)) if rng.random() < 0.5 else self.title(rng)
        face = self._latin if self.script == "latin" else self.face
        return self.block([(text, rng.uniform(0.05, 0.16))], face, "left", fill, None)

    def block(
        self,
        lines: list[tuple[str, float]],
        face: Path,
        align: str,
        fill: Colour,
        edge: Colour | None,
    ) -> Block:
        """Draw lines of text, each with its height as a share of the picture's."""
        height = self.size[1]
        faces = [font(face, max(5, round(scale * height))) for _, scale in lines]
        stroke = 0 if edge is None else max(1, round(height / 250))
        spans = [f.getbbox(text or " ") for (text, _), f in zip(lines, faces, strict=True)]
        wide = min(4 * self.size[0], max(int(span[2] - span[0]) for span in spans) + 2)
        steps = [round(f.size * self.spacing) for f in faces]
        image = Image.new("RGBA", (wide, sum(steps) + 4), (*(edge or fill), 0))
        draw, boxes, y = ImageDraw.Draw(image), [], 1
        for (text, _), f, span, step in zip(lines, faces, spans, steps, strict=True):
            if text:
                long = int(span[2] - span[0])
                x = {"left": 0, "center": (wide - long) // 2, "right": wide - long}[align]
                # The edge is drawn by moved copies: FreeType's stroker takes ten times as long.
                for dx, dy in EDGE if edge is not None else ():
                    at = (x - span[0] + dx * stroke, y + dy * stroke)
                    draw.text(at, text, font=f, fill=edge)
                draw.text((x - span[0], y), text, font=f, fill=fill)
                boxes.append((x, y + span[1], x + long, y + span[3]))
            y += step
        return Block(image, tuple(boxes))


def _outline(rng: np.random.Generator, fill: Colour) -> Colour | None:
    if rng.random() < 0.4:
        return None
    return BLACK if sum(fill) > 380 else WHITE


def _pick(rng: np.random.Generator, paths: tuple[Path, ...]) -> Path:
    return paths[rng.integers(len(paths))]


def _letters(rng: np.random.Generator, pool: str, least: int, most: int) -> str:
    return "".join(pool[k] for k in rng.integers(0, len(pool), rng.integers(least, most + 1)))


def _syllables(rng: np.random.Generator, least: int, most: int) -> str:
    return "".join(
        CONSONANTS[rng.integers(len(CONSONANTS))] + VOWELS[rng.integers(len(VOWELS))]
        for _ in range(rng.integers(least, most + 1))
    )

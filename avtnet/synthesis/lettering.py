"""Text in the picture: staff credits, titles, subtitles and signs, in real glyphs."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROLES = {
    "Director": "監督",
    "Series Composition": "シリーズ構成",
    "Screenplay": "脚本",
    "Storyboard": "絵コンテ",
    "Episode Director": "演出",
    "Character Design": "キャラクターデザイン",
    "Animation Director": "作画監督",
    "Key Animation": "原画",
    "In-Between Animation": "動画",
    "Art Director": "美術監督",
    "Color Design": "色彩設計",
    "Director of Photography": "撮影監督",
    "Editing": "編集",
    "Sound Director": "音響監督",
    "Music": "音楽",
    "Theme Song": "主題歌",
    "Original Work": "原作",
    "Voice Actors": "声の出演",
    "Production Manager": "制作担当",
    "Producer": "プロデューサー",
    "Animation Production": "アニメーション制作",
    "Produced by": "製作",
}
FAMILY_NAMES = (
    "Aoki Endo Fujita Goto Hayashi Ishii Kato Kimura Mori Nakano Ogawa Sakai Tanaka Ueda Yamada "
    "Bauer Costa Dupont Evans Fischer Garcia Hughes Jensen Keller Lindqvist Moreau Novak Rossi"
).split()
GIVEN_NAMES = (
    "Akira Chie Daisuke Emi Haruka Ichiro Junko Kenji Mai Naoko Rei Satoshi Takeshi Yumi Yuki "
    "Anna Ben Clara David Elena Felix Hanna Ivan Julia Lucas Maria Nina Oscar Paula Thomas"
).split()
FAMILY_NAMES_CJK = (
    "佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 松本 井上 木村".split()
)
GIVEN_NAMES_CJK = "翔太 健一 真由美 恵子 大輔 直樹 美咲 裕子 拓也 和也 彩 学 亮 誠 久美子".split()
COMPANIES = (
    "Studio Lantern|North Gate Pictures|Blue Heron Animation|Paper Crane Works|Tidal Sound|"
    "Kiteline Production Committee|Seven Hills Digital|Marble Arch Music"
).split("|")
TITLE_WORDS = (
    "Silver Orbit Garden Winter Signal Paper Dragon Harbor Crimson Letter Hollow Star Clock "
    "Meadow Iron Lullaby Ninth Voyage Glass Comet Midnight Parade Thunder School Last Summer"
).split()
SPEECH_WORDS = (
    "I you we they never always know think wait look come back here there what why now please "
    "really promise forget home tomorrow together alone listen stop this that is not going to "
    "the a my your town night sea light sword letter train friend"
).split()
SIGN_WORDS = "EXIT CAFE STATION BOOKS OPEN HOTEL MARKET RAMEN No.7 TO LET BUS POST DINER".split()

CJK_FONTS = (
    "NotoSansCJK*-Regular*",
    "NotoSansCJK*-Bold*",
    "NotoSerifCJK*-Regular*",
    "NotoSansJP*",
    "SourceHanSans*",
    "ipa*gp.ttf",
    "ipaexg.ttf",
    "TakaoGothic*",
    "VL-Gothic*",
    "YuGoth*",
    "msgothic.ttc",
    "*Hiragino Sans GB*",
    "ヒラギノ角ゴシック W3*",
)
"""File names of fonts with Japanese letters, in order of preference."""


def latin_fonts() -> list[Path]:
    """Return the DejaVu fonts that come with matplotlib: the same on every machine."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    faces = "DejaVuSans DejaVuSans-Bold DejaVuSerif DejaVuSerif-Bold DejaVuSans-BoldOblique".split()
    return [folder / f"{face}.ttf" for face in faces]


@cache
def find_cjk_font() -> Path | None:
    """Return a font of this machine with Japanese letters, or None."""
    folders = [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        Path.home() / ".fonts",
        Path.home() / ".local/share/fonts",
        Path("/System/Library/Fonts"),
        Path("/Library/Fonts"),
        Path("C:/Windows/Fonts"),
    ]
    for pattern in CJK_FONTS:
        for folder in folders:
            found = sorted(folder.rglob(pattern)) if folder.is_dir() else []
            if found:
                return found[0]
    return None


@lru_cache(maxsize=64)
def font(path: Path, pixels: int) -> ImageFont.FreeTypeFont:
    """Load a font in a size in pixels."""
    return ImageFont.truetype(str(path), pixels, layout_engine=ImageFont.Layout.BASIC)


def letter(
    lines: list[tuple[str, ImageFont.FreeTypeFont]],
    fill: tuple[int, int, int],
    *,
    outline: tuple[int, int, int] | None = (0, 0, 0),
    align: str = "left",
    spacing: int = 1,
) -> Image.Image:
    """Draw lines of text on a transparent picture that is just large enough."""
    stroke = 0 if outline is None else 1
    boxes = [face.getbbox(text or " ", stroke_width=stroke) for text, face in lines]
    widths = [int(box[2] - box[0]) for box in boxes]
    heights = [sum(face.getmetrics()) + spacing for _, face in lines]
    width = max([*widths, 1]) + 2
    image = Image.new("RGBA", (width, sum(heights) + 2), (*(outline or fill), 0))
    draw = ImageDraw.Draw(image)
    y = 1
    for (text, face), box, line_width, height in zip(lines, boxes, widths, heights, strict=True):
        x = {"left": 0, "center": (width - line_width) // 2, "right": width - line_width - 1}[align]
        draw.text(
            (x + 1 - box[0], y), text, font=face, fill=fill, stroke_width=stroke,
            stroke_fill=outline,
        )  # fmt: skip
        y += height
    return image


class Typist:
    """Draws the texts of a series in its fonts and its language, with its staff."""

    def __init__(self, rng: np.random.Generator, height: int) -> None:
        faces = latin_fonts()
        self._face = faces[rng.integers(len(faces))]
        self._title_face = faces[rng.integers(len(faces))]
        self._cjk = find_cjk_font() if rng.random() < 0.5 else None
        self._small = max(8, round(height * rng.uniform(0.058, 0.066)))
        self._large = max(9, round(height * rng.uniform(0.07, 0.085)))
        self._height = height
        self.title = self.episode_title(rng)
        """The title of the series."""

    def episode_title(self, rng: np.random.Generator) -> str:
        """Two or three words."""
        return " ".join(rng.choice(TITLE_WORDS, rng.integers(2, 4), replace=False))

    def name(self, rng: np.random.Generator) -> str:
        """Draw the name of a member of the staff."""
        if self._cjk:
            return f"{rng.choice(FAMILY_NAMES_CJK)} {rng.choice(GIVEN_NAMES_CJK)}"
        return f"{rng.choice(GIVEN_NAMES)} {rng.choice(FAMILY_NAMES)}"

    def credit(self, rng: np.random.Generator, names: int) -> list[tuple[str, bool]]:
        """Draw a role and its people: pairs of text, and True for a name."""
        role = str(rng.choice(list(ROLES)))
        if "Produc" in role and rng.random() < 0.6:
            who = [str(rng.choice(COMPANIES))]
        else:
            who = [self.name(rng) for _ in range(names)]
        return [(ROLES[role] if self._cjk else role, False), *((name, True) for name in who)]

    def credits(
        self, lines: list[tuple[str, bool]], fill: tuple[int, int, int], align: str, dark: bool
    ) -> Image.Image:
        """A block of credits as a picture."""
        face = self._cjk or self._face
        sizes = {False: self._small, True: self._large}
        outline = (0, 0, 0) if dark else (255, 255, 255)
        return letter(
            [(text, font(face, sizes[is_name])) for text, is_name in lines],
            fill, outline=outline, align=align,
        )  # fmt: skip

    def logo(self, fill: tuple[int, int, int], outline: tuple[int, int, int]) -> Image.Image:
        """The series' title, large."""
        words = self.title.upper().split()
        face = font(self._title_face, round(self._height * 0.16))
        return letter([(word, face) for word in words], fill, outline=outline, align="center")

    def headline(self, text: str, fill: tuple[int, int, int]) -> Image.Image:
        """An episode's title, or the announcement of the next episode."""
        return letter([(text, font(self._title_face, round(self._height * 0.1)))], fill)

    def subtitle(self, rng: np.random.Generator) -> Image.Image:
        """One or two lines of dialogue."""
        face = font(latin_fonts()[0], self._large)
        lines = []
        for _ in range(1 if rng.random() < 0.6 else 2):
            words = [str(word) for word in rng.choice(SPEECH_WORDS, rng.integers(3, 7))]
            lines.append((" ".join(words).capitalize(), face))
        lines[-1] = (lines[-1][0] + str(rng.choice([".", "!", "?", "..."])), face)
        return letter(lines, (255, 255, 255), align="center")

    def sign(self, rng: np.random.Generator, fill: tuple[int, int, int]) -> Image.Image:
        """A word on a wall."""
        face = font(latin_fonts()[1], round(self._height * rng.uniform(0.09, 0.16)))
        return letter([(str(rng.choice(SIGN_WORDS)), face)], fill, outline=None)

"""Find the role that a chapter's title means: ``"NCOP 2"``, ``"次回予告"``, ``"Generique de fin"``.

A title has a role only if all of it is a known name, which a number or the name of a song may
follow: *Opening: Tank!* is an opening; *Opening Night*, *Operation* and *Edge* have no role.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

TitleKind = Literal[
    "opening", "ending", "theme", "recap", "preview", "mixed", "commercial", "story"
]
"""``theme`` is an opening or an ending, depending on its place; ``mixed`` is a song over story."""

TITLES = {
    "opening": "Opening",
    "ending": "Ending",
    "theme": "Theme Song",
    "recap": "Recap",
    "preview": "Preview",
    "mixed": "Insert Song",
    "commercial": "Commercial",
    "story": "Episode",
}
"""Role → title that we write. Players with patterns of their own understand these names.

Not *Intro*, which mpv's chapterskip takes for a prologue."""

_LONGEST = 300
"""Characters of a title that are read; the rest is ignored."""

_NAMES: dict[TitleKind, str] = {
    "opening": """
        opening, op, intro, introduction, opening credits, opening titles, opening title,
        title sequence, main title, main titles, opening animation, opening movie, intro song
        オープニング, オープニングテーマ, オープニング主題歌, オープニング曲, op曲, 主題歌op,
        タイトルバック
        generique de debut, generique d'ouverture, generique d'introduction, generique debut
        vorspann, titelvorspann, anfangssequenz, openingsong
        cabecera, tema de apertura, entrada, apertura, sigla iniziale, sigla di apertura,
        sigla d'apertura
        abertura, tema de abertura, czołówka, intro tune, openingstune
        опенинг, заставка, начальная заставка, вступительные титры, начальные титры
        片头, 片頭, 片头曲, 片頭曲, 오프닝, 오프닝곡, 오프닝 테마, المقدمة, شارة البداية""",
    "ending": """
        ending, ed, outro, credits, credit, end credits, closing credits, closing, end titles,
        end title, ending credits, credit roll, credits roll, end roll, staff roll, closing titles
        エンディング, エンディングテーマ, エンディング主題歌, エンディング曲, ed曲, 主題歌ed,
        エンドロール, スタッフロール
        generique de fin, generique fin, generique de cloture, abspann, nachspann, endtitel
        creditos, creditos finales, tema de cierre, cierre, sigla finale, sigla di chiusura,
        chiusura
        encerramento, creditos finais, tema de encerramento, napisy końcowe, tyłówka
        эндинг, титры, финальные титры, конечные титры, заключительные титры
        片尾, 片尾曲, 엔딩, 엔딩곡, 엔딩 크레딧, 엔딩 테마, شارة النهاية""",
    "theme": """
        theme, theme song, title song, main theme, generique, sigla, generico, titellied,
        titelsong
        主題歌, テーマソング, テーマ曲, 主题曲, 主題曲, 주제가""",
    "recap": """
        recap, recapitulation, previously, last time, summary, synopsis, the story so far,
        story so far, last episode, previous episode, flashback recap
        前回のあらすじ, あらすじ, 前回まで, 前回までのあらすじ, これまでのあらすじ, 前回, 総集編
        resume, resume de l'episode precedent, precedemment, dans l'episode precedent
        zuvor, was bisher geschah, ruckblick, zusammenfassung, bisher
        resumen, anteriormente, en el capitulo anterior, riassunto, nelle puntate precedenti
        resumo, no episodio anterior, ранее, в предыдущих сериях, в предыдущей серии,
        краткое содержание
        前情提要, 上集回顾, 上集回顧, 前情回顾, 지난 이야기, 지난 줄거리""",
    "preview": """
        preview, previews, next episode, next episode preview, next time, next preview, next week,
        pv, trailer, sneak peek, coming up, coming soon, web preview, yokoku, jikai yokoku
        次回予告, 予告, 予告編, 次回, webプレビュー, web予告, 次回予告編
        apercu, prochain episode, bande annonce, extrait du prochain episode
        vorschau, nachste folge, ausblick, avance, proximo capitulo, proximo episodio
        anteprima, prossimo episodio, previa, cenas do proximo episodio
        анонс, превью, в следующей серии, в следующей, далее
        预告, 預告, 下集预告, 下集預告, 下回预告, 예고, 예고편, 다음 이야기, 다음화 예고""",
    "mixed": "insert song, inserted song, insert theme, 挿入歌, 插曲, 삽입곡",
    "commercial": """
        commercial, commercials, commercial break, ad, ads, ad break, advert, adverts,
        advertisement, advertisements, cm, sponsor, sponsors, sponsor card, 提供, コマーシャル,
        スポンサー
        publicite, pub, werbung, werbepause, anuncios, publicidad, publicidade, pubblicita
        реклама, 广告, 廣告, 광고""",
    "story": """
        episode, part, act, main, main part, main episode, main story, story, body, feature,
        segment
        avant, avant title, avante, cold open, cold opening, cold opener, prologue, epilogue,
        pre opening
        post credits, post credits scene, post credit scene, after credits, stinger, aftermath,
        c part
        eyecatch, eye catch, アイキャッチ, アバン, アバンタイトル, 本編, プロローグ, エピローグ,
        cパート
        partie, avant titre, avant generique, apres generique, teil, folge, prolog, epilog,
        hauptteil
        parte, episodio, capitulo, prologo, epilogo, часть, серия, эпизод, пролог, эпилог
        正片, 正文, 序幕, 序章, 本篇, 프롤로그, 에필로그, 본편, 파트""",
}


def _fold(title: str) -> str:
    """A title without case, accents, full-width forms, underscores and hyphens inside words."""
    # NFKD separates accents from letters (and maps full-width letters to usual ones); NFC joins
    # the other marks again (Japanese, Korean).
    decomposed = unicodedata.normalize("NFKD", title[:_LONGEST])
    folded = unicodedata.normalize("NFC", re.sub("[\u0300-\u036f]", "", decomposed)).casefold()
    folded = re.sub(r"(?<=\w)-(?=\w)|_", " ", folded.replace("’", "'"))
    return " ".join(folded.split())


_ROLES: dict[str, TitleKind] = {
    _fold(name): role
    for role, names in _NAMES.items()
    for name in re.split(r"[,\n]", names)
    if name.strip()
}

_BEFORE = re.compile(r"(?:#?\d{1,3}\s*[.:)\]-]\s*)?(?:(?:the|an?)\s+)?")
"""A number or article before the name: ``01. ``, ``The ``."""
_CLEAN = r"(?:nc|creditless|clean|textless|ノンクレジット|ノンテロップ)\s*"
_MARKS = {"(": ")", "[": "]", "【": "】", "「": "」", "『": "』", "<": ">", '"': '"', "«": "»"}
_NUMBER = re.compile(r"\s*(?:[#№]?\s*\d{1,2}|(?<=[\s\d])(?:[a-d]|i{1,3}|iv|vi{0,3}))?(?:\s*v\d)?")
_SONG = re.compile(r"(?:\s+(?:theme|song|credits|sequence|animation))*")
_BEHIND = re.compile(r"\s*(?:[:~|/([{「『【“\"«]|[-–—](?=\s|\w)).*", re.DOTALL)
_OVER = re.compile(r"[\s:~|/(\[-]+(?:end|ends|ende|fin|fine|конец|終了|終わり)\b\)?\]?$")
_OPEN = re.compile(
    r"(?P<recap>(?:previously|last (?:time|week)|earlier) (?:on|in)\b)"
    r"|(?P<preview>next on\b|(?:next (?:time|week|episode)|coming up) (?:on|of|in)\b)"
)
"""Beginnings that the name of the show follows: ``Previously on Lost``."""
_PART = re.compile(
    r"(?P<letter>[a-d])[ -]?(?:part|パート|파트)"
    r"|第\s*[\d一二三四五六七八九十]+\s*[話话集回]"
    r"|(?:part|act|partie|parte|teil|часть|파트|episode|ep|folge|серия)\.?\s*(?:[a-h]|[ivx]{1,4}|\d{1,4})"
    r"(?:\s*[:\-–—(「].*)?"
)


def role_of(title: str) -> TitleKind | None:
    """The role that a chapter's title means, or None.

    Numbers (``Chapter 3``) have no role, nor have words that only look similar (``Edition``,
    ``Happy Ending``).
    """
    plain = _fold(title)
    while len(plain) > 1 and _MARKS.get(plain[0]) == plain[-1]:
        plain = plain[1:-1].strip()
    if _PART.fullmatch(plain):
        return "story"
    plain = _BEFORE.sub("", plain, count=1)
    found = _named(plain)
    if found is not None:
        return found
    if _OVER.search(plain) and _named(_OVER.sub("", plain)) is not None:
        return "story"  # "Opening End": here the opening ends and the story begins
    if open_ended := _OPEN.match(plain):
        return "recap" if open_ended["recap"] else "preview"
    if re.search(r"\s(?:preview|次回予告|予告)$", plain):
        return "preview"
    # The name of the show before OP or ED; only in capitals, or "Uncle Ed" would be an ending.
    code = re.search(r"\s(?:NC)?(OP|ED)\s?\d{0,2}$", title.strip())
    return None if code is None else ("opening" if code[1] == "OP" else "ending")


def _named(plain: str) -> TitleKind | None:
    """The role of a folded title: a known name, which a number or a song's name may follow."""
    plain = re.sub(rf"^{_CLEAN}", "", plain)
    if plain in _ROLES:
        return _ROLES[plain]
    for end in range(len(plain) - 1, 0, -1):
        role = _ROLES.get(plain[:end])
        if role is None or (
            plain[end - 1].isascii() and plain[end].isascii() and plain[end].isalpha()
        ):
            continue
        rest = plain[end:]
        rest = _SONG.sub("", rest, count=1)
        rest = _NUMBER.sub("", rest, count=1)
        if not rest or (_BEHIND.fullmatch(rest) and not _OVER.search(rest)):
            return role
    return None

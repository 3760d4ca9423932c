"""Roles of chapter titles in several languages; words that only look similar have none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipping.formats.titles import TITLES, role_of

KNOWN = {
    "opening": """
        Opening|OP|op|OP1|NCOP|NCOP 2|NCOP01v2|OP 2|Opening 1|Opening: Tank!|Opening - Tank!
        Intro
        Opening Theme|Opening Credits|オープニング|オープニング「残酷な天使のテーゼ」
        Générique de début
        Vorspann|Опенинг|片头曲|오프닝|01. Opening|[OP]|【OP】|Creditless Opening
        The Opening|ＯＰ
        Naruto OP|Abertura|Czołówka|Main Titles|opening_theme|OP: Redo|OP (Redo)|Avant OP""",
    "ending": """
        Ending|ED|ed|ED2|NCED|Ending 2|End Credits|Credits|Outro|エンディング
        Générique de fin|Abspann
        Generique de Fin|Эндинг|片尾曲|엔딩|Encerramento|ED - Fly Me to the Moon
        Bleach ED 12|Closing""",
    "theme": "Générique|Generique|Theme Song|主題歌|Sigla",
    "recap": """
        Recap|Previously|Previously on Lost|前回のあらすじ|Was bisher geschah|Précédemment
        Last Time
        前情提要|Summary|RECAP""",
    "preview": """
        Preview|Next Episode|Next Episode Preview|次回予告|予告|Episode 2 Preview|PV
        Vorschau|Aperçu
        下集预告|예고|Next time on Lost|Next on Lost|Web予告""",
    "story": """
        Avant|Part A|A Part|A-Part|Part B|Aパート|Ｂパート|本編|アバン|アバンタイトル
        Prologue|Epilogue|Episode
        Episode 3|Cold Open|Part 1|Partie A|Parte B|Teil 2|第12話|Opening End|OP End
        Ending: End|Act II
        Eyecatch|Post-Credits Scene|C-Part|Ep. 4|Серия 3|Episode 5: The Edge""",
    "mixed": "Insert Song|挿入歌",
    "commercial": "CM|Commercial Break|Ad|提供|Werbung",
}
FALSE_FRIENDS = """
    Edge|Operation|Opera|Edition|Editor|Opening Night|Grand Opening|Happy Ending|The End|Endgame
    Never Ending Story|Introspection|Recapture|Previewing|Advent|Add|Admiral|Comedy|Outrage|Open
    Co-op|CO-OP|Black Ops|Op. 5|Ed's House|Uncle Ed|ED-209|Chapter 1|Chapter 01|Scene 3
    00:00:00.000
    Theme Park|Partner|Party|Actor|Maintenance|Creditor|Pub Crawl|Storyteller|Open Sesame
    Eden|Opal
    Last Supper|Next Door|Avanti|PVC|Main Street|The Ending of the World|Opening the Gate
    Op and Ed
    Entradas|Resumed|Edward 2|Bodyguard|Advance|前回り|次回り|予告状|本編集|主題歌手|提供者
    Intro to Edge
    Mission: Operation Edge|Episodic|Parting|Preview Room"""


def titles(text):
    return [title for line in text.strip().splitlines() for title in line.strip().split("|")]


@pytest.mark.parametrize(("role", "text"), KNOWN.items())
def test_titles_that_name_a_role(role, text):
    assert {title: role_of(title) for title in titles(text)} == dict.fromkeys(titles(text), role)


def test_words_that_only_look_alike_name_none():
    assert {title: role_of(title) for title in [*titles(FALSE_FRIENDS), "", " ", "\n"]} == {
        title: None for title in [*titles(FALSE_FRIENDS), "", " ", "\n"]
    }


def test_the_titles_that_we_write_are_read_as_what_they_mean():
    assert {role: role_of(title) for role, title in TITLES.items()} == {
        role: role for role in TITLES
    }


@given(st.text() | st.text("OPEDoped 1:-「([#", max_size=400))
def test_any_text_is_a_title(title):
    role_of(title)

"""File names on a terminal: no character of them may steer it."""

from __future__ import annotations

import unicodedata

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing, so that a name looks like another one."""


def printable(text: str) -> str:
    r"""Return a text with escapes in place of control characters; lines stay lines.

    A name with ``\x1b]0;…\x07`` in it would set the terminal's title. Bytes that are no UTF-8 are
    written as escapes too; to print them is an error.
    """
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        each.encode("unicode_escape").decode("ascii")
        if each in _BIDI or (unicodedata.category(each) == "Cc" and each != "\n")
        else each
        for each in text
    )

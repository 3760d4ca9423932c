"""The file with the words of a window, NAME_start.text.json, next to its features."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clipping.files import write_text
from preprocess.features import Features
from preprocess.text.recognition import Line


def words_path(features: Path) -> Path:
    """Return the path of the words of a feature file: ``NAME_start.text.json``."""
    return features.with_suffix(".text.json")


def save_words(
    path: Path, lines: Sequence[Line], features: Features, languages: Sequence[str]
) -> None:
    """Write the lines of text of a window, with what they were made from.

    Raises:
        ClippingError: where the file cannot be written.
    """
    about = _about(features, languages)
    content = {**about, "lines": [dataclasses.asdict(line) for line in lines]}
    write_text(path, json.dumps(content, indent=1) + "\n")


def words_match(path: Path, features: Features, languages: Sequence[str]) -> bool:
    """Return True if the file is there, whole, and made together with these features."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    about = _about(features, languages)
    return isinstance(content, dict) and about == {key: content.get(key) for key in about}


def _about(features: Features, languages: Sequence[str]) -> dict[str, Any]:
    return {
        "name": features.name,
        "side": features.side,
        "start": features.start,
        "fingerprint": features.source.fingerprint,
        "settings": features.settings.decisive(),
        "languages": list(languages),
    }

"""Windows over which workers died every time: remembered, so that no later run dies of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipping.errors import ClippingError, StorageError
from clipping.files import write_text
from clipping.identity import identify
from clipping.storage import fetched, shown
from preprocess.features import Part
from preprocess.settings import FeatureSettings

NAME = "set-aside.json"
"""The file's name, in the folder of the features."""


@dataclass(frozen=True)
class Aside:
    """A window that was given up, and over what."""

    file: str
    fingerprint: str
    """Of the media file: another file of that name is tried again."""
    settings: dict[str, Any]
    """Those that decide; with others it is tried again."""
    reasons: tuple[str, ...]
    """Why each attempt failed."""

    def holds(self, file: Path, settings: FeatureSettings) -> bool:
        """Whether it is still the same file and the same work."""
        if self.settings != _plain(settings):
            return False
        try:
            return identify(file).fingerprint == self.fingerprint
        except ClippingError:
            return False  # making it will say what is wrong


def key(name: str, side: Part) -> str:
    """What a window is called in the file."""
    return f"{name}_{side}"


def read_aside(folder: Path) -> dict[str, Aside]:
    """The windows that were set aside by runs into this folder.

    Raises:
        ClippingError: where the file is there and is not what this module writes.
    """
    path = folder / NAME
    try:
        with fetched(path) as here:
            content = json.loads(here.read_text(encoding="utf-8"))
        return {
            str(name): Aside(
                str(entry["file"]),
                str(entry["fingerprint"]),
                dict(entry["settings"]),
                tuple(map(str, entry["reasons"])),
            )
            for name, entry in content["windows"].items()
        }
    except FileNotFoundError:
        return {}
    except StorageError:
        raise
    except ClippingError:
        return {}  # storage that says that it is not there
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClippingError(
            f"{shown(path)}: cannot be read as the list of files set aside ({error!r}); remove it"
        ) from error


def write_aside(folder: Path, windows: Mapping[str, Aside]) -> None:
    """Write them all; an empty list only over an older one.

    Raises:
        ClippingError: where it cannot be written.
    """
    entries = {name: dataclasses.asdict(window) for name, window in sorted(windows.items())}
    write_text(folder / NAME, json.dumps({"windows": entries}, indent=1) + "\n")


def give_up(file: Path, settings: FeatureSettings, reasons: tuple[str, ...]) -> Aside | None:
    """What is remembered of a window; None where its file cannot even be read."""
    try:
        source = identify(file)
    except ClippingError:
        return None
    return Aside(source.file, source.fingerprint, _plain(settings), reasons)


def _plain(settings: FeatureSettings) -> dict[str, Any]:
    """As JSON gives it back."""
    return dict(json.loads(json.dumps(settings.decisive())))

"""Windows over which workers died every time: remembered, so that no later run dies of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipping.identity import identify
from clipping.many.quarantine import QuarantineFile
from preprocess.batch.tasks import FeatureTask

NAME = "set-aside.json"
"""The file's name, in the folder of the features."""


def quarantine_of(folder: Path) -> QuarantineFile[FeatureTask]:
    """Return the list of a folder of features; its items are tasks of one window.

    A window is tried again when its file or the settings that decide are others.
    """
    return QuarantineFile(folder / NAME, _name, _about, "windows", _decisive)


def _name(task: FeatureTask) -> str:
    [side] = task.sides
    return f"{task.name}_{side}"


def _about(task: FeatureTask) -> dict[str, Any]:
    source = identify(task.file)
    settings = task.how.features.decisive()
    return {"file": source.file, "fingerprint": source.fingerprint, "settings": settings}


def _decisive(about: Mapping[str, Any]) -> tuple[object, object]:
    return about.get("fingerprint"), about.get("settings")

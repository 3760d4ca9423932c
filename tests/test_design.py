"""docs/design.md tells the true way of a season and of a single file: both are traced."""

from __future__ import annotations

import inspect
import re
import sys
import threading
from pathlib import Path

import pytest
from making.cheap import make_season
from making.media import make_media
from test_shape import DOOR, PACKAGES, ROOT, room_of

from avtnet import locate

PAGE = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


def told(heading: str) -> tuple[list[str], set[str]]:
    """The stops of a way, in order, and the rooms that its section names."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]
    stops = re.findall(r"^ *\d+ +([\w.]+\.\w+)", section, re.MULTILINE)
    rooms = re.search(r"^Rooms: (.*?)\.\n", section, re.MULTILINE | re.DOTALL)[1]
    return stops, {room.replace("/", ".") for room in re.findall(r"`([\w/]+)`", rooms)}


def traced(call) -> tuple[dict[str, int], set[str]]:
    """Each function of ours that ``call`` calls → how many were called before it; the rooms."""
    order: dict[str, int] = {}
    rooms: set[str] = set()

    def note(frame, event, _):
        module = frame.f_globals.get("__name__", "")
        # What runs on import is no step of the way: bodies of modules and classes, dataclasses.
        function = frame.f_code.co_flags & inspect.CO_OPTIMIZED
        function = function and frame.f_code.co_name not in ("__create_fn__", "__getattr__")
        if event != "call" or not function or module.split(".")[0] not in PACKAGES:
            return
        order.setdefault(f"{module}.{frame.f_code.co_qualname}", len(order))
        room = room_of(module, Path(frame.f_globals.get("__file__") or ""))
        rooms.add(module.split(".")[0] if room == DOOR else room)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return order, rooms


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk") / "Season 1"
    make_season(folder, 3)
    return folder


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return make_media(tmp_path_factory.mktemp("walk") / "film.mp4", duration=8)


WAYS = ["The way of a season", "The way of a single file"]


@pytest.mark.parametrize("heading", WAYS)
def test_the_way_is_as_it_is_told(heading, request, tmp_path):
    path = request.getfixturevalue("season" if "season" in heading else "film")
    stops, rooms = told(heading)
    order, entered = traced(lambda: locate(path, cache=tmp_path / "cache", workers=0))
    assert [stop for stop in stops if stop not in order] == []
    assert sorted(stops, key=order.__getitem__) == stops
    assert entered - rooms == set()

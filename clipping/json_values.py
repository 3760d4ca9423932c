"""Values of a JSON file that others wrote: as they should be, or a ValueError says why not."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipping.errors import TableError


def parse_json(path: Path | str, text: str) -> Any:
    """The value that a JSON text holds.

    Raises:
        TableError: naming the file and, where one is known, the line.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise TableError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number of 5000 digits, 5000 brackets
        raise TableError(f"{path}: not JSON that can be read: {error}") from error


def fields(item: object, required: Sequence[str], optional: Sequence[str]) -> dict[str, Any]:
    """A JSON object with these keys and no others."""
    found = some_fields(item, required)
    for key in found:
        if key not in required and key not in optional:
            known = ", ".join((*required, *optional))
            raise ValueError(f"{show(key)} is not a key here; known are {known}")
    return found


def some_fields(item: object, required: Sequence[str]) -> dict[str, Any]:
    """A JSON object with at least these keys."""
    if not isinstance(item, dict):
        raise ValueError(f"an object {{…}} is needed, got {kind(item)}")
    for key in required:
        if key not in item:
            raise ValueError(f"{key} is missing")
    return item


def listed(values: Mapping[str, object], key: str) -> list[Any]:
    """The list under a key."""
    value = values[key]
    if not isinstance(value, list):
        raise ValueError(f"{key} is a list, got {kind(value)}")
    return value


def text(values: Mapping[str, object], key: str) -> str:
    """The text under a key."""
    value = values[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is a text, got {kind(value)}")
    return value


@contextmanager
def entry(what: str, index: int) -> Iterator[None]:
    """Name the item of a list, counted from 1, in the ValueError that one of its values raises."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what} {index + 1}: {error}") from error


def number(value: object, what: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is a number, got {kind(value)}")
    if not abs(value) < math.inf:
        raise ValueError(f"{what} is a finite number, got {show(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{what} is too large: {show(value)}") from None


def kind(value: object) -> str:
    """A value and its type, for a message."""
    return f"{type(value).__name__} {show(value)}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def show(value: object) -> str:
    """A value for a message, never longer than about a line."""
    return _SHORT.repr(value)

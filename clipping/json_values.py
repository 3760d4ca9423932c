"""Check values of an untrusted JSON file; a ValueError says what is wrong with one."""

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
    """Return the value of a JSON text.

    Raises:
        TableError: naming the file and, if it is known, the line.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise TableError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number of 5000 digits, 5000 brackets
        raise TableError(f"{path}: not JSON that can be read: {error}") from error


def fields(item: object, required: Sequence[str], optional: Sequence[str]) -> dict[str, Any]:
    """Return a JSON object that has all required keys, and no keys but these.

    Raises:
        ValueError: naming the first wrong key.
    """
    found = some_fields(item, required)
    for key in found:
        if key not in required and key not in optional:
            known = ", ".join((*required, *optional))
            raise ValueError(f"{show(key)} is not a key here; known are {known}")
    return found


def some_fields(item: object, required: Sequence[str]) -> dict[str, Any]:
    """Return a JSON object that has at least these keys.

    Raises:
        ValueError: naming the key that is missing.
    """
    if not isinstance(item, dict):
        raise ValueError(f"an object {{…}} is needed, got {kind(item)}")
    for key in required:
        if key not in item:
            raise ValueError(f"{key} is missing")
    return item


def listed(values: Mapping[str, object], key: str) -> list[Any]:
    """Return the list under a key; ValueError if it is none."""
    value = values[key]
    if not isinstance(value, list):
        raise ValueError(f"{key} is a list, got {kind(value)}")
    return value


def text(values: Mapping[str, object], key: str) -> str:
    """Return the text under a key; ValueError if it is none."""
    value = values[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is a text, got {kind(value)}")
    return value


@contextmanager
def entry(what: str, index: int) -> Iterator[None]:
    """Add the number of a list's item, counted from 1, to a ValueError raised in the block."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what} {index + 1}: {error}") from error


def number(value: object, what: str) -> float:
    """Return a finite number as a float; ValueError, naming ``what``, if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is a number, got {kind(value)}")
    if not abs(value) < math.inf:
        raise ValueError(f"{what} is a finite number, got {show(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{what} is too large: {show(value)}") from None


def kind(value: object) -> str:
    """Return type and value as text for a message."""
    return f"{type(value).__name__} {show(value)}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def show(value: object) -> str:
    """Return a value as text for a message, cut to about a line."""
    return _SHORT.repr(value)

"""Plain values (typed words, YAML, JSON) as the fields of a dataclass, checked by their types."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from clipping.errors import ConfigError

Config = TypeVar("Config")


class Word(str):
    """A value as it was typed: no YAML decided what type it is of."""


class Words(tuple[str, ...]):
    """The words that were typed for a field that takes several."""


def option_of(name: str) -> str:
    """Return the option of a field: ``model.last_layer`` is ``--model.last-layer``."""
    return "--" + name.replace("_", "-").rstrip("-")


def field_types(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return every dotted name of a dataclass of dataclasses, with its type."""
    hints = typing.get_type_hints(config)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        kind = hints[field.name]
        found[prefix + field.name] = kind
        if dataclasses.is_dataclass(kind):
            found |= field_types(kind, f"{prefix}{field.name}.")
    return found


def item_type(kind: Any) -> Any:
    """Return the type of a tuple's items, also in ``tuple[…] | None``; None if it is no tuple."""
    for choice in (kind, *typing.get_args(kind)):
        if typing.get_origin(choice) is tuple:
            return typing.get_args(choice)[0]
    return None


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with those of ``second`` in place of those of ``first``."""
    result = dict(first)
    for name, value in second.items():
        old = result.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(old, value)
        result[name] = value
    return result


def nested(name: str, value: Any) -> dict[str, Any]:
    """Return a value below its dotted name, as a YAML file would hold it."""
    first, dot, rest = name.partition(".")
    return {first: nested(rest, value) if dot else value}


def build(config: type[Config], values: Mapping[str, Any], default: Any = None) -> Config:
    """Return a ``config`` of plain values; what they leave out is that of ``default``.

    Raises:
        ConfigError: for an unknown name (with the nearest right one), a wrong type, a name that is
            missing, or a value that the dataclass refuses.
    """
    return _build(config, values, default, "", field_types(config))


def _build(
    config: Any, values: Mapping[str, Any], default: Any, prefix: str, names: Mapping[str, Any]
) -> Any:
    hints = typing.get_type_hints(config)
    taken: dict[str, Any] = {}
    for name in values:
        if name not in hints:
            raise ConfigError(unknown(f"{prefix}{name}", names))
    for field in dataclasses.fields(config):
        dotted, kind = f"{prefix}{field.name}", hints[field.name]
        usual = _default(field, default)
        if field.name not in values:
            if usual is dataclasses.MISSING:
                raise ConfigError(f"this is required: {dotted}")
            taken[field.name] = usual
        elif dataclasses.is_dataclass(kind):
            value = values[field.name]
            if not isinstance(value, Mapping):
                raise ConfigError(f"{dotted}: must be a mapping, got {value!r}")
            taken[field.name] = _build(kind, value, usual, f"{dotted}.", names)
        else:
            taken[field.name] = convert(kind, values[field.name], dotted)
    return config(**taken)


def _default(field: dataclasses.Field[Any], default: Any) -> Any:
    if dataclasses.is_dataclass(default):
        return getattr(default, field.name)
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def unknown(name: str, names: Mapping[str, Any]) -> str:
    """Return what to say of a dotted name that no field has."""
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"there is no setting {name}" + (f"; did you mean {near[0]}?" if near else "")


def convert(kind: Any, value: Any, name: str) -> Any:
    """Return a plain value as one of a type.

    Args:
        kind: a type of a field, as :func:`typing.get_type_hints` gives it.
        name: what an error calls the value.

    Raises:
        ConfigError: where it is no value of that type.
    """
    origin = typing.get_origin(kind)
    if origin is typing.Union or origin is types.UnionType:
        return _one_of(typing.get_args(kind), value, name)
    if origin is Literal:
        choices = typing.get_args(kind)
        if value in choices:
            return choices[choices.index(value)]
    elif origin is tuple:
        return _tuple(typing.get_args(kind), value, name)
    elif origin in (dict, Mapping, typing.get_origin(Mapping[str, Any])):
        if isinstance(value, Mapping):
            of = typing.get_args(kind)[1]
            return {key: convert(of, item, f"{name}.{key}") for key, item in value.items()}
    elif kind is Any:
        return value
    elif dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return _build(kind, value, None, f"{name}.", field_types(kind, f"{name}."))
    elif kind in _SCALARS:
        try:
            return _SCALARS[kind](value)
        except (ValueError, OverflowError):
            pass
    raise ConfigError(f"{name}: Expected {described(kind)}, got {_shown(value)}")


def _one_of(kinds: Sequence[Any], value: Any, name: str) -> Any:
    if type(None) in kinds and (value is None or (isinstance(value, Word) and value == "null")):
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    for kind in others:
        try:
            return convert(kind, value, name)
        except ConfigError:
            if len(others) == 1:
                raise
    expected = " or ".join(map(described, others))
    raise ConfigError(f"{name}: Expected {expected}, got {_shown(value)}")


def _tuple(kinds: Sequence[Any], value: Any, name: str) -> tuple[Any, ...]:
    if isinstance(value, Words):
        value = [Word(each) for each in value]
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{name}: Expected a list, got {_shown(value)}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(convert(kinds[0], item, name) for item in value)
    if len(value) != len(kinds):
        raise ConfigError(f"{name}: Expected {len(kinds)} values, got {len(value)}")
    return tuple(convert(kind, item, name) for kind, item in zip(kinds, value, strict=True))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return str(value)


def _path(value: Any) -> Path:
    return Path(value) if isinstance(value, Path) else Path(_text(value))


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    return float(value)


def _truth(value: Any) -> bool:
    if isinstance(value, Word) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise ValueError
    return value


_SCALARS: dict[Any, Any] = {str: _text, Path: _path, int: _whole, float: _number, bool: _truth}


def described(kind: Any) -> str:
    """Return a type in words, for errors."""
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, typing.get_args(kind)))
    names = {str: "a text", Path: "a path", int: "a whole number", float: "a number"}
    names |= {bool: "true or false"}
    return names.get(kind, "a list" if item_type(kind) is not None else "a mapping")


def _shown(value: Any) -> str:
    return repr(str(value)) if isinstance(value, Word) else repr(value)

"""Settings of a task with several networks: those of the network that is named are taken.

The field ``model`` of a config holds the settings of a network, and its field ``kind`` names the
network. A network may have settings of its own, so the type of ``model`` depends on the name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from clipping.arguments import read_arguments
from clipping.config import check_yaml, parse, refuse, restore
from clipping.errors import ClippingError, ConfigError
from clipping.plugins import Row, Table, take_option
from clipping.tasks.contract import load_network

Config = TypeVar("Config")


def parse_with_network(
    config: type[Config], argv: Sequence[str], networks: Table[Row], *, prog: str
) -> Config:
    """Return :func:`clipping.config.parse` with the settings of the network that is named.

    The network is named by ``--model NAME``, by ``--model.kind NAME`` or by ``kind`` below
    ``model`` in a YAML file; if none is named, it is the config's default.

    Raises:
        SystemExit: as :func:`clipping.config.parse`; 2, too, if there is no such network or it
            cannot be imported.
    """
    try:
        words, name = _named(config, take_option(argv))
        settings = None if name is None else load_network(networks, name).Settings
    except ClippingError as error:
        refuse(prog, error)
    if settings is None:
        return parse(config, words, prog=prog)
    return _plain(config, parse(_with(config, settings), words, prog=prog))


def restore_with_network(
    config: type[Config], values: dict[str, Any], networks: Table[Row]
) -> Config:
    """Return :func:`clipping.config.restore` with the settings of the network in ``values``.

    Raises:
        ClippingError: if this network is not there, or a value is wrong.
    """
    model = values.get("model")
    name = model.get("kind") if isinstance(model, Mapping) else None
    if not isinstance(name, str):
        return restore(config, values)
    try:
        settings = load_network(networks, name).Settings
    except ConfigError as error:
        raise ConfigError(f"{error}; the plugin that brings it may be missing") from error
    return _plain(config, restore(_with(config, settings), values))


def _named(config: type, argv: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the words with ``--model NAME`` as ``--model.kind=NAME``, and the network's name."""
    words: list[str] = []
    waiting = list(argv)
    while waiting:
        word = waiting.pop(0)
        option, equals, value = word.partition("=")
        if word == "--":
            words += [word, *waiting]
            break
        if option == "--model" and not equals and waiting:
            value = waiting.pop(0)
        # A file holds the settings below ``model``, as --config holds all.
        if option == "--model" and not Path(value).is_file():
            words.append(f"--model.kind={value}")
        else:
            words.append(f"{option}={value}" if option == "--model" else word)
    name: str | None = None
    found = read_arguments(config, words, known_only=False)
    for group, path in found.files:
        values = check_yaml(path)
        below = values.get("model", {}) if group == "" else values if group == "model" else {}
        name = below.get("kind", name) if isinstance(below, Mapping) else name
    chosen = found.options.get("model.kind", name)
    name = chosen if isinstance(chosen, str) else name
    return words, name if isinstance(name, str) else None


def _with(config: type, settings: type) -> type:
    """Return ``config`` with a field ``model`` of the type ``settings``."""
    return dataclasses.make_dataclass(
        config.__name__,
        [("model", settings, dataclasses.field(default_factory=settings))],
        bases=(config,),
        frozen=True,
        namespace={"__doc__": config.__doc__},
    )


def _plain(config: type[Config], made: Any) -> Config:
    """Return the same values in the config's own class, which other processes can import."""
    fields = dataclasses.fields(config)  # type: ignore[arg-type]
    return config(**{each.name: getattr(made, each.name) for each in fields if each.init})

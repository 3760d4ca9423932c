"""Settings: a frozen dataclass is filled from defaults, YAML and the command line, in that order.

The dataclass is the only place where a default and its help text (the docstring under the field)
stand. jsonargparse does the parsing; this file adds what it leaves out: bare ``--flag`` switches,
the nearest right name for an unknown key, and one way to run a command.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from clipping.errors import ClippingError, ConfigError

Config = TypeVar("Config")


def parse(
    config: type[Config], argv: Sequence[str] | None, *, prog: str, positional: str | None = None
) -> Config:
    """A ``config`` from command-line words: ``--config x.yaml --lr 1e-3 --model.hidden 128``.

    Args:
        config: a frozen dataclass; nested dataclasses become dotted options. Its docstring is the
            text of ``--help``.
        argv: the words; None takes ``sys.argv[1:]``.
        prog: what the user types, for the help text (``"python -m avtnet.train"``).
        positional: the field (a tuple of strings) that takes the words without an option; its help
            is ``field(metadata={"help": …})``.

    ``--some-name`` is as good as ``--some_name``, ``--flag`` and ``--no-flag`` switch a bool, and
    ``-o`` is short for ``--output``.

    Raises:
        SystemExit: 2 on wrong usage (after a message), 0 after ``--help``.
    """
    parser = _parser(config, prog, positional)
    words = _spell_out_flags(config, list(sys.argv[1:] if argv is None else argv))
    try:
        namespace = parser.parse_args(words)
        return _instantiate(parser, config, namespace)
    except (ConfigError, ValueError) as error:
        parser.error(str(error))
        raise  # never reached: error() exits


def load(config: type[Config], path: Path | str, overrides: Sequence[str] = ()) -> Config:
    """A ``config`` from a YAML file that holds only what differs from the defaults.

    Raises:
        ConfigError: naming the file, for an unknown key (with the nearest right name), a wrong
            type, or a value out of range.
    """
    parser = _parser(config, str(path), None)
    parser.exit_on_error = False
    import jsonargparse

    try:
        words = [f"--config={path}", *overrides]
        return _instantiate(parser, config, parser.parse_args(_spell_out_flags(config, words)))
    except (jsonargparse.ArgumentError, ValueError, OSError) as error:
        raise ConfigError(f"{path}: {_suggest(config, str(error))}") from error


def dump(config: Any) -> dict[str, Any]:
    """The whole of a config as plain dicts, lists and scalars (for YAML and JSON)."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    return {key: plain(value) for key, value in dataclasses.asdict(config).items()}


def restore(config: type[Config], values: dict[str, Any]) -> Config:
    """The inverse of :func:`dump`, checked like a YAML file.

    Raises:
        ConfigError: for an unknown key, a wrong type, or a value out of range.
    """
    import jsonargparse

    parser = _parser(config, config.__name__, None)
    parser.exit_on_error = False
    try:
        return _instantiate(parser, config, parser.parse_object(values))
    except (jsonargparse.ArgumentError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{config.__name__}: {_suggest(config, str(error))}") from error


def run(command: Callable[[], int | None], prog: str) -> int:
    """Call a command; turn what a user can cause into one line and an exit code.

    Returns the command's own code (None is 0), 1 for a ClippingError, 130 for Ctrl-C.
    """
    try:
        return command() or 0
    except ClippingError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted; what was finished is kept", file=sys.stderr)
        return 130


def _parser(config: type, prog: str, positional: str | None) -> Any:
    import jsonargparse

    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)

    class Parser(jsonargparse.ArgumentParser):
        def error(self, message: str, ex: Exception | None = None) -> Any:
            if not self.exit_on_error:
                return super().error(message, ex)
            self.print_usage(sys.stderr)
            print(f"{self.prog}: error: {_suggest(config, message)}", file=sys.stderr)
            raise SystemExit(2)

    parser = Parser(prog=prog, description=(config.__doc__ or "").strip())
    parser.add_argument("--config", action="config", help="YAML file with settings that differ")
    skip = set()
    if positional is not None:
        field = next(f for f in dataclasses.fields(config) if f.name == positional)
        parser.add_argument(positional, nargs="*", help=field.metadata.get("help"))
        skip.add(positional)
    parser.add_class_arguments(config, nested_key=None, skip=skip)
    return parser


def _instantiate(parser: Any, config: type[Config], namespace: Any) -> Config:
    values = parser.instantiate(namespace)
    names = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    taken = {name: values[name] for name in names if name in values}
    return config(**{k: tuple(v) if isinstance(v, list) else v for k, v in taken.items()})


def _names(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every dotted name of a config and its type."""
    import typing

    hints = typing.get_type_hints(config)
    names: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        kind = hints[field.name]
        names[prefix + field.name] = kind
        if dataclasses.is_dataclass(kind):
            names |= _names(kind, f"{prefix}{field.name}.")
    return names


def _spell_out_flags(config: type, words: list[str]) -> list[str]:
    """``--use-amp`` → ``--use_amp=true``, ``--no-use-amp`` → ``--use_amp=false``, ``-o``."""
    names = _names(config)
    flags = {f"--{name}" for name, kind in names.items() if kind is bool}
    spelled = []
    for index, word in enumerate(words):
        following = words[index + 1].lower() if index + 1 < len(words) else ""
        dashed = "--" + word[2:].replace("-", "_") if word.startswith("--") else word
        if word == "-o" and "output" in names:
            spelled.append("--output")
        elif dashed in flags:
            spelled.append(dashed if following in ("true", "false") else f"{dashed}=true")
        elif dashed.startswith("--no_") and "--" + dashed[5:] in flags:
            spelled.append(f"--{dashed[5:]}=false")
        elif dashed.split("=")[0][2:] in names:
            name, equals, value = word.partition("=")
            spelled.append("--" + name[2:].replace("-", "_") + equals + value)
        else:
            spelled.append(word)
    return spelled


def _suggest(config: type, message: str) -> str:
    """Add the nearest right name to jsonargparse's message about an unknown key."""
    unknown = _UNKNOWN.search(message)
    if unknown is None:
        return message
    group, key = unknown["group"], unknown["argument"] or unknown["option"]
    wrong = f"{group}.{key}" if group else key
    near = difflib.get_close_matches(wrong, _names(config), n=1, cutoff=0.5)
    return f"{message.rstrip()}; did you mean {near[0]}?" if near else message


_UNKNOWN = re.compile(
    r"unrecognized arguments: -*(?P<argument>[\w.-]+)"
    r"|(?:Group '(?P<group>[\w.]+)' does not accept option|Option) '(?P<option>[\w.]+)'"
)

"""Settings: a frozen dataclass is filled from defaults, YAML and the command line, in that order.

The dataclass is the only place where a default and its help text (the docstring under the field)
stand. An unknown key is told with the nearest right name; there is one way to run a command.
"""

from __future__ import annotations

import dataclasses
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from clipping import plugins
from clipping.arguments import Arguments, read_arguments
from clipping.errors import ClippingError, ConfigError
from clipping.values import Words, build, convert, field_types, merged, nested, option_of, unknown

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

    ``--some_name`` is as good as ``--some-name``, ``--flag`` and ``--no-flag`` switch a bool, and
    ``-o`` is short for ``--output``. A tuple takes one word or several (``--labels opening
    ending``), given at once or by repeating the option; a single word may hold a list
    (``[opening, ending]``), or commas where the items are no paths (``opening,ending``). Words of
    the command line beat ``--config``, wherever it stands among them. ``--print-config`` prints
    all settings as YAML. Every command takes ``--plugin FILE.py`` (:mod:`clipping.plugins`), which
    a YAML file cannot.

    Raises:
        SystemExit: 2 on wrong usage (after a message), 0 after ``--help`` and ``--print-config``.
    """
    try:
        argv = plugins.take_option(sys.argv[1:] if argv is None else argv)
        words = read_arguments(config, argv, positional)
        if "help" in words.asks:
            from clipping.option_help import help_text

            print(help_text(config, prog, positional), end="")
            raise SystemExit(0)
        found = _filled(config, words, positional)
    except (ConfigError, ValueError) as error:
        from clipping.option_help import usage_text

        print(usage_text(config, prog, positional), file=sys.stderr)
        refuse(prog, " ".join(str(error).split()))
    if "print_config" in words.asks:
        import yaml

        print(yaml.safe_dump(dump(found), sort_keys=False, allow_unicode=True), end="")
        raise SystemExit(0)
    return found


def load(config: type[Config], path: Path | str, overrides: Sequence[str] = ()) -> Config:
    """A ``config`` from a YAML file that holds only what differs from the defaults.

    Raises:
        ConfigError: naming the file, for an unknown key (with the nearest right name), a wrong
            type, or a value out of range.
    """
    try:
        return _filled(config, read_arguments(config, [f"--config={path}", *overrides]), None)
    except (ConfigError, ValueError) as error:
        message = str(error)
        raise ConfigError(
            message if message.startswith(f"{path}: ") else f"{path}: {message}"
        ) from error


def _filled(config: type[Config], words: Arguments, positional: str | None) -> Config:
    """The defaults, the files and the options, one over the other; each is checked by itself."""
    types = field_types(config)
    values: dict[str, Any] = {}
    for name, path in words.files:
        held = check_yaml(path)
        try:
            _check_names(held, name, types)  # a wrong one is told with the file that it is in
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
        values = merged(values, nested(name, held) if name else held)
    for name, value in words.options.items():
        if name != positional:
            convert(types[name], value, option_of(name))
        values = merged(values, nested(name, value))
    if positional is not None and words.plain:
        values[positional] = Words(words.plain)
    return build(config, values)


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
    try:
        if not isinstance(values, Mapping):
            raise ConfigError("must be a mapping")
        return build(config, values)
    except (ConfigError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{config.__name__}: {error}") from error


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the settings that differ between ``then`` and ``now`` as a phrase; empty for none."""
    wrong = [name for name in now if now[name] != then.get(name)]
    return ", ".join(f"{name} (then {then.get(name)}, now {now[name]})" for name in wrong)


def run(command: Callable[[], int | None], prog: str) -> int:
    """Call a command; turn what a user can cause into one line and an exit code.

    Returns the command's own code (None is 0), 1 for a ClippingError or a path that is closed
    to this user, 130 for Ctrl-C. What the
    terminal cannot show, such as a file name that is no text, is printed as escapes (``\\udcff``).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return command() or 0
    except ClippingError as error:
        from clipping.printable import printable

        print(printable(f"{prog}: {error}"), file=sys.stderr)
        return 1
    except PermissionError as error:  # of a path in a closed folder even a look at it fails
        print(f"{prog}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted; what was finished is kept", file=sys.stderr)
        return 130


def refuse(prog: str, error: object) -> NoReturn:
    """End a command before it starts: one line on stderr.

    The exit code is 2 for wrong words (a text, a ConfigError), 1 for another ClippingError.
    """
    print(f"{prog}: error: {error}", file=sys.stderr)
    raise SystemExit(
        1 if isinstance(error, ClippingError) and not isinstance(error, ConfigError) else 2
    )


def check_yaml(path: Path | str) -> dict[str, Any]:
    """Return the settings in a YAML file, unchecked.

    Raises:
        ConfigError: if it cannot be read, is no YAML, or holds no settings.
    """
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not YAML, which is UTF-8 text") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split()).replace('"<unicode string>"', "it")
        raise ConfigError(f"{path}: not YAML: {problem}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds no settings; they stand in rows like 'name: value'")
    return _by_field(values, path)


def _by_field(values: Mapping[Any, Any], path: Path | str) -> dict[str, Any]:
    """The names of options, as help shows them (``min-confidence``), as those of fields."""
    fields: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).replace("-", "_")
        if name in fields:
            raise ConfigError(f"{path}: {name} is there twice")
        fields[name] = _by_field(value, path) if isinstance(value, Mapping) else value
    return fields


def _check_names(values: Mapping[Any, Any], group: str, types: Mapping[str, Any]) -> None:
    """See that a file holds fields only."""
    for key, value in values.items():
        name = f"{group}.{key}" if group else str(key)
        if name not in types:
            raise ConfigError(unknown(name, types))
        if dataclasses.is_dataclass(types[name]):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{name}: must be a mapping, got {value!r}")
            _check_names(value, name, types)
        else:
            convert(types[name], value, name)

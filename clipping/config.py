"""Settings: a frozen dataclass is filled from defaults, YAML and the command line, in that order.

The dataclass is the only place where a default and its help text (the docstring under the field)
stand. jsonargparse does the parsing; this file adds the nearest right name for an unknown key,
plain help, and one way to run a command.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from clipping import plugins
from clipping.arguments import arrange, field_types
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
    ``-o`` is short for ``--output``. A tuple takes one word or several (``--labels opening
    ending``), given at once or by repeating the option; a single word may hold a list
    (``[opening, ending]``), or commas where the items are no paths (``opening,ending``). Words of
    the command line beat ``--config``, wherever it stands among them. Every command takes
    ``--plugin FILE.py`` (:mod:`clipping.plugins`), which a YAML file cannot.

    Raises:
        SystemExit: 2 on wrong usage (after a message), 0 after ``--help``.
    """
    try:
        argv = plugins.take_option(sys.argv[1:] if argv is None else argv)
    except ConfigError as error:
        refuse(prog, error)
    parser = _parser(config, prog, positional)
    options, words = arrange(config, argv, positional)
    given = positional is not None and bool(words)
    try:
        for option in options:
            if option.startswith("--config="):
                check_yaml(option.removeprefix("--config="))
        # The words without an option go past the parser: names of files may hold bytes that no
        # YAML can. It is told only that there are some.
        namespace = parser.parse_args([*options, "--", "[]"] if given else options + words)
        if given:
            namespace[positional] = tuple(words)
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
        options, words = arrange(config, [f"--config={path}", *overrides])
        return _instantiate(parser, config, parser.parse_args(options + words))
    except (jsonargparse.ArgumentError, ConfigError, ValueError, OSError) as error:
        raise ConfigError(f"{path}: {_explain(config, str(error))}") from error


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
        raise ConfigError(f"{config.__name__}: {_explain(config, str(error))}") from error


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which of the settings ``now`` were others ``then``, in words; empty where none were."""
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
        print(f"{prog}: {error}", file=sys.stderr)
        return 1
    except PermissionError as error:  # of a path in a closed folder even a look at it fails
        print(f"{prog}: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{prog}: interrupted; what was finished is kept", file=sys.stderr)
        return 130


def refuse(prog: str, error: object) -> NoReturn:
    """End a command whose words are wrong: one line on stderr, exit code 2."""
    print(f"{prog}: error: {error}", file=sys.stderr)
    raise SystemExit(2)


def check_yaml(path: str) -> dict[str, Any]:
    """Return the settings in a YAML file, unchecked; jsonargparse's errors do not name the file.

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
    except yaml.YAMLError as error:
        told = " ".join(str(error).split()).replace('"<unicode string>"', "it")
        raise ConfigError(f"{path}: not YAML: {told}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds no settings; they stand in rows like 'name: value'")
    return values


def _parser(config: type, prog: str, positional: str | None) -> Any:
    import jsonargparse

    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)

    class HelpFormatter(jsonargparse.DefaultHelpFormatter):
        def _get_type_str(self, action: Any) -> str | None:
            text = super()._get_type_str(action)
            if text is None or text.startswith("Literal["):  # the choices are shown anyway
                return None
            return re.sub(r"<class '(\w+)'>", r"\1", text).replace("Path", "path")

    class Parser(jsonargparse.ArgumentParser):
        def error(self, message: str, ex: Exception | None = None) -> Any:
            if not self.exit_on_error:
                return super().error(message, ex)
            self.print_usage(sys.stderr)
            print(f"{self.prog}: error: {_explain(config, message)}", file=sys.stderr)
            raise SystemExit(2)

    parser = Parser(
        prog=prog,
        description=(config.__doc__ or "").strip(),
        # No option of the parser: a YAML file could then name a plugin, which is code that is run.
        epilog=f"{plugins.OPTION} FILE.py: {plugins.HELP}",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="YAML file with settings that differ")
    parser.usage = "%(prog)s [options]"
    skip = set()
    if positional is not None:
        field = next(f for f in dataclasses.fields(config) if f.name == positional)
        # Without a default of its own where it may be left out: that would hide what the YAML says.
        optional: dict[str, Any] = {"nargs": "?", "default": argparse.SUPPRESS}
        required = field.default is dataclasses.MISSING
        parser.add_argument(
            positional,
            type=field_types(config)[positional],
            help=field.metadata.get("help"),
            metavar=f"{positional} ...",
            **({} if required else optional),
        )
        parser.usage += f" {positional} ..." if required else f" [{positional} ...]"
        skip.add(positional)
    parser.add_class_arguments(config, nested_key=None, skip=skip)
    told = {each.name: each.metadata.get("help") for each in dataclasses.fields(config)}
    for action in parser._actions:
        text = told.get(action.dest)
        if callable(text):  # it lists the rows of a table, those of plugins too
            action.help = text()
    if parser.groups:
        parser.groups[config.__name__].title = "settings"  # else the docstring once more
    return parser


def _instantiate(parser: Any, config: type[Config], namespace: Any) -> Config:
    values = parser.instantiate(namespace)
    names = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    taken = {name: values[name] for name in names if name in values}
    return config(**{k: tuple(v) if isinstance(v, list) else v for k, v in taken.items()})


def _explain(config: type, message: str) -> str:
    """jsonargparse's message on one line, with the nearest right name for an unknown key."""
    message = re.sub(r'Parser key "([\w.]+)":', r"\1:", " ".join(message.split()))
    message = re.sub(r"<class '(\w+)'>", r"\1", message)
    message = re.sub(r"a typing\.Literal\[(.*?)\]", r"one of \1", message)
    unknown = _UNKNOWN.search(message)
    if unknown is None:
        return message
    group, key = unknown["group"], unknown["argument"] or unknown["option"]
    wrong = f"{group}.{key}" if group else key
    near = difflib.get_close_matches(wrong, field_types(config), n=1, cutoff=0.5)
    return f"{message}; did you mean {near[0]}?" if near else message


_UNKNOWN = re.compile(
    r"unrecognized arguments: -*(?P<argument>[\w.-]+)"
    r"|(?:Group '(?P<group>[\w.]+)' does not accept option|Option) '(?P<option>[\w.]+)'"
)

"""The help of a command, from the docstrings of the dataclass that it fills and of its fields."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from pathlib import Path
from typing import Any, Literal

from clipping import plugins
from clipping.values import item_type, option_of


def help_text(config: type, prog: str, positional: str | None) -> str:
    """Return what ``--help`` prints."""
    return _parser(config, prog, positional).format_help()


def usage_text(config: type, prog: str, positional: str | None) -> str:
    """Return the one line of how a command is typed."""
    usage = f"usage: {prog} [options]"
    if positional is None:
        return usage
    field = next(each for each in dataclasses.fields(config) if each.name == positional)
    required = field.default is field.default_factory is dataclasses.MISSING
    return f"{usage} {positional} ..." if required else f"{usage} [{positional} ...]"


def _parser(config: type, prog: str, positional: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=usage_text(config, prog, positional).removeprefix("usage: ").replace("%", "%%"),
        description=inspect.cleandoc(config.__doc__ or ""),
        # No option of the parser: a YAML file could then name a plugin, which is code that is run.
        epilog=_plain(f"{plugins.OPTION} FILE.py: {plugins.HELP}"),
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    if positional is not None:
        field = next(each for each in dataclasses.fields(config) if each.name == positional)
        about = _help_of(field)
        parser.add_argument(positional, nargs="*", metavar=f"{positional} ...", help=_plain(about))
    parser.add_argument("--config", metavar="FILE", help="YAML file with settings that differ")
    parser.add_argument("--print-config", action="store_true", help="print all settings and stop")
    _add(parser, parser.add_argument_group("settings"), config, None, "", positional)
    return parser


def _add(
    parser: argparse.ArgumentParser,
    group: Any,
    config: Any,
    default: Any,
    prefix: str,
    skipped: str | None = None,
) -> None:
    hints, docs = typing.get_type_hints(config), field_docs(config)
    for field in dataclasses.fields(config):
        kind, name = hints[field.name], f"{prefix}{field.name}"
        if name == skipped:
            continue
        if dataclasses.is_dataclass(default):
            usual = getattr(default, field.name)
        elif field.default_factory is not dataclasses.MISSING:
            usual = field.default_factory()
        else:
            usual = field.default
        about = _help_of(field) or docs.get(field.name, "")
        if dataclasses.is_dataclass(kind):
            title = (about or inspect.cleandoc(kind.__doc__ or name)).splitlines()[0]
            # By its option's name: two groups may have the same docstring.
            inner = parser.add_argument_group(option_of(name), _plain(title))
            inner.add_argument(
                option_of(name), metavar="FILE", help="YAML file with these settings"
            )
            _add(parser, inner, kind, usual, f"{name}.")
            continue
        details = [*_type_text(kind), *_default_text(usual)]
        about = f"{_plain(about)} ({', '.join(details)})" if details else _plain(about)
        options = ["-o", option_of(name)] if name == "output" else [option_of(name)]
        if kind is bool:
            options.append(f"--{prefix.replace('_', '-')}no-{field.name.replace('_', '-')}")
            if prefix:
                options[-1] = f"--no-{option_of(name)[2:]}"
            group.add_argument(*options, action="store_true", help=about)
        else:
            group.add_argument(*options, metavar=_metavar(kind, field.name), help=about)


def _help_of(field: dataclasses.Field[Any]) -> str:
    """The help of a field's metadata; a function lists the rows of a table, plugins' too."""
    text = field.metadata.get("help", "")
    return str(text() if callable(text) else text)


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("%", "%%")


def _default_text(value: Any) -> list[str]:
    if value is dataclasses.MISSING:
        return ["required"]
    if value is None or value == () or value == "":
        return []
    if isinstance(value, tuple):
        value = " ".join(map(str, value))
    elif isinstance(value, bool):
        value = str(value).lower()
    return [f"default: {str(value).replace('%', '%%')}"]


def _type_text(kind: Any) -> list[str]:
    """The type in a word, where neither choices nor a flag show it."""
    kinds = [each for each in _kinds(kind) if each is not type(None)]
    names = {str: "str", int: "int", float: "float", Path: "path"}
    words = [names[each] for each in kinds if each in names]
    several = " ..." if item_type(kind) is not None else ""
    return [f"type: {' or '.join(words)}{several}"] if words else []


def _kinds(kind: Any) -> list[Any]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [inner for each in typing.get_args(kind) for inner in _kinds(each)]
    item = item_type(kind)
    return _kinds(item) if item is not None else [kind]


def _metavar(kind: Any, name: str) -> str:
    choices = [each for each in _kinds(kind) if typing.get_origin(each) is Literal]
    word = (
        "{" + ",".join(map(str, typing.get_args(choices[0]))) + "}"
        if choices
        else name.rstrip("_").upper()
    )
    return f"{word} ..." if item_type(kind) is not None else word


def field_docs(config: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, by the field's name."""
    found: dict[str, str] = {}
    for each in reversed(config.__mro__):
        if not dataclasses.is_dataclass(each):
            continue
        try:
            source = inspect.getsource(each)
        except (OSError, TypeError):  # one that was made, not written (clipping.tasks.settings)
            continue
        tree = ast.parse(textwrap.dedent(source)).body[0]
        assert isinstance(tree, ast.ClassDef)
        for node, after in zip(tree.body, tree.body[1:], strict=False):
            if not isinstance(node, ast.AnnAssign) or not isinstance(after, ast.Expr):
                continue
            if isinstance(node.target, ast.Name) and isinstance(after.value, ast.Constant):
                found[node.target.id] = inspect.cleandoc(str(after.value.value))
    return found


class _Formatter(argparse.HelpFormatter):
    """Paragraphs of the description stay apart, options of one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (" ".join(each.split()) for each in text.split("\n\n"))
        return "\n\n".join(
            textwrap.fill(each, width, initial_indent=indent, subsequent_indent=indent)
            for each in paragraphs
        )

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        return f"{', '.join(action.option_strings)} {action.metavar}"

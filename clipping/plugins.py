"""Tables of rows that are chosen by name, and the plugins that add rows to them.

A row names a task, a network of a task, or a file format, and the module that holds it. Reading a
table imports no such module: a module is imported when its row is asked for.

A plugin is a Python module with one or more of these dicts::

    TASKS = {"songs": Row("mypackage.songs", "name the song that plays")}
    NETWORKS = {"avtnet": {"mine": Row("mypackage.network:Mine", "a smaller head")}}
    FORMATS = {"plex": Format(".plex.json", "mypackage.plex", "segments")}

Other packages may have tables of their own (``FINDERS`` of :mod:`avtnet.search.finders`).
An installed package names its plugin in the entry point group ``clipping.plugins`` (``avtnet``
itself does). A single file is named by ``--plugin FILE.py`` on the command line; no file of
settings can name one, because a plugin is code that is run. How to write one: docs/add-a-format.md,
docs/add-a-network.md and docs/add-a-task.md.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from clipping.errors import ClippingError, ConfigError
from clipping.extra import extra_imports

GROUP = "clipping.plugins"
"""The entry point group in which a package names its plugin."""
OPTION = "--plugin"
HELP = (
    "a Python file that adds tasks, networks or formats (docs/add-a-format.md); it is run, so name "
    "only a file that you trust; may be repeated"
)
_NAME = re.compile(r"\w[\w.-]*")


@dataclass(frozen=True)
class Row:
    """A task, or a network of a task."""

    module: str
    """The module of a task (``package.module``); the class of a network
    (``package.module:Class``)."""
    summary: str
    """One sentence for the help."""


R = TypeVar("R")


@dataclass(frozen=True)
class Plugin:
    """A module that brings rows."""

    who: str
    """Its name for messages: the entry point and its package, or the file."""
    module: Any


@dataclass(frozen=True)
class Table(Generic[R]):
    """Rows by name: our own, and those of plugins."""

    what: str
    """The word for one of them in messages: ``"format"``."""
    attribute: str
    """The dict of a plugin that holds such rows: ``"FORMATS"``."""
    kind: type[R]
    """The type of a row."""
    own: Mapping[str, R] = field(default_factory=dict)
    """The rows that need no plugin."""
    task: str = ""
    """The task, where a plugin's dict holds a dict of rows for each task."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other words for names, used to tell the right one."""

    def find(self, name: str) -> R:
        """Return the row of this name; plugins are loaded only if it is none of our own.

        Raises:
            ConfigError: if no row has this name (the nearest right one and all names are told), or
                if two plugins bring it.
        """
        self._check_files()
        if name in self.own:
            return self.own[name]
        rows, problems = self.collect_rows()
        if name in rows:
            self._check_single(name)
            return rows[name]
        near = difflib.get_close_matches(name.lower(), [*rows, *self.aliases], n=1, cutoff=0.5)
        hint = f"did you mean {self.aliases.get(near[0], near[0])}? " if near else ""
        known = f"known are {', '.join(rows)}" if rows else "none is known"
        more = "".join(f"; {problem}" for problem in problems)
        raise ConfigError(f"there is no {self.called(name)}; {hint}{known}{more}")

    def called(self, name: str) -> str:
        """Return what messages call a row: ``network 'mine' of the task avtnet``."""
        return f"{self.what} {name!r}" + (f" of the task {self.task}" if self.task else "")

    def load(self, name: str, module: str) -> Any:
        """Import the module of a row (``package.module``, or ``package.module:Name`` in it).

        Raises:
            ExtraMissing: if it needs a package of an extra that is not installed.
            ClippingError: if a plugin's cannot be imported, naming the row and the plugin.
        """
        module, _, inner = module.partition(":")
        with self.guard(name, "cannot be loaded"), extra_imports():
            found = importlib.import_module(module)
            return getattr(found, inner) if inner else found

    @contextmanager
    def guard(self, name: str, verb: str = "failed") -> Iterator[None]:
        """Turn whatever a plugin's row raises into one line that names the row and the plugin.

        A mistake in one of our own rows keeps its traceback.

        Raises:
            ClippingError: with ``verb`` and the plugin's error; its own ones pass as they are.
        """
        try:
            yield
        except ClippingError:
            raise
        except Exception as error:  # a stranger's code: it may raise anything
            if name in self.own:
                raise
            who = next((f" ({plugin.who})" for plugin in self._brought_by(name)), "")
            raise ClippingError(f"the {self.called(name)}{who} {verb}: {_reason(error)}") from error

    def collect_rows(self) -> tuple[dict[str, R], list[str]]:
        """Return all rows, and a sentence for each plugin or row that had to be left out."""
        rows, problems = dict(self.own), list[str]()
        brought: dict[str, str] = {}
        for plugin, problem in _all():
            if plugin is None:
                problems.append(problem)
                continue
            try:
                added = self._rows_of(plugin)
            except ConfigError as error:
                problems.append(str(error))
                continue
            for name, row in added.items():
                if name not in rows:
                    rows[name], brought[name] = row, plugin.who
                elif rows[name] != row:
                    problems.append(self._taken(plugin.who, name, brought.get(name)))
        return rows, problems

    def _rows_of(self, plugin: Plugin) -> Mapping[str, R]:
        """Return a plugin's rows of this table.

        Raises:
            ConfigError: if they are no such rows.
        """
        rows = getattr(plugin.module, self.attribute, {})
        where = self.attribute
        if self.task and isinstance(rows, Mapping):
            rows, where = rows.get(self.task, {}), f"{where}[{self.task!r}]"
        if not isinstance(rows, Mapping) or not all(
            isinstance(name, str) and _NAME.fullmatch(name) and isinstance(row, self.kind)
            for name, row in rows.items()
        ):
            raise ConfigError(
                f"{plugin.who}: {where} is no dict of a {self.kind.__name__} for each name"
            )
        return rows

    def _brought_by(self, name: str) -> list[Plugin]:
        """Return the plugins that bring a row of this name."""
        found = []
        for plugin, _ in _all():
            try:
                if plugin is not None and name in self._rows_of(plugin):
                    found.append(plugin)
            except ConfigError:  # collect_rows() tells of it
                continue
        return found

    def _check_single(self, name: str) -> None:
        first, *others = self._brought_by(name)
        for other in others:
            if self._rows_of(other)[name] != self._rows_of(first)[name]:
                raise ConfigError(self._taken(other.who, name, first.who))

    def _check_files(self) -> None:
        """Refuse rows of ``--plugin`` files that have the name of one of our own."""
        for plugin in _files():
            for name, row in self._rows_of(plugin).items():
                if name in self.own and row != self.own[name]:
                    raise ConfigError(self._taken(plugin.who, name, None))

    def _taken(self, who: str, name: str, other: str | None) -> str:
        has = f"{other} brings one" if other else "there is one without a plugin"
        return (
            f"{who} brings a {self.called(name)}, but {has} of that name already: rename the one, "
            "or leave one plugin out"
        )


def take_option(words: Sequence[str]) -> list[str]:
    """Load the files that ``--plugin FILE.py`` names; return the other words of a command line.

    Raises:
        ConfigError: if a file is missing, or fails when it is run.
    """
    left: list[str] = []
    waiting = iter(words)
    for word in waiting:
        option, equals, value = word.partition("=")
        if word == "--":
            return [*left, word, *waiting]
        if option != OPTION:
            left.append(word)
            continue
        add_file(Path(value if equals else next(waiting, "")))
    return left


def add_file(path: Path) -> Plugin:
    """Run a Python file as a plugin; its rows are there from now on.

    The file is imported by its name, so that worker processes can import it as well.

    Raises:
        ConfigError: if it is missing, fails, or has the name of another module.
    """
    path = path.resolve()
    who = f"{OPTION} {path}"
    if path in _FILES:
        return _FILES[path]
    if path.suffix != ".py" or not path.is_file():
        raise ConfigError(f"{who}: name a Python file (.py) that is there")
    name, folder = path.stem, str(path.parent)
    if not name.isidentifier():
        raise ConfigError(
            f"{who}: its name is no name of a Python module; rename it to my_plugin.py"
        )
    if folder not in sys.path:
        sys.path.append(folder)  # last: it can stand in for no other module
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module that was put together by hand
        spec = None
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != path:
        there = f" ({spec.origin})" if spec is not None else ""
        raise ConfigError(f"{who}: another module is called {name}{there}; rename the file")
    _FILES[path] = Plugin(who, _run(who, lambda: importlib.import_module(name)))
    return _FILES[path]


_FILES: dict[Path, Plugin] = {}


def _run(who: str, load: Callable[[], Any]) -> Any:
    """Call ``load``; whatever a plugin raises when it is imported becomes one line.

    Raises:
        ConfigError: naming the plugin.
    """
    try:
        return load()
    except Exception as error:  # a stranger's code: it may raise anything
        raise ConfigError(f"{who} cannot be loaded: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _files() -> list[Plugin]:
    """Return the plugins that the command line names.

    A process that multiprocessing starts has its parent's command line, and loads them from there.
    """
    process = sys.modules.get("multiprocessing.process")
    if not _FILES and process is not None and process.parent_process() is not None:
        take_option(sys.argv[1:])
    return list(_FILES.values())


@cache
def _installed() -> tuple[tuple[Plugin | None, str], ...]:
    """Return the plugins of installed packages; a sentence in place of one that is broken."""
    from importlib.metadata import entry_points

    found: list[tuple[Plugin | None, str]] = []
    for point in sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.value)):
        package = f" of the package {point.dist.name}" if point.dist is not None else ""
        who = f"plugin {point.name} ({point.value}{package})"
        try:
            found.append((Plugin(who, _run(who, point.load)), ""))
        except ConfigError as error:
            found.append((None, str(error)))
    return tuple(found)


def _all() -> Iterator[tuple[Plugin | None, str]]:
    yield from _installed()
    for plugin in _files():
        yield plugin, ""

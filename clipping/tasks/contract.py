"""The contract of a task and of its networks, and the tables of both.

A task is one thing that networks are trained for, such as finding openings. It is one module (see
:class:`TaskModule`) and one row of ``TASKS``, here or in a plugin. A network of a task is one file
with its settings and its ``nn.Module`` (see :class:`NetworkClass`) and one row among the networks
of its task. How to add them: docs/add-a-task.md, docs/add-a-network.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from clipping.errors import ConfigError
from clipping.plugins import Row, Table
from clipping.segments import Timeline


class TaskModule(Protocol):
    """The names that the module of a task has."""

    Config: type[Any]
    """A frozen dataclass: all settings of a training. If the task has several networks, its field
    ``model`` holds the settings of one, and the field ``kind`` of these names its row."""
    train: Callable[[Any], Path]
    """``train(config)`` trains a network and returns the file of its checkpoint."""
    evaluate: Callable[[Any, Path], Mapping[str, float]]
    """``evaluate(config, checkpoint)`` returns the figures of a checkpoint on the data that the
    config names for validation."""
    predict: Callable[[Path, Path], Timeline]
    """``predict(path, checkpoint)`` returns what the network finds in a media file: segments in
    seconds of the file, each with a label and a score."""


class NetworkClass(Protocol):
    """The class of a network, an ``nn.Module``: ``Class(settings)`` has fresh weights."""

    Settings: type[Any]
    """A frozen dataclass: how wide, how deep. Its field ``kind`` is the name of the row."""


TASKS: dict[str, Row] = {}
"""The tasks of this package: none yet. ``avtnet`` brings its own by its entry point."""
TABLE = Table("task", "TASKS", Row, TASKS)
"""Those and the tasks of plugins."""
_FUNCTIONS = ("train", "evaluate", "predict")


def networks_of(task: str) -> Table[Row]:
    """Return the table of a task's networks."""
    return Table("network", "NETWORKS", Row, task=task)


def load_task(name: str) -> TaskModule:
    """Import the module of a task.

    Raises:
        ClippingError: if there is no such task, it cannot be imported, or its module lacks a part
            of the contract.
    """
    module = TABLE.load(name, TABLE.find(name).module)
    lacks = [each for each in _FUNCTIONS if not callable(getattr(module, each, None))]
    if not dataclasses.is_dataclass(getattr(module, "Config", None)):
        lacks = ["a dataclass Config", *lacks]
    if lacks:
        raise ConfigError(
            f"the task {name} ({module.__name__}) lacks {', '.join(lacks)}: see docs/add-a-task.md"
        )
    return cast(TaskModule, module)


def load_network(networks: Table[Row], name: str) -> Any:
    """Import the class of a network.

    Raises:
        ClippingError: if there is no such network, it cannot be imported, or has no ``Settings``.
    """
    found = networks.load(name, networks.find(name).module)
    if not dataclasses.is_dataclass(getattr(found, "Settings", None)):
        raise ConfigError(
            f"the {networks.called(name)} ({found!r}) lacks a dataclass Settings: see "
            "docs/add-a-network.md"
        )
    return found

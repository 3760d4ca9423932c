"""The values of a run over many items: outcomes, answers of workers, progress, and engines."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Contra = TypeVar("Contra", contravariant=True)

Limit = float | None | Callable[[Any], float | None]
"""Seconds of wall time for an item, the same for all or by the item; None: any time."""


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """One item, and its result or the reason why it has none."""

    item: Item
    result: Result | None = None
    error: str | None = None
    """The reason for having no result; None where there is one."""
    attempts: tuple[str, ...] = ()
    """Reasons why attempts of this run came to nothing, the last one included."""
    quarantined: bool = False
    """Workers died over the item until it was given up."""


@dataclass(frozen=True)
class Unfinished(Generic[Item, Result]):
    """Returned by a function that could not finish: a result, and items that are worth a new try.

    A reason goes with each of them, such as storage that did not answer. It counts as an attempt,
    and never sets the item aside.
    """

    result: Result
    left: tuple[tuple[Item, str], ...] = ()


@dataclass(frozen=True)
class Progress:
    """The workers of a run, and how much they have done."""

    nodes: int
    workers: int
    busy: int
    """Workers that have an item."""
    done: int = 0
    """Items that are settled, well or badly."""


@dataclass(frozen=True)
class Done:
    """The answer of a worker: what the function returned."""

    result: Any


@dataclass(frozen=True)
class Failed:
    """The answer of a worker: the function raised a ClippingError."""

    reason: str
    again: bool = False
    """It was a StorageError: the next try may help."""


@dataclass(frozen=True)
class Died:
    """In place of an answer: the worker died over the item."""

    reason: str
    over_limit: bool = False
    """It was ended because the item took too long."""


@dataclass(frozen=True)
class Lost:
    """In place of an answer: the machine went, by no fault of the item."""

    reason: str


Answer = Done | Failed | Died | Lost


class Quarantine(Protocol[Contra]):
    """Remembers items over which workers died every time; see clipping.many.quarantine."""

    def reasons(self, item: Contra) -> tuple[str, ...]:
        """Return why an item was set aside before this run; nothing where it was not."""
        ...

    def add(self, item: Contra, reasons: Sequence[str]) -> None:
        """Set an item aside."""
        ...


class Crew(Protocol):
    """The workers of one run. Only the thread that made it may call it."""

    def room(self) -> int:
        """Return how many more items may be given now."""
        ...

    def give(self, key: Hashable, item: Any) -> None:
        """Take an item; its answer comes out of :meth:`take` under the key."""
        ...

    def take(self) -> Sequence[tuple[Hashable, Answer]]:
        """Wait for answers; none where only the number of workers may have changed."""
        ...

    def watch(self) -> tuple[int, int, int]:
        """Return the numbers of machines, of workers, and of busy workers."""
        ...


class Engine(Protocol):
    """A place where the work is done."""

    def ready(self) -> AbstractContextManager[None]:
        """Connect to the place, unless that is done, for the time of the block."""
        ...

    def slots(self) -> int:
        """Return how many items can be worked on at once; 0: in this process."""
        ...

    def crew(self, function: Callable[[Any], Any], limit_s: Limit) -> AbstractContextManager[Crew]:
        """Return workers that apply the function; they end with the block."""
        ...


def limit_of(limit_s: Limit, item: Any) -> float | None:
    """Return the seconds that one item may take."""
    return limit_s(item) if callable(limit_s) else limit_s


def available_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

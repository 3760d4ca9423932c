"""What was made a moment ago and may be wanted again: one bound of memory for all of a kind."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class MemoryCache(Generic[Value]):
    """Values by (owner, key); those that were not asked for the longest go first.

    A season of 500 files has 500 owners: each with a bound of its own would take gigabytes. What
    belongs to an owner goes with it.
    """

    def __init__(self, most_bytes: int, size: Callable[[Value], int]) -> None:
        """``size`` tells the bytes of a value."""
        self._most_bytes, self._size = most_bytes, size
        self._kept: OrderedDict[tuple[int, Hashable], Value] = OrderedDict()
        self._owners: dict[int, weakref.finalize] = {}
        self._lock = threading.RLock()
        self.bytes = 0

    def get(self, owner: object, key: Hashable) -> Value | None:
        """The value that is kept, or None."""
        place = id(owner), key
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
            return self._kept.get(place)

    def keep(self, owner: object, key: Hashable, value: Value) -> None:
        """Keep a value, unless there is one."""
        place = id(owner), key
        with self._lock:
            if id(owner) not in self._owners:
                self._owners[id(owner)] = weakref.finalize(owner, self._forget, id(owner))
            if place not in self._kept:
                self._kept[place] = value
                self.bytes += self._size(value)
            while self.bytes > self._most_bytes and len(self._kept) > 1:
                self.bytes -= self._size(self._kept.popitem(last=False)[1])

    def take(self, owner: object, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value that is kept, or what ``make`` gives, which is then kept."""
        value = self.get(owner, key)
        if value is None:
            value = make()
            self.keep(owner, key, value)
        return value

    def _forget(self, owner: int) -> None:
        with self._lock:
            del self._owners[owner]
            for place in [place for place in self._kept if place[0] == owner]:
                self.bytes -= self._size(self._kept.pop(place))

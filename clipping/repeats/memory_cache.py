"""A cache in memory with one bound for the values of all its owners."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class MemoryCache(Generic[Value]):
    """Values by (owner, key). The least recently used ones are dropped first.

    A season of 500 files has 500 owners; a bound for each of them would add up to gigabytes. When
    an owner is deleted, its values are dropped.
    """

    def __init__(self, most_bytes: int, size: Callable[[Value], int]) -> None:
        """Make an empty cache of at most ``most_bytes``; ``size`` returns the bytes of a value."""
        self._most_bytes, self._size = most_bytes, size
        self._kept: OrderedDict[tuple[int, Hashable], Value] = OrderedDict()
        self._owners: dict[int, weakref.finalize] = {}
        self._lock = threading.RLock()
        self.bytes = 0

    def get(self, owner: object, key: Hashable) -> Value | None:
        """The stored value, or None."""
        place = id(owner), key
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
            return self._kept.get(place)

    def keep(self, owner: object, key: Hashable, value: Value) -> None:
        """Store a value, unless there is one already."""
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
        """The stored value; if there is none, that of ``make``, which is then stored."""
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

"""Keep the files over which workers died, so that later searches leave them out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from avtnet.search.request import LocateConfig
from avtnet.search.work import FileItem, Item
from clipping.errors import ClippingError
from clipping.kept.cache import Cache
from clipping.many.outcomes import Quarantine
from preprocess.batch.quarantine import quarantine_of
from preprocess.batch.tasks import FeatureTask

_FACT = "set aside"
"""Name of the fact in the cache that workers died over a file."""


class SearchQuarantine(Quarantine[Item]):
    """Keeps files of which only the sound is read in the cache, windows next to their features."""

    def __init__(self, cache: Cache, config: LocateConfig) -> None:
        self._cache, self._again = cache, config.rescan
        self._windows = None if config.features is None else quarantine_of(config.features)

    def reasons(self, item: Item) -> tuple[str, ...]:
        """Return why a file was set aside; the plan of features has asked for windows already."""
        if not isinstance(item, FileItem) or self._again:
            return ()
        with suppress(ClippingError, KeyError, TypeError):
            kept = self._cache.named_fact(item.path, _FACT)
            if kept is not None and kept["key"] == self._cache.identity(item.path).key:
                return tuple(map(str, kept["reasons"]))
        return ()

    def add(self, item: Item, reasons: Sequence[str]) -> None:
        """Remember a file, or a window of it."""
        with suppress(ClippingError):
            if isinstance(item, FileItem):
                key = self._cache.identity(item.path).key
                value = {"key": key, "reasons": list(reasons)}
                self._cache.keep_named_fact(item.path, _FACT, value)
            elif isinstance(item, FeatureTask) and self._windows is not None:
                self._windows.add(item, reasons)

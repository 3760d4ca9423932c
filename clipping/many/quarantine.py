"""Items over which workers died every time: a file that keeps later runs from them.

The file is JSON: ``{HEADING: {NAME: {…about…, "reasons": […]}}}``. An item stays set aside as long
as what is said about it is the same, such as the hash of its file and the settings of the work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from clipping.errors import ClippingError, StorageError
from clipping.files import write_text
from clipping.storage import as_written, fetched

Item = TypeVar("Item")

_REASONS = "reasons"


@dataclass(frozen=True)
class QuarantineFile(Generic[Item]):
    """The items that are set aside, in one file."""

    path: Path
    name: Callable[[Item], str]
    """Its name in the file."""
    about: Callable[[Item], Mapping[str, Any]]
    """JSON values; an item of which they differ is tried again. It may raise a ClippingError."""
    heading: str = "items"
    decisive: Callable[[Mapping[str, Any]], object] = dict
    """Returns the part of the values that is compared; by default all."""

    def load(self) -> None:
        """Read the file now, and not at the first question.

        Raises:
            ClippingError: where it is there and cannot be read.
        """
        self._known  # noqa: B018 - cached

    @cached_property
    def _known(self) -> dict[str, dict[str, Any]]:
        return self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        """Return the entries by name; none where there is no file."""
        try:
            with fetched(self.path) as here:
                content = json.loads(here.read_text(encoding="utf-8"))
            return {str(name): _entry(entry) for name, entry in content[self.heading].items()}
        except FileNotFoundError:
            return {}
        except StorageError:
            raise
        except ClippingError:
            return {}  # storage that says that it is not there
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ClippingError(
                f"{as_written(self.path)}: cannot be read as the list of {self.heading} set aside "
                f"({error!r}); remove it"
            ) from error

    def reasons(self, item: Item) -> tuple[str, ...]:
        """Return why an item was set aside before this run; nothing where it was not.

        Raises:
            ClippingError: where the file is there and cannot be read.
        """
        entry = self._known.get(self.name(item))
        if entry is None:
            return ()
        try:
            about = _plain(self.about(item))
        except ClippingError:
            return ()  # the work will say what is wrong
        same = self.decisive(about) == self.decisive({k: entry[k] for k in entry if k != _REASONS})
        return tuple(entry[_REASONS]) if same else ()

    def add(self, item: Item, reasons: Sequence[str]) -> None:
        """Set an item aside, unless its file cannot even be read or the list not be written."""
        with suppress(ClippingError):  # a full disk has its own error
            entry = {**_plain(self.about(item)), _REASONS: list(reasons)}
            entries = {**self._read(), self.name(item): entry}
            text = json.dumps({self.heading: dict(sorted(entries.items()))}, indent=1)
            write_text(self.path, text + "\n")


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, _REASONS: [str(reason) for reason in entry[_REASONS]]}


def _plain(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as JSON gives them back."""
    return dict(json.loads(json.dumps(about)))

"""Run one function over many items, with retries, limits, and workers that may die."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from clipping.many.outcomes import (
    Answer,
    Died,
    Done,
    Engine,
    Failed,
    Limit,
    Lost,
    Outcome,
    Progress,
    Quarantine,
    Unfinished,
)
from clipping.many.processes import Local

Item = TypeVar("Item")
Result = TypeVar("Result")

_OTHERS_FIRST = 200
"""Items that are taken before a lost one is tried again: what troubled it may be over by then."""


def run_many(
    function: Callable[[Item], Result | Unfinished[Item, Result]],
    items: Iterable[Item],
    *,
    engine: Engine | None = None,
    tries: int = 1,
    limit_s: Limit = None,
    parts: Callable[[Item, tuple[str, ...]], Sequence[Item]] | None = None,
    known: Callable[[Item], Result | None] | None = None,
    then: Callable[[Outcome[Item, Result]], Iterable[Item]] | None = None,
    quarantine: Quarantine[Item] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Generator[Outcome[Item, Result]]:
    """Yield an outcome for every item, in the order in which they are settled.

    An item over which a worker dies, for which storage does not answer, or whose machine is lost
    is tried again after all others, or after 200 of them. Any other ClippingError that the
    function raises becomes its outcome's error.
    When the iteration ends early (Ctrl-C, an error, ``close()``), all workers are ended at once;
    their ``finally`` blocks still run.

    Args:
        function: stands at a module's top level, like everything that processes hand over.
        items: taken one by one as workers become free, so it may be a generator without end.
        engine: :class:`~clipping.many.processes.Local` (the default: a process a core) or
            :class:`~clipping.many.cluster.Ray`.
        tries: attempts at an item in all.
        limit_s: seconds of wall time for an item (for the first of a process, its start too); a
            worker that takes longer is ended, and counts as dead. What takes too long once is not
            tried again, unless it comes apart. ``Local(workers=0)`` has no limit.
        parts: the items that are tried in place of one that was lost, given the reasons so far; by
            default itself.
        known: the result of an item that is there already, from an earlier run or from a worker
            that died behind its work; None where there is none.
        then: further items that an outcome makes possible; they are next.
        quarantine: items over which workers died to the last attempt are set aside there, and
            those that are set aside already are not tried.
        progress: told whenever something changes.

    Raises:
        ClippingError: where the engine cannot be used, or the function is one of a script.
    """
    engine = engine or Local()
    work = _Work(items, tries, parts, known, quarantine)
    keys: dict[Hashable, _Entry[Item]] = {}
    with engine.crew(function, limit_s) as crew:
        while True:
            while crew.room() > 0 and (entry := work.next()) is not None:
                keys[id(entry)] = entry
                crew.give(id(entry), entry.item)
                if progress is not None:
                    progress(Progress(*crew.watch(), work.done))
            if keys and not work.settled:
                for key, answer in crew.take():
                    work.answer(keys.pop(key), answer)
                if progress is not None:
                    progress(Progress(*crew.watch(), work.done))
            elif not work.settled:
                return
            while work.settled:
                outcome = work.settled.popleft()
                work.done += 1
                if then is not None:
                    work.first.extend(_Entry(item) for item in then(outcome))
                yield outcome


def counted(reasons: Sequence[str]) -> str:
    """Return the reasons of attempts in a line, equal ones once."""
    different = "; ".join(dict.fromkeys(reasons))
    return f"{different} ({len(reasons)} tries)" if len(reasons) > 1 else different


@dataclass(frozen=True, eq=False)
class _Entry(Generic[Item]):
    item: Item
    attempts: tuple[str, ...] = ()
    due: int = 0
    """Number of items that come before another attempt at it, if there are so many."""


class _Work(Generic[Item, Result]):
    """The items that are still to be done, and the outcomes that nobody has taken yet."""

    def __init__(
        self,
        items: Iterable[Item],
        tries: int,
        parts: Callable[[Item, tuple[str, ...]], Sequence[Item]] | None,
        known: Callable[[Item], Result | None] | None,
        quarantine: Quarantine[Item] | None,
    ) -> None:
        self._items: Iterator[Item] = iter(items)
        self._tries, self._known, self._quarantine = tries, known, quarantine
        self._parts = parts or (lambda item, reasons: [item])
        self.first: deque[_Entry[Item]] = deque()
        self._again: deque[_Entry[Item]] = deque()
        self._count = 0
        self.settled: deque[Outcome[Item, Result]] = deque()
        self.done = 0

    def next(self) -> _Entry[Item] | None:
        """Return the next item to be worked on; what needs no work is settled on the way."""
        while not self.settled and (entry := self._taken()) is not None:
            if not entry.attempts and self._quarantine is not None:
                reasons = self._quarantine.reasons(entry.item)
                if reasons:
                    error = f"set aside by an earlier run: {counted(reasons)}"
                    self.settled.append(Outcome(entry.item, error=error, quarantined=True))
                    continue
            if not self._is_known(entry):
                return entry
        return None

    def answer(self, entry: _Entry[Item], answer: Answer) -> None:
        """Settle an item, or queue it for another attempt."""
        item = entry.item
        if isinstance(answer, Died):
            self._retry(entry, answer.reason, died=True, over_limit=answer.over_limit)
        elif isinstance(answer, Lost) or (isinstance(answer, Failed) and answer.again):
            self._retry(entry, answer.reason)
        elif isinstance(answer, Failed):
            error = Outcome[Item, Result](item, error=answer.reason, attempts=entry.attempts)
            self.settled.append(error)
        elif isinstance(answer, Done) and isinstance(answer.result, Unfinished):
            self.settled.append(Outcome(item, answer.result.result, attempts=entry.attempts))
            for left, reason in answer.result.left:
                self._retry(_Entry(left, entry.attempts), reason)
        else:
            self.settled.append(Outcome(item, answer.result, attempts=entry.attempts))

    def _taken(self) -> _Entry[Item] | None:
        if self.first:
            return self.first.popleft()
        if self._again and self._again[0].due <= self._count:
            return self._again.popleft()
        for item in self._items:
            self._count += 1
            return _Entry(item)
        return self._again.popleft() if self._again else None

    def _is_known(self, entry: _Entry[Item]) -> bool:
        result = None if self._known is None else self._known(entry.item)
        if result is None:
            return False
        self.settled.append(Outcome(entry.item, result, attempts=entry.attempts))
        return True

    def _retry(
        self, entry: _Entry[Item], reason: str, died: bool = False, over_limit: bool = False
    ) -> None:
        attempts = (*entry.attempts, reason)
        # Not at once: what troubled it (a full memory, storage that is down) may be over after
        # some other items; if none are left, its turn comes without waiting.
        due = self._count + _OTHERS_FIRST
        entries = [_Entry(part, attempts, due) for part in self._parts(entry.item, attempts)]
        # What takes too long once takes too long again, unless it shared its time with another.
        if len(attempts) < self._tries and not (over_limit and len(entries) == 1):
            self._again.extend(entries)
            return
        for each in entries:
            if self._is_known(each):
                continue
            error = counted(attempts)
            if died and self._quarantine is not None:
                self._quarantine.add(each.item, attempts)
                error = f"set aside: {error}"
            self.settled.append(
                Outcome(each.item, error=error, attempts=attempts, quarantined=died)
            )

"""The engine for many machines: the same function, as tasks of a Ray cluster.

Tasks and not actors: a task goes to whatever core is free, on machines that join later too, and
the death of a worker or a machine costs the tasks that ran there and nothing else. A worker
process stays for many tasks, so what it loaded once stays loaded all the same.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clipping.errors import ClippingError, StorageError
from clipping.extra import extra_module
from clipping.many.outcomes import (
    Answer,
    Crew,
    Died,
    Done,
    Failed,
    Limit,
    Lost,
    available_cores,
    limit_of,
)

_POLL = 1.0
"""Seconds between two looks at the machines of the cluster."""
_PATIENCE = 10.0
"""Seconds in which a cluster must answer."""
_OBJECT_STORE_BYTES = 100 << 20
"""Memory for items and results on a cluster that is started here; nothing else goes there."""


@dataclass(frozen=True)
class Ray:
    """Work on the Ray cluster at an address; without one, on one that is started here for now."""

    address: str | None = None
    """``HOST:PORT``, or ``auto``."""
    workers: int | None = None
    """Items at once; None: one for each core of the cluster, as machines come and go."""

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Be connected for the time of the block; a connection of the caller's own is used.

        Raises:
            ClippingError: where Ray is not installed, or the cluster does not answer.
        """
        ray = _ray()
        connected = ray.is_initialized()
        if not connected:
            _connect(ray, self.address, self.workers)
        try:
            yield
        finally:
            if not connected:
                ray.shutdown()

    def slots(self) -> int:
        """Return how many items are worked on at once; to be asked while it is ready."""
        return self.workers or max(1, _look(_ray())[1])

    @contextmanager
    def crew(self, function: Callable[[Any], Any], limit_s: Limit) -> Iterator[Crew]:
        """Return the cluster's workers; what is not finished at the end of the block is ended."""
        with self.ready():
            tasks = _Tasks(_ray(), function, self.workers, limit_s)
            try:
                yield tasks
            finally:
                tasks.end()


class _Tasks:
    def __init__(
        self, ray: Any, function: Callable[[Any], Any], workers: int | None, limit_s: Limit
    ) -> None:
        self._ray, self._function = ray, ray.put(function)  # it may hold megabytes, once
        self._workers, self._limit_s = workers, limit_s
        # Ray's own retries would hide their reasons.
        self._remote = ray.remote(num_cpus=1, max_retries=0)(_in_time)
        self._running: dict[Any, tuple[Hashable, float | None, float]] = {}
        self._nodes, self._cores = _look(ray)
        self._looked = time.monotonic()

    def room(self) -> int:
        # One more for each machine, so that no core waits for us between two items.
        return (self._workers or max(1, self._cores + self._nodes)) - len(self._running)

    def give(self, key: Hashable, item: Any) -> None:
        limit_s = limit_of(self._limit_s, item)
        reference = self._remote.remote(self._function, item, limit_s)
        self._running[reference] = key, limit_s, time.monotonic()

    def take(self) -> Sequence[tuple[Hashable, Answer]]:
        ray = self._ray
        ready, _ = ray.wait(list(self._running), num_returns=1, timeout=_POLL)
        if ready:  # then all that are done at once, as there may be thousands
            ready, _ = ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        if time.monotonic() - self._looked > _POLL:
            (self._nodes, self._cores), self._looked = _look(ray), time.monotonic()
        return [self._answer(reference) for reference in ready]

    def watch(self) -> tuple[int, int, int]:
        workers = min(self._workers or self._cores, self._cores)
        return self._nodes, workers, min(len(self._running), workers)

    def end(self) -> None:
        """Cancel what runs."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)

    def _answer(self, reference: Any) -> tuple[Hashable, Answer]:
        key, limit_s, began = self._running.pop(reference)
        exceptions = self._ray.exceptions
        try:
            answer: Answer = self._ray.get(reference)
        except exceptions.RayTaskError as error:
            answer = Died(f"the worker stopped with {error.cause!r}")
        except exceptions.WorkerCrashedError:
            answer = Died("the worker died (was it killed, or its memory full?)")
            if limit_s is not None and time.monotonic() - began >= limit_s:
                answer = Died(f"took longer than {limit_s:g} s and was ended", over_limit=True)
        except exceptions.NodeDiedError:
            answer = Lost("the machine that worked on it was lost")
        except exceptions.RayError as error:
            answer = Died(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")
        return key, answer


def _in_time(function: Callable[[Any], Any], item: Any, limit_s: float | None) -> Answer:
    """Run in a worker. The clock is one of C's, so that no decoder can hold it up."""
    if limit_s is None:
        return _applied(function, item)
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
        try:
            return _applied(function, item)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _applied(function: Callable[[Any], Any], item: Any) -> Answer:
    try:
        return Done(function(item))
    except ClippingError as error:
        return Failed(str(error), again=isinstance(error, StorageError))


def _look(ray: Any) -> tuple[int, int]:
    """Return the machines of the cluster, and their cores."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return len(alive), sum(int(node["Resources"].get("CPU", 0)) for node in alive)


def _ray() -> Any:
    return extra_module("ray")


def _connect(ray: Any, address: str | None, workers: int | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is not None:
            _knock(address)
            ray.init(address=address, **quiet)
            return
        ray.init(
            address="local",
            num_cpus=workers or available_cores(),
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            **quiet,
        )
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        where = f"the Ray cluster at {address}" if address else "a Ray cluster on this machine"
        raise ClippingError(f"{where} cannot be used: {error}") from error


def _knock(address: str) -> None:
    """Check that a server listens at the address: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()

"""The engine for many machines: the same function, as tasks of a Ray cluster.

Tasks and not actors: a task goes to whatever core is free, on machines that join later too, and
the death of a worker or a machine costs the tasks that ran there and nothing else. A worker
process stays for many tasks, so its text engine is loaded once all the same. What a task sends
back is its outcomes; features go from the worker to the output folder.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clipping.errors import ClippingError
from clipping.many.workers import Died, available_cores
from preprocess.batch.dashboard import Crew
from preprocess.batch.engine_local import Run
from preprocess.batch.tasks import Result, Task, make, split_tail

_POLL = 1.0
"""Seconds after which the cluster is looked at again."""
_PATIENCE = 10.0
"""Seconds in which a cluster must answer."""
_OBJECT_STORE_BYTES = 100 << 20
"""Of a cluster that is started here; only outcomes travel through it."""


@contextmanager
def start(
    address: str | None,
    workers: int | None,
    limit_s: float | None,
    watch: Callable[[Crew], None],
) -> Iterator[Run]:
    """An engine on the cluster at ``address`` (None: one that is started here, for now).

    Args:
        workers: tasks at once; None: one for each core of the cluster, as machines come and go.
        limit_s: seconds that a task may take before its worker is ended; None: any time.
        watch: is told about once a second who is at work.

    Raises:
        ClippingError: where Ray is not installed, or the cluster does not answer.
    """
    ray = _ray()
    connected = ray.is_initialized()  # by the script that calls us
    if not connected:
        _connect(ray, address, workers)
    try:
        yield _Engine(ray, workers, watch, limit_s).run
    finally:
        if not connected:
            ray.shutdown()


@dataclass(frozen=True)
class _Engine:
    ray: Any
    workers: int | None
    watch: Callable[[Crew], None]
    limit_s: float | None

    def run(self, tasks: Sequence[Task]) -> Generator[tuple[Task, Result | Died]]:
        """Each task with its result; few are handed to the cluster ahead of its free cores."""
        ray = self.ray
        # Ray's own retries would hide their reasons.
        function = ray.remote(num_cpus=1, max_retries=0)(_make_in_time)
        nodes, cores = self._look()
        waiting = deque(split_tail(tasks, self.workers or cores))
        running: dict[Any, tuple[Task, float]] = {}
        looked = time.monotonic()
        try:
            while waiting or running:
                if time.monotonic() - looked > _POLL:
                    (nodes, cores), looked = self._look(), time.monotonic()
                # One more for each machine, so that no core waits for us between two tasks.
                while waiting and len(running) < (self.workers or max(1, cores + nodes)):
                    task = waiting.popleft()
                    running[function.remote(task, self.limit_s)] = task, time.monotonic()
                workers = min(self.workers or cores, cores)
                self.watch(Crew(nodes, workers, min(len(running), workers)))
                for reference in self._ready(list(running)):
                    task, began = running.pop(reference)
                    yield task, self._result(reference, task, began)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def _ready(self, running: list[Any]) -> list[Any]:
        """What is done, as soon as anything is: then all at once, as there may be thousands."""
        ready, _ = self.ray.wait(running, num_returns=1, timeout=_POLL)
        if ready:
            ready, _ = self.ray.wait(running, num_returns=len(running), timeout=0)
        return list(ready)

    def _look(self) -> tuple[int, int]:
        """Machines of the cluster, and their cores."""
        alive = [node for node in self.ray.nodes() if node["Alive"]]
        return len(alive), sum(int(node["Resources"].get("CPU", 0)) for node in alive)

    def _result(self, reference: Any, task: Task, began: float) -> Result | Died:
        exceptions = self.ray.exceptions
        try:
            result: Result = self.ray.get(reference)
            return result
        except exceptions.RayTaskError as error:
            return Died(f"the worker stopped with {error.cause!r}")
        except exceptions.WorkerCrashedError:
            took = time.monotonic() - began
            if self.limit_s is not None and took >= self.limit_s:
                reason = f"took longer than {self.limit_s:g} s and was ended"
                return Died(reason, over_limit=True)
            return Died("the worker died (was it killed, or its memory full?)")
        except exceptions.NodeDiedError:
            # No fault of the file's: it is tried again, but never set aside for it.
            lost = "the machine that worked on it was lost"
            return Result(unanswered=tuple((side, lost) for side in task.sides))
        except exceptions.RayError as error:
            return Died(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")


def _make_in_time(task: Task, limit_s: float | None) -> Result:
    """What a worker runs. The clock is one of C's, so that no decoder can hold it up."""
    if limit_s is None:
        return make(task)
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=nowhere)
        try:
            return make(task)
        finally:
            faulthandler.cancel_dump_traceback_later()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ClippingError(
            "--engine ray needs Ray, which is not installed: pip install 'avtnet[ray]'"
        ) from error
    return ray


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
    """See that somebody listens there: Ray itself waits for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "://" not in address:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()

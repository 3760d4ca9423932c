"""A crew of processes that survives the loss of any of them.

concurrent.futures breaks the whole pool when one process dies and cannot say over which task.
Here each process has one task at a time and a pipe of its own, so a crash in a decoder or the
out-of-memory killer costs exactly the task that it hit.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_GRACE = 2.0
"""Seconds that a process over its limit has for its ``finally`` blocks."""


@dataclass(frozen=True)
class Died:
    """In place of a result: the process ended over the task, and how."""

    reason: str
    over_limit: bool = False
    """Whether it was ended because the task took too long."""


def available_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    limit_s: float | None = None,
) -> Generator[tuple[Task, Result | Died]]:
    """Each task with its result, in the order in which they finish.

    Args:
        function: of a module's top level, like everything that processes hand over.
        workers: how many processes at once; each lives for many tasks.
        limit_s: seconds of wall time for one task (for a process's first one, its start too);
            a process that takes longer is ended, and counts as dead. None: any time.

    When the iteration ends early (Ctrl-C, an error, ``close()``) all processes are ended at once;
    their ``finally`` blocks still run. An exception in ``function`` ends its process with the
    traceback on stderr, and counts as a death.
    """
    waiting = deque(tasks)
    busy: dict[_Worker, Task] = {}
    done: list[_Worker] = []
    try:
        for _ in range(min(workers, len(waiting))):
            _give_next(waiting, busy, _Worker(function))
        while busy:
            wait([worker.connection for worker in busy], _patience(busy, limit_s))
            for worker in list(busy):
                if worker.connection.poll():
                    result = worker.take()
                elif limit_s is not None and worker.seconds > limit_s:
                    result = worker.stop(limit_s)
                else:
                    continue
                task = busy.pop(worker)
                if isinstance(result, Died):
                    worker.end()
                    if waiting:
                        _give_next(waiting, busy, _Worker(function))
                elif waiting:
                    _give_next(waiting, busy, worker)
                else:
                    done.append(worker)
                yield task, result
    finally:
        everybody = [*done, *busy]
        for worker in everybody:
            worker.process.terminate()
        for worker in everybody:
            worker.end()


def _give_next(waiting: deque[Task], busy: dict[_Worker, Task], worker: _Worker) -> None:
    busy[worker] = waiting.popleft()
    worker.give(busy[worker])


def _patience(busy: Iterable[_Worker], limit_s: float | None) -> float | None:
    """Seconds until the first of them is over its limit; None where there is none."""
    if limit_s is None:
        return None
    # A little more than needed, so that it is over by then and not once again almost.
    return max(0.0, limit_s - max(worker.seconds for worker in busy)) + 0.01


class _Worker:
    """A process that waits at a pipe for tasks."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        # Spawned, not forked: decoders and onnxruntime have threads, which a fork breaks.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        with _interrupts_held():
            self.process.start()
        theirs.close()

    def give(self, task: Any) -> None:
        self._given = time.monotonic()
        with suppress(ConnectionError):  # it is dead already, and take() says so
            self.connection.send(task)

    def take(self) -> Any:
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            return Died(_reason(self.process.exitcode))

    @property
    def seconds(self) -> float:
        """How long it has had its task."""
        return time.monotonic() - self._given

    def stop(self, limit_s: float) -> Died:
        """End it over a task that takes too long; a decoder's C code hears nothing but a kill."""
        self.process.terminate()
        self.process.join(timeout=_GRACE)
        self.process.kill()
        self.process.join()
        return Died(f"took longer than {limit_s:g} s and was ended", over_limit=True)

    def end(self) -> None:
        self.connection.close()
        self.process.join(timeout=5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


def _serve(connection: Connection, function: Callable[[Any], Any]) -> None:
    """What a process does: tasks, until the pipe is closed or it is told to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and decides
    signal.signal(signal.SIGTERM, _leave)
    while True:
        try:
            task = connection.recv()
        except (EOFError, ConnectionResetError):  # the parent ended, or was killed
            return
        result = function(task)
        try:
            connection.send(result)
        except ConnectionError:  # the parent was killed: nobody waits for more
            return


def _leave(number: int, frame: FrameType | None) -> None:
    """End by an exception, so that files half written are removed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(0)


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        memory = "; was the memory full?" if -code == signal.SIGKILL else ""
        return f"the process was ended by {name}{memory}"
    return f"the process stopped with exit code {code}; its error stands above"


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C from a process that is being born; the parent gets it afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

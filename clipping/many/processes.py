"""The engine of this machine: processes that may die, or this process alone.

concurrent.futures breaks the whole pool when one process dies and cannot say over which item.
Here each process has one item at a time and pipes of its own, so a crash in a decoder or the
out-of-memory killer costs exactly the item that it hit. A thread of this process serves each of
them: a worker has its next item at once, whatever the caller is doing.

An item's way: the caller gives it into one queue; the thread of a free worker takes it, writes it
to the worker's stdin, and blocks until the answer, or the end of the stream, comes out of its
stdout. The end of the stream is how a death is noticed: the item gets the answer ``Died``, and the
thread starts another worker for its next item.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import site
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipping.errors import ClippingError, ConfigError, StorageError
from clipping.many.outcomes import (
    Answer,
    Crew,
    Died,
    Done,
    Failed,
    Limit,
    available_cores,
    limit_of,
)
from clipping.many.worker import (
    CANNOT_LOAD,
    GRACE_S,
    TERMINATED,
    loads,
    read_message,
    write_message,
)

_AHEAD = 4
"""Items that wait for each worker while the caller is busy with an outcome."""
_PATIENCE_S = 10.0
"""Seconds that a process has to end by itself."""


@dataclass(frozen=True)
class Local:
    """Work in processes of this machine; with ``workers=0`` in this process."""

    workers: int | None = None
    """Processes at once; None takes one a core."""

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise ConfigError(f"workers must be 0 or more, got {self.workers}")

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Do nothing: this machine is there."""
        yield

    def slots(self) -> int:
        """Return the number of processes."""
        return available_cores() if self.workers is None else self.workers

    @contextmanager
    def crew(self, function: Callable[[Any], Any], limit_s: Limit) -> Iterator[Crew]:
        """Return workers, which start as items come; all end with the block, busy ones too.

        Raises:
            ClippingError: where the function is one of a script, which no process can import.
        """
        if not self.slots():
            yield _Alone(function)
            return
        processes = _Processes(function, self.slots(), limit_s)
        try:
            yield processes
        finally:
            processes.end()


class _Alone:
    """This process: an item is worked on when its answer is asked for."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._given: deque[tuple[Hashable, Any]] = deque()

    def room(self) -> int:
        return 1 - len(self._given)

    def give(self, key: Hashable, item: Any) -> None:
        self._given.append((key, item))

    def take(self) -> Sequence[tuple[Hashable, Answer]]:
        key, item = self._given.popleft()
        answer: Answer
        try:
            answer = Done(self._function(item))
        except ClippingError as error:
            answer = Failed(str(error), again=isinstance(error, StorageError))
        return [(key, answer)]

    def watch(self) -> tuple[int, int, int]:
        return 1, 1, len(self._given)


_Given = tuple[Hashable, Any]
_STOP = None


class _Processes:
    def __init__(self, function: Callable[[Any], Any], count: int, limit_s: Limit) -> None:
        self._hello = _hello(function)
        self._count, self._limit_s = count, limit_s
        self._waiting: queue.SimpleQueue[_Given | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Hashable, Answer | BaseException]] = (
            queue.SimpleQueue()
        )
        self._out = 0
        self._servers: list[_Server] = []

    def room(self) -> int:
        return self._count * (1 + _AHEAD) - self._out

    def give(self, key: Hashable, item: Any) -> None:
        self._out += 1
        if len(self._servers) < min(self._count, self._out):
            server = _Server(self._hello, self._waiting, self._answers, self._limit_s)
            self._servers.append(server)
            server.start()
        self._waiting.put((key, item))

    def take(self) -> Sequence[tuple[Hashable, Answer]]:
        key, answer = self._answers.get()
        self._out -= 1
        if isinstance(answer, BaseException):
            raise answer
        return [(key, answer)]

    def watch(self) -> tuple[int, int, int]:
        return 1, self._count, min(self._out, self._count)

    def end(self) -> None:
        """End all processes at once; their ``finally`` blocks still run."""
        for server in self._servers:
            server.ending = True
            server.terminate()
            self._waiting.put(_STOP)
        deadline = time.monotonic() + _PATIENCE_S
        for server in self._servers:
            server.join(timeout=max(0.0, deadline - time.monotonic()))
            if server.is_alive():  # C code that hears nothing
                server.kill()
                server.join()


class _Server(threading.Thread):
    """Serves one process with items, and starts another one when it dies."""

    def __init__(
        self,
        hello: Sequence[bytes],
        waiting: queue.SimpleQueue[_Given | None],
        answers: queue.SimpleQueue[tuple[Hashable, Answer | BaseException]],
        limit_s: Limit,
    ) -> None:
        super().__init__(name="clipping.many", daemon=True)
        self._hello, self._waiting, self._answers = hello, waiting, answers
        self._limit_s = limit_s
        self._worker: _Worker | None = None
        self.ending = False

    def run(self) -> None:
        # Ctrl-C is the main thread's matter; a process that is born here inherits that.
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while (given := self._waiting.get()) is not _STOP and not self.ending:
                key, item = given
                try:
                    answer: Answer | BaseException = self._asked(item)
                except BaseException as error:  # told to the caller, who is in another thread
                    answer = error
                self._answers.put((key, answer))
        finally:
            if self._worker is not None:
                self._worker.end()

    def terminate(self) -> None:
        """Tell the process to end, from another thread."""
        if self._worker is not None:
            self._worker.terminate()

    def kill(self) -> None:
        """End the process whatever it does, from another thread."""
        if self._worker is not None:
            self._worker.kill()

    def _asked(self, item: Any) -> Answer:
        began = time.monotonic()
        if self._worker is None:
            self._worker = _Worker(self._hello)
            if self.ending:  # nobody has told this one
                self._worker.terminate()
        limit_s = limit_of(self._limit_s, item)
        answer = self._worker.ask(item, limit_s, began)
        if isinstance(answer, Died):
            self._worker.end()
            self._worker = None
        return answer


class _Worker:
    """A process of :mod:`clipping.many.worker`, and the pipes to it."""

    def __init__(self, hello: Sequence[bytes]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clipping.many.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
        )
        self._asked = 0
        self._over_limit = False
        self._lock = threading.Lock()
        for message in hello:
            self._send(message)

    def ask(self, item: Any, limit_s: float | None, began: float) -> Answer:
        """Hand an item over and wait for its answer, at most until ``limit_s`` behind ``began``."""
        data = pickle.dumps(item, protocol=5)
        timer = None
        self._asked += 1
        if limit_s is not None:
            left = max(0.0, limit_s - (time.monotonic() - began))
            timer = threading.Timer(left, self._stop, (self._asked,))
            timer.daemon = True
            timer.start()
        try:
            self._send(data)
            assert self._process.stdout is not None
            message = read_message(self._process.stdout)
        finally:
            if timer is not None:
                timer.cancel()
        # The timer may go off while the answer is being read. Under the lock one of the two wins:
        # either the number moves on first, and the timer sees that its item is done; or the timer
        # has ended the process, and the answer, if there was one, no longer counts.
        with self._lock:
            self._asked += 1
            over_limit = self._over_limit
        if over_limit:
            return Died(f"took longer than {limit_s:g} s and was ended", over_limit=True)
        if message is None:
            return Died(_reason(self._process.wait()))
        answer: Answer = loads(message, None)
        return answer

    def terminate(self) -> None:
        with suppress(OSError):
            self._process.terminate()

    def kill(self) -> None:
        with suppress(OSError):
            self._process.kill()

    def end(self) -> None:
        """Close the pipes and see that the process is gone."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # it is dead, and what was written last with it
                    pipe.close()
        try:
            self._process.wait(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it is dead already, and reading says so
            write_message(self._process.stdin, data)

    def _stop(self, asked: int) -> None:
        """End the process over an item that takes too long; a decoder's C code needs a kill."""
        with self._lock:
            if asked != self._asked:  # it has just finished that one
                return
            self._over_limit = True
            self._process.terminate()
            try:
                self._process.wait(timeout=GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()


def _hello(function: Callable[[Any], Any]) -> list[bytes]:
    """Return the first messages to a worker.

    Raises:
        ClippingError: where the function cannot be imported by another process.
    """
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    main_module = None if spec is None else spec.name
    of = getattr(function, "func", function)  # of a functools.partial
    if getattr(of, "__module__", None) == "__main__" and main_module is None:
        raise ClippingError(
            f"{getattr(of, '__name__', of)} is defined in the script that was started, which "
            "other processes cannot import: define it in a module of its own"
        )
    try:
        pickled = pickle.dumps(function, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ClippingError(f"a function must stand at a module's top level: {error}") from error
    return [pickle.dumps((sys.path, main_module), protocol=5), pickled]


def _environment() -> dict[str, str]:
    """Return an environment in which ``-m clipping.many.worker`` is this very package."""
    root = str(Path(__file__).resolve().parents[2])
    installed = [*site.getsitepackages(), site.getusersitepackages()]
    if root in installed:
        return dict(os.environ)
    others = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, others)))}


def _reason(code: int) -> str:
    if code == TERMINATED:
        code = -signal.SIGTERM
    if code < 0:
        name = signal.Signals(-code).name
        memory = "; was the memory full?" if -code == signal.SIGKILL else ""
        return f"the process was ended by {name}{memory}"
    if code == CANNOT_LOAD:
        return "the process could not load the function; its error stands above"
    return f"the process stopped with exit code {code}; its error stands above"

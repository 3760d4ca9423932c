"""``python -m clipping.many.worker``: a process that applies a function to items from its stdin.

Started as a module, it imports nothing of the program that started it but the function, so a
script needs no ``if __name__ == "__main__":``. Messages are pickles behind their length in eight
bytes; both ends are processes of one program. First comes ``(sys.path, name of the program's main
module or None)``, then the function, then items; an answer goes back for each item.
"""

from __future__ import annotations

import io
import os
import pickle
import queue
import signal
import sys
import threading
import time
from types import FrameType
from typing import IO, Any, BinaryIO

from clipping.errors import ClippingError, StorageError
from clipping.many.outcomes import Answer, Done, Failed

HEAD_BYTES = 8
GRACE_S = 2.0
"""Seconds that a process has for its ``finally`` blocks once it shall end."""
CANNOT_LOAD = 3
"""Exit code where the function cannot be imported; the reason stands on stderr."""
TERMINATED = 128 + signal.SIGTERM
"""Exit code after SIGTERM, as a shell says it."""


def write_message(stream: IO[bytes], data: bytes) -> None:
    """Write a message and flush it."""
    stream.write(len(data).to_bytes(HEAD_BYTES, "big"))
    stream.write(data)
    stream.flush()


def read_message(stream: IO[bytes]) -> bytes | None:
    """Return the next message; None where the other end is gone, in the middle of one too."""
    head = stream.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        return None
    size = int.from_bytes(head, "big")
    data = stream.read(size)
    return data if len(data) == size else None


def loads(data: bytes, main_module: str | None) -> Any:
    """Return the value of a pickle in which ``__main__`` is the module that was run by ``-m``."""
    return _Unpickler(io.BytesIO(data), main_module).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, main_module: str | None) -> None:
        super().__init__(stream)
        self._main_module = main_module

    def find_class(self, module: str, name: str) -> Any:
        if module == "__main__" and self._main_module is not None:
            module = self._main_module
        return super().find_class(module, name)


def main() -> int:
    """Work until stdin is closed. An exception that is no ClippingError ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and decides
    signal.signal(signal.SIGTERM, _leave)
    items, answers = _take_over_streams()
    messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    at_work = threading.Event()
    threading.Thread(target=_listen, args=(items, messages, at_work), daemon=True).start()
    first, second = messages.get(), messages.get()
    if first is None or second is None:
        return 0
    paths, main_module = pickle.loads(first)
    sys.path[:] = paths
    try:
        function = loads(second, main_module)
    except (ImportError, AttributeError) as error:
        print(f"a worker cannot load the function: {error}", file=sys.stderr)
        return CANNOT_LOAD
    while (message := messages.get()) is not None:
        at_work.set()
        answer: Answer
        try:
            answer = Done(function(loads(message, main_module)))
        except ClippingError as error:
            answer = Failed(str(error), again=isinstance(error, StorageError))
        data = pickle.dumps(answer, protocol=5)
        at_work.clear()
        try:
            write_message(answers, data)
        except OSError:  # the parent was killed: nobody waits for more
            return 0
    return 0


def _take_over_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return stdin and stdout; what else reads or prints here gets nothing, and stderr."""
    items, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(items, "rb"), os.fdopen(answers, "wb")


def _listen(
    items: BinaryIO, messages: queue.SimpleQueue[bytes | None], at_work: threading.Event
) -> None:
    """Take messages in while the main thread works, so that a parent's death is noticed then."""
    while True:
        message = read_message(items)
        messages.put(message)
        if message is None:
            break
    if at_work.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os._exit(1)  # C code that hears nothing


def _leave(number: int, frame: FrameType | None) -> None:
    """End by an exception, so that files half written are removed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())

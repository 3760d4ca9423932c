"""Ctrl-C and SIGTERM as an event, so that a loop ends between two steps."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

GRACE_SECONDS = 1.0
"""A second signal within this time is the same one, passed on by whoever started the process."""


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets.

    A second signal, GRACE_SECONDS after the first or later, raises KeyboardInterrupt at once. In a
    thread, where signals cannot be had, the event is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    first = 0.0

    def handle(number: int, frame: object) -> None:
        nonlocal first
        if stop.is_set() and time.monotonic() - first > GRACE_SECONDS:
            raise KeyboardInterrupt
        if not stop.is_set():
            first = time.monotonic()
            stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

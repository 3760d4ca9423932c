"""What holds for every test: no quiet errors in the log. Nothing heavy is imported here."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

# Before anything imports torch: the tests run side by side, each process on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def no_error_is_only_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A log record of level ERROR fails the test, whatever else it asserts."""
    yield
    errors = [
        record.getMessage()
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.levelno >= logging.ERROR
    ]
    assert not errors, f"logged as errors: {errors}"

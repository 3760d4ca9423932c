"""What holds for every test: no quiet errors in the log. Nothing heavy is imported here.

With AVTNET_PLAIN=1 the tests run as a plain install has it, without any extra: those of NEEDS are
left out. It is an error to say so where torch is installed, and not to say so where it is not:
no test is left out by accident.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator

import pytest

# Before anything imports torch: the tests run side by side, each process on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

PLAIN = os.environ.get("AVTNET_PLAIN") == "1"
NEEDS = {
    # Networks that are trained, tuned, or read from a checkpoint.
    "train": """
        avtnet/classic avtnet/tuning clipping/learning
        avtnet/dense/test_dense.py avtnet/dense/test_dense_many.py avtnet/dense/test_dense_train.py
        avtnet/synthesis/test_composing.py avtnet/synthesis/test_splice.py
        avtnet/synthesis/test_treatment.py
        avtnet/test_cuda.py avtnet/test_evidence.py avtnet/test_export.py avtnet/test_locate.py
        avtnet/test_look_whole.py avtnet/test_original.py avtnet/test_recipe.py
        avtnet/test_runs_before.py avtnet/test_tasks.py
        clipping/judging/test_report.py preprocess/text/test_text_network.py
        test_permissions.py test_plugins.py""",
    # ffmpeg as an oracle; reels, previews.
    "video": """
        clipping/chapters clipping/cutting clipping/media/test_nal.py
        clipping/media/test_decode_needed.py clipping/media/test_one_pass.py""",
    "storage": "clipping/test_storage.py preprocess/test_shards.py",
    "ray": "clipping/many preprocess/test_ray.py",
    # ruff, mypy, build; whole copies of the repository; all commands of the README.
    "dev": "test_docs.py test_style.py test_package.py test_readme.py",
}
"""Extra → the folders and files of tests that need it."""

if importlib.util.find_spec("torch") is None and not PLAIN:
    raise pytest.UsageError(
        "torch is not installed: pip install -e '.[dev]', or AVTNET_PLAIN=1 for the tests without"
    )
if importlib.util.find_spec("torch") is not None and PLAIN:
    raise pytest.UsageError("AVTNET_PLAIN=1, but torch is installed: take another environment")
if PLAIN:
    collect_ignore = [path for paths in NEEDS.values() for path in paths.split()]


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

"""Rules for every test: no error is only logged. Nothing heavy is imported here.

With AVTNET_PLAIN=1 the tests run as a plain install has it, without any extra: those of NEEDS are
left out, and those that ask by pytest.importorskip. It is an error to say so where torch is
installed, and not to say so where an extra is not: no test is left out by accident.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from clipping.extra import EXTRAS, has_extra

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
        avtnet/test_composed_train.py avtnet/test_cuda.py avtnet/test_evidence.py
        avtnet/test_export.py avtnet/test_locate.py
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
    "librosa": "preprocess/test_mfcc.py",
    # ruff, mypy, build; the repository's texts; all commands of README and docs.
    "dev": """
        test_count_code.py test_docs.py test_package.py test_readme.py test_shape.py
        test_style.py""",
}
"""Extra → the folders and files of tests that need it."""

if not PLAIN and (missing := [name for name in EXTRAS if not has_extra(name)]):
    raise pytest.UsageError(
        f"{', '.join(missing)} not installed: pip install -e '.[dev]', or AVTNET_PLAIN=1 for the "
        "tests that need no extra"
    )
if PLAIN and has_extra("torch"):
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

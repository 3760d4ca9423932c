"""Formatting, lint and types: with these, plain pytest is the whole check."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "command", ["ruff format --check .", "ruff check --output-format=concise .", "mypy"]
)
def test_the_code_is_clean(command):
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("script", sorted(ROOT.glob("benchmarks/*.py")), ids=lambda path: path.name)
def test_each_benchmark_starts(script):
    """One of them is called preprocess: the others must find the package all the same."""
    if "ArgumentParser" not in script.read_text(encoding="utf-8"):
        pytest.skip("is a part of others")
    done = subprocess.run(
        [sys.executable, script, "--help"], cwd=script.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {script.name}")

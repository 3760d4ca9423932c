# `make check` is what .ci/run does after installing; PYTHON names another interpreter.
PYTHON ?= python

.PHONY: help check test slow format build

help:  ## this list
	@sed -n 's/^\([a-z]*\):  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

check:  ## what CI checks first: tests, ruff, mypy, import arrows, README commands
	$(PYTHON) -m pytest

test:  ## the tests without ruff and mypy
	$(PYTHON) -m pytest --ignore tests/test_style.py

slow:  ## the tests that take minutes or large downloads
	$(PYTHON) -m pytest -m slow

format:  ## ruff format, and the fixes ruff can make
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

build:  ## the wheel and the source distribution, in dist/
	$(PYTHON) -m build

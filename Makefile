# Two commands do all set-up from a fresh clone: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
BIN := .venv/bin
export SKIP_JUPYTER_BUILDER := 1  # nothing here needs Node
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check format bench clean

demo: .venv/demo  ## a small competition, start to end, graded afterwards
	$(BIN)/cobra demo

test: .venv/test check  ## style, types and all tests
	$(BIN)/pytest

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/demo  ## speed and memory, a JSON line each
	$(BIN)/python -m benchmarks.trial_overhead
	$(BIN)/python -m benchmarks.loop_overhead
	$(BIN)/python -m benchmarks.parallel

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e .
	touch $@

.venv/test: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e '.[dev]'
	touch $@ .venv/demo

clean:
	rm -rf .venv build dist runs demo .mypy_cache .ruff_cache .pytest_cache

# Two commands do all set-up from a fresh clone: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
BIN := .venv/bin
# of the tests alone; a plain `torch` may bring gigabytes for GPUs
TORCH ?= torch==2.13.0
export SKIP_JUPYTER_BUILDER := 1  # the front end is built by its own target
JLPM := PATH=$(CURDIR)/$(BIN):$$PATH jlpm
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Python compiles what is imported; to compile the rest of torch would take a minute
export PIP_NO_COMPILE := 1
TIER := not full
# not with tests/lab: it would close their event loop
SERVER := -p pytest_jupyter.jupyter_server
FAST := tests/competition tests/records tests/notebook tests/workbench/display tests/workbench/scoring

.PHONY: demo lab test test-fast test-full test-py test-lab test-jest test-container coverage check format bench bench-lab clean

demo: .venv/demo  ## a small competition, start to end, graded afterwards
	$(BIN)/cobra demo

lab: .venv/lab  ## JupyterLab with the extension built and small competitions ready; needs Node
	@test -d demo || $(BIN)/python -c 'from cobra_jupyter.cli import demo; demo.write("demo")'
	$(BIN)/jupyter lab --ServerApp.root_dir=$(CURDIR)/demo $(if $(filter 0,$(shell id -u)),--allow-root)

test: test-py test-lab  ## what CI runs: style, types, all tests but those of the full tier

test-fast: .venv/test check  ## the inner loop: style, types, and the folders of tests that take a minute
	$(BIN)/pytest $(FAST)

test-full: TIER := full or not full
test-full: check coverage test-lab  ## before a release: every kill, every phase, real everything, the long soak

test-py: .venv/test check  ## style, types and the tests that need no browser
	$(BIN)/pytest $(SERVER) --ignore=tests/lab -m '$(TIER)'

coverage: .venv/test  ## the same tests, with the share of the package's lines that they run
	$(BIN)/pytest $(SERVER) --ignore=tests/lab -m '$(TIER)' --cov --cov-report=

test-lab: .venv/test .venv/lab .venv/chromium .venv/collaboration test-jest  ## the front end: jest, and real JupyterLab in real Chromium
	$(BIN)/pytest tests/lab -m '$(TIER)' --dist loadfile  # what a file needs beside the usual server starts once

test-jest: labextension/node_modules  ## the front end's style, types and tests
	cd labextension && $(JLPM) lint:check && $(JLPM) types:check && $(JLPM) test

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache  # layers, and no circles: [tool.importlinter] in pyproject.toml

test-container: .venv-container/test  ## the kernel's side, on the versions of MLE-bench's container
	.venv-container/bin/pytest tests/workbench tests/brains/playbook tests/competition

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/demo  ## speed and memory: kept in benchmarks/results.json, with what became worse
	$(BIN)/python -m benchmarks.record bench

bench-lab: .venv/test .venv/lab .venv/chromium  ## the same, of the live notebook in real Chromium
	$(BIN)/python -m benchmarks.record bench-lab

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --upgrade pip  # an old resolver takes half as long again

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q -e .
	touch $@

.venv/test: .venv/bin/python pyproject.toml
	$(BIN)/pip install -q $(TORCH)
	$(BIN)/pip install -q -e '.[dev,deep]'
	touch $@ .venv/demo

# the front end; rebuilt when something of it changed
.venv/lab: .venv/demo labextension/node_modules $(shell find labextension/src labextension/style labextension/schema -type f)
	cd labextension && $(JLPM) build:lib && $(JLPM) build:labextension
	mkdir -p .venv/share/jupyter/labextensions
	rm -rf .venv/share/jupyter/labextensions/cobra-jupyter
	ln -s $(CURDIR)/cobra_jupyter/labextension .venv/share/jupyter/labextensions/cobra-jupyter
	touch $@

# Debian's package where that can be installed, else Playwright's own; CHROMIUM names another
.venv/chromium: .venv/test
	@if [ -n "$$CHROMIUM" ] || command -v chromium chromium-browser > /dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; \
	else $(BIN)/playwright install chromium; fi || \
	{ echo 'No browser could be set up. Install Chromium, or say where yours is: CHROMIUM=/path/to/chrome make test-lab'; exit 1; }
	touch $@

# apart, so that only those servers have it that a test gives it to
.venv/collaboration: .venv/test tests/lab/collaboration.txt
	rm -rf $@
	$(BIN)/pip install -q --no-deps --target $@ -r tests/lab/collaboration.txt
	touch $@

labextension/node_modules: .venv/builder labextension/package.json labextension/yarn.lock
	cd labextension && $(JLPM) install --immutable
	touch $@

.venv/builder: .venv/bin/python
	@command -v node >/dev/null || { echo 'The front end needs Node 20 or newer: https://nodejs.org'; exit 1; }
	$(BIN)/pip install -q 'jupyter-builder>=1.2,<2'
	touch $@

.venv-container/test: tests/container.txt pyproject.toml
	python3.11 -m venv .venv-container
	.venv-container/bin/pip install -q -r tests/container.txt
	.venv-container/bin/pip install -q --no-deps -e .
	touch $@

clean:
	rm -rf .venv .venv-container build dist runs demo labextension/node_modules labextension/lib cobra_jupyter/labextension .mypy_cache .ruff_cache .pytest_cache

# Each target sets up what it needs by itself: Python 3.11+, pip and make are enough to start.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CASE ?= demo-case

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types tests browser peers bench bench-quick lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.runtime ## Run the demo incident from logs to report and say where the report is
	$(BIN)/breachscope demo --case $(CASE)

test: check ## Everything that must hold: lint, types, tests

check: lint types tests ## The same, target by target

lint: $(VENV)/.dev ## Ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

tests: $(VENV)/.dev browser ## pytest, with a real browser and a real PostgreSQL
	$(BIN)/pytest -n auto

browser: ## Install Chromium from the distribution where there is none and we may
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-ipafont-gothic >/dev/null; \
	  else echo "no Chromium found: the browser tests will be skipped; install it to run them" >&2; fi

peers: $(VENV)/.dev ## Install what the benchmark compares with: chdb, and GoAccess and lnav from the distribution where we may
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-bench.lock || echo "no chdb: the benchmark leaves it out" >&2
	@if command -v goaccess >/dev/null && command -v lnav >/dev/null; then :; \
	  elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends goaccess lnav >/dev/null; \
	  else echo "no GoAccess or no lnav: the benchmark leaves it out" >&2; fi

bench: $(VENV)/.dev peers ## Measure speed, memory and accuracy; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.run

bench-quick: $(VENV)/.dev peers ## The same on small inputs, in three minutes
	$(BIN)/python -m benchmarks.run --quick

lock: ## Resolve the lock files anew (needs uv)
	uv pip compile pyproject.toml --extra build --universal --generate-hashes --python-version 3.11 --no-header -q -o requirements.lock
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 --no-header -q -o requirements-dev.lock
	uv pip compile pyproject.toml --extra bench -c requirements-dev.lock --universal --generate-hashes --python-version 3.11 --no-header -q -o requirements-bench.lock

$(VENV)/.made:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "breachscope needs Python 3.11 or newer; give one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.lock pyproject.toml hatch_build.py src/breachscope/ingest/native.c
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src # as pip does with all but what it only links to
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

clean: ## Remove the environment and work files
	rm -rf $(VENV) .bench demo-case .mypy_cache .ruff_cache .pytest_cache .hypothesis

# One command each. All set-up happens by itself in .venv, from nothing but Python 3.11+, pip and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST_ARGS ?=
PEERS ?=

# Some machines forbid it: then each of the processes that tests start would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

SHELL := /bin/sh
.SUFFIXES:
.DEFAULT_GOAL := help
.PHONY: help demo test test-all sql-all nexmark-all fuzz-sql chaos-long faults-long sim-long check bench peers setup clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## see it work, in about a minute
	@$(BIN)/thalweg demo

test: $(READY)  ## run every test (PYTEST_ARGS='-k name' to choose)
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(PYTEST_ARGS)

test-all: $(READY)  ## run every case of every test (about two hours)
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal --complete $(PYTEST_ARGS)

sql-all: $(READY)  ## run the golden SQL cases in every way, not only in all pairs of ways
	@$(BIN)/python -m tests.sql.slt --ways all

nexmark-all: $(READY)  ## run every Nexmark query in every way; goes on where it stopped
	@$(BIN)/python -m tests.suites.nexmark_all

fuzz-sql: $(READY)  ## check 20 000 random plans in both modes and with DuckDB; goes on where it stopped
	@$(BIN)/python -m tests.suites.fuzz_sql

chaos-long: $(READY)  ## kill jobs a thousand times and look for lost rows; goes on where it stopped
	@$(BIN)/python -m tests.suites.chaos_long

faults-long: $(READY)  ## stop, overtake and wake jobs, fill and cut off their disks; goes on where it stopped
	@$(BIN)/python -m tests.suites.faults_long

sim-long: $(READY)  ## simulate 20 000 seeds, and every safeguard switched off; goes on where it stopped
	@$(BIN)/python -m tests.suites.sim_long

check: $(READY)  ## format, lint, types, layers, tidiness; changes nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/tidy

bench: $(READY)  ## run every benchmark and keep the results
	@$(BIN)/thalweg bench --all --store benchmarks/results

peers: $(READY)  ## compare with Flink, Spark and others, installed for it (docs/peers.md)
	@$(BIN)/python -m benchmarks.peers $(PEERS)

setup: $(READY)  ## only create .venv and install into it

clean:  ## remove caches and build products (delete .venv by hand to start over)
	@rm -rf build dist out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis src/*.egg-info
	@rm -f $(READY)
	@find src tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

# The stamp is newer than what it was made from, so set-up runs once, and again when a version changes.
$(READY): pyproject.toml requirements.lock | $(BIN)/python
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: $(VENV) was made by a Python older than 3.11; remove it and try again" >&2; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --default-pip >/dev/null || { \
		echo "make: $(VENV) has no pip; remove it and try again" >&2; exit 1; }
	@echo "installing into $(VENV) (once; a few hundred megabytes) ..."
	@$(PIP) install --quiet -r requirements.lock
	@$(PIP) install --quiet --no-deps -e .
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "make: no \"$(PYTHON)\" here; name a Python 3.11 or newer: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "make: Python 3.11 or newer is needed, \"$(PYTHON)\" is $$($(PYTHON) --version 2>&1);" \
			"choose another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "make: \"$(PYTHON)\" cannot create virtual environments: its venv or ensurepip module is missing" \
			"(on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

# zenmesh: every target sets up what it needs (venv, locked dependencies). `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
JOBS ?= 2
FAST := $(wildcard tests/unit tests/laws tests/golden tests/code)
CORE := $(wildcard $(addprefix tests/unit/,wire crdt crdt_types sync consensus) tests/laws tests/golden)
MUTANTS := $(VENV)/mutants
SEED ?= 1
SAMPLE ?= 150
MINUTES ?= 45

.PHONY: help run test check bench soak mutants clean

help:
	@echo "make run      the main job on this machine: three swarms find each other, share state, survive a crash"
	@echo "make test     lint, types, import contract and every test, with sampled seeds (under 15 minutes on 2 cores)"
	@echo "make check    lint, types, import contract, and the fast tests: those of wire/, crdt/ and consensus/ take every branch there (under 2 minutes)"
	@echo "make bench    every performance claim, as ratios against baselines of the same run"
	@echo "make soak     the tests with their full counts"
	@echo "make mutants  small changes to crdt/ and the machines that replicate it: which of them does no test notice?"
	@echo "make clean    removes what the other targets made"

$(READY): requirements-dev.lock pyproject.toml packaging/fastecdsa-shim/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation ./packaging/fastecdsa-shim
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(READY)
	$(BIN)/zenmesh demo

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n $(JOBS) $(CORE)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=100
	$(BIN)/pytest -q -n $(JOBS) $(filter-out $(CORE),$(FAST)) $(addprefix --ignore=,$(CORE))

test: check
	$(BIN)/pytest -q -n $(JOBS) --dist loadgroup tests $(addprefix --ignore=,$(FAST))

bench: $(READY)
	$(BIN)/python -m benchmarks

soak: $(READY)
	ZENMESH_SOAK=1 $(BIN)/pytest -q -n $(JOBS) --dist loadgroup tests

$(MUTANTS)/.ready: Makefile
	$(PYTHON) -m venv $(MUTANTS)
	$(MUTANTS)/bin/python -m pip install --quiet --disable-pip-version-check cosmic-ray==8.7.0
	@touch $@

mutants: $(READY) $(MUTANTS)/.ready
	$(MUTANTS)/bin/python -m tests.support.mutants --python $(abspath $(BIN))/python --seed $(SEED) --count $(SAMPLE) --minutes $(MINUTES)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# `make study` runs the first study; `make test` lints, checks types and tests. Both make the environment they need.

PYTHON ?= python3
VENV ?= .venv
WORKDIR ?= work/near_identical_filters
BIN := $(VENV)/bin

.PHONY: study smoke test test-all bench clean

study: $(VENV)/study
	$(BIN)/python -m symmetry_jax run --config=configs/near_identical_filters.py --workdir=$(WORKDIR)

smoke: $(VENV)/study
	rm -rf $(WORKDIR)_smoke
	$(BIN)/python -m symmetry_jax run --config=configs/near_identical_filters.py:smoke --workdir=$(WORKDIR)_smoke

test: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

test-all: $(VENV)/test
	$(BIN)/pytest -n 2 -m "slow or not slow"

bench: $(VENV)/bench
	$(BIN)/python -m benchmarks.throughput

clean:
	rm -rf $(VENV) work .mypy_cache .pytest_cache .ruff_cache .hypothesis

# One file in the environment for each set of requirements that is installed.
$(VENV)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/study: $(VENV)/python requirements.txt
	$(BIN)/pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/test: $(VENV)/study tests/requirements.txt
	$(BIN)/pip install --quiet --requirement tests/requirements.txt
	touch $@

$(VENV)/bench: $(VENV)/study benchmarks/requirements.txt
	$(BIN)/pip install --quiet --requirement benchmarks/requirements.txt
	touch $@

# `make study` runs the first study; `make test` lints, checks types and tests. Both make the environment they need.

PYTHON ?= python3
VENV ?= .venv
WORKDIR ?= work/near_identical_filters
BIN := $(VENV)/bin

.PHONY: study smoke test test-slow test-oldest bench chaos damage devices waves clean

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

test-slow: $(VENV)/test
	$(BIN)/pytest -n 2 -m slow

# the suite again, with the oldest versions that are supported
test-oldest: $(VENV)_oldest/test
	$(VENV)_oldest/bin/pytest -n 2

bench: $(VENV)/bench
	$(BIN)/python -m benchmarks.throughput

# what a study survives; each writes its record into trials/results
chaos damage devices waves: $(VENV)/study
	$(BIN)/python -m trials.$@

clean:
	rm -rf $(VENV) $(VENV)_oldest work .mypy_cache .pytest_cache .ruff_cache .hypothesis

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

$(VENV)_oldest/test: requirements.txt tests/requirements.txt tests/oldest.txt
	$(PYTHON) -m venv $(VENV)_oldest
	$(VENV)_oldest/bin/pip install --quiet --requirement requirements.txt --requirement tests/requirements.txt --constraint tests/oldest.txt
	touch $@

$(VENV)/bench: $(VENV)/study benchmarks/requirements.txt
	$(BIN)/pip install --quiet --requirement benchmarks/requirements.txt
	touch $@

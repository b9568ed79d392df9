# Every target first creates or updates the environment in .venv; a second run finds it ready in seconds.
# `make help` lists the targets.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help environment lab test lint notebooks book clean _style _types _lessons

BIN := .venv/bin
# Options of JupyterLab, for example LAB_ARGS="--no-browser --port=9000" on a server.
LAB_ARGS ?=
# Tests and lessons run in this many processes, each with one thread: as fast, and the same bits every time.
WORKERS ?= 2
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
# Options of pytest, for example TEST_ARGS="tests/physics -x".
TEST_ARGS ?=

help: ## List the targets and their options.
	@echo "Targets (each creates the environment in .venv when it is not there yet):"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-20s %s\n", $$1, $$2}'
	@echo "Options: LAB_ARGS=\"--no-browser\" (lab), WORKERS=2 and TEST_ARGS=\"tests/physics\" (test), PYTHON=python3.12"

environment: ## Create or update .venv with eiwork and all its extras.
	@./scripts/environment.sh

lab: environment ## Open JupyterLab on the first lesson, at 127.0.0.1 with a token (LAB_ARGS="--no-browser").
	@$(BIN)/eiwork lab -- $(LAB_ARGS)

lint: environment ## Check style and types (ruff and mypy).
	@$(MAKE) --no-print-directory _style _types

test: environment ## Run every check and every test: style, types, package, lessons, browser.
	@$(MAKE) --no-print-directory _style
	@./scripts/debian_packages.sh chromium || echo "eiwork: without Chromium the browser tests are left out."
	@$(MAKE) --no-print-directory --jobs=2 _types $(if $(TEST_ARGS),,_lessons)
	$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile \
	  --no-loadscope-reorder $(TEST_ARGS)

_style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Side by side in `make test`: checking the types keeps one processor busy for a minute.
_types:
	$(BIN)/mypy

_lessons:
	-$(ONE_THREAD) $(BIN)/python -m book.builder notebooks --fast --jobs=$(WORKERS)

notebooks: environment ## Run the lessons in fast mode; executed copies go to build/notebooks.
	$(ONE_THREAD) $(BIN)/python -m book.builder notebooks --fast --jobs=$(WORKERS)

book: notebooks ## Build the book from the executed lessons into build/book.
	$(BIN)/python -m book.builder book

clean: ## Remove what was built and the caches; the environment stays (remove it with rm -rf .venv).
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -path ./.venv -prune -o -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

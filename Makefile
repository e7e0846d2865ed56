# Everything a developer does. Prerequisites: python3 (3.11 or newer) and make; each target builds what it needs.

PYTHON ?= python3
BIN := .venv/bin
PIP_FLAGS := --quiet --disable-pip-version-check
# What tests need; ray, py3langid and together where they are pinned: one is large, the others want newer packages than
# the lowest.
EXTRAS := langchain,llama-index,serve,tokens
TESTS := -m pytest --numprocesses auto
SOURCES := src tests examples benchmarks
LOCAL := $(wildcard tests/restyle/test_local_*.py) $(addprefix tests/restyle/test_, cli_train.py loss_plot.py templates.py training_report.py)
CONTRACT := tests/contract tests/contract_llama tests/parity

.DEFAULT_GOAL := help
.PHONY: help demo test test-local test-lowest test-newest test-contract lint types format benchmarks constraints clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: .venv/.demo  ## the whole job on the demonstration corpus
	$(BIN)/restyle demo

test: .venv/.dev  ## all tests
	$(BIN)/python $(TESTS)

test-local: .venv-local/.dev  ## tests of training on this machine: templates, TRL, plots
	.venv-local/bin/python $(TESTS) $(LOCAL)

test-lowest: .venv-lowest/.dev  ## all tests on the lowest supported versions
	.venv-lowest/bin/python $(TESTS)

test-newest: .venv-newest/.dev  ## what frameworks are promised, on their newest versions
	.venv-newest/bin/python $(TESTS) $(CONTRACT)

test-contract: .venv-lowest/.dev test-newest  ## the same on both ends of their versions
	.venv-lowest/bin/python $(TESTS) $(CONTRACT)

lint: .venv/.dev  ## ruff
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: .venv/.dev  ## mypy, strict; tests/typing uses the public API as a user would
	$(BIN)/mypy
	$(BIN)/mypy tests/typing

format: .venv/.dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

benchmarks: .venv/.dev  ## one command per promise; each prints its figures
	for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

constraints: .venv/.dev  ## write the versions that are installed now to requirements/constraints.txt
	$(BIN)/pip freeze --exclude-editable | grep -vE '^(pip|setuptools)==' > requirements/constraints.txt

clean:  ## remove the environments and caches
	rm -rf .venv .venv-local .venv-lowest .venv-newest .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/.pip:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install $(PIP_FLAGS) --upgrade 'pip>=25.1'
	touch $@

.venv/.demo: .venv/.pip pyproject.toml requirements/constraints.txt
	$(BIN)/pip install $(PIP_FLAGS) --constraint requirements/constraints.txt --editable '.[$(EXTRAS)]'
	touch $@

.venv/.dev: .venv/.demo
	$(BIN)/pip install $(PIP_FLAGS) --constraint requirements/constraints.txt --editable '.[language,ray,together]' --group test --group lint
	touch $@

# torch by itself, first: pip then takes the build for CPUs where there is one.
.venv-local/.dev: pyproject.toml requirements/constraints.txt requirements/local.txt
	$(PYTHON) -m venv .venv-local
	.venv-local/bin/pip install $(PIP_FLAGS) --upgrade 'pip>=25.1'
	.venv-local/bin/pip install $(PIP_FLAGS) --constraint requirements/local.txt torch
	.venv-local/bin/pip install $(PIP_FLAGS) --constraint requirements/constraints.txt --constraint requirements/local.txt --editable '.[local,plot,$(EXTRAS)]' --group test
	touch $@

.venv-lowest/.dev: pyproject.toml requirements/lowest.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install $(PIP_FLAGS) --upgrade 'pip>=25.1'
	.venv-lowest/bin/pip install $(PIP_FLAGS) --constraint requirements/lowest.txt --editable '.[$(EXTRAS)]' --group test
	touch $@

# Without constraints: the newest versions that pip finds to fit together.
.venv-newest/.dev: pyproject.toml
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/pip install $(PIP_FLAGS) --upgrade 'pip>=25.1'
	.venv-newest/bin/pip install $(PIP_FLAGS) --upgrade --upgrade-strategy eager --editable '.[$(EXTRAS)]' --group test
	touch $@

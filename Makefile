# Two commands do everything on a fresh machine with Python 3.10 or newer: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check lint layers types format claims id-given bench docs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A stamp is a file whose age says when the environment last matched pyproject.toml.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "ganaug needs Python 3.10 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -e '.[dev]'
	@touch $(VENV)/.installed $@

demo: $(VENV)/.installed  ## from nothing to a report on embedded data
	$(BIN)/ganaug demo -o ganaug-demo

test: check  ## everything that must hold: lint, layers, types, tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: lint layers types  ## lint, layers and types, without the tests

lint: $(VENV)/.installed-dev  ## style and common mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

layers: $(VENV)/.installed-dev  ## who may import whom
	$(BIN)/lint-imports

types: $(VENV)/.installed-dev  ## static types of core, study and audit
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## rewrite the files in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

claims: id-given $(VENV)/.installed  ## a paper's claims, minutes: make claims ID=acgan
	$(BIN)/python -m claims.$(ID)

id-given:
	@test -n "$(ID)" || { echo "name the system: make claims ID=acgan"; exit 2; }

bench: $(VENV)/.installed-dev  ## speed against peers, as JSON lines
	@for script in benchmarks/[!_]*.py; do $(BIN)/python "$$script" || exit 1; done

docs: $(VENV)/.installed  ## one page a system, in build/docs
	$(BIN)/python docs/build.py

clean:  ## remove what was built or cached; the environment stays
	rm -rf build dist ganaug-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests docs claims benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

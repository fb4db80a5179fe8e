PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# one thread a process: the tests run in as many processes as there are cores
RUN := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: demo test test-all check docs docs-lab format clean
# for docs-lab: CIFAR10=path measures the claims that name CIFAR-10 on it, and on digits without

demo: $(VENV)/.ready  ## Set up, and take the embedded data through the whole procedure.
	$(BIN)/babysit train digits

test: $(VENV)/.ready  ## The tests and the examples in docstrings.
	$(RUN) $(BIN)/pytest -n auto

test-all: $(VENV)/.ready  ## The slow tests too.
	$(RUN) $(BIN)/pytest -n auto -m "" --hypothesis-profile thorough

check: $(VENV)/.ready docs  ## Style, types, layering, documentation.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: $(VENV)/.ready  ## Generate the rule pages and build the site; a broken link fails.
	$(BIN)/python -m babysit.rules._pages docs/rules
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-lab: $(VENV)/.ready  ## Run the lab in full (some 20 minutes) and write its pages of the documentation.
	$(RUN) $(BIN)/babysit lab --out lab $(if $(CIFAR10),--data cifar10=$(CIFAR10))
	$(BIN)/python -m babysit.report.lab_docs lab docs/lab

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) site docs/rules .mypy_cache .ruff_cache .import_linter_cache

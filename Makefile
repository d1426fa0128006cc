# From a fresh clone with nothing but Python and make: `make demo`, `make test`.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
BIN    := $(VENV)/bin
UV     := $(shell uv --version >/dev/null 2>&1 && echo uv)
PIP    := $(if $(UV),uv pip install --quiet --compile-bytecode --python $(BIN)/python,$(BIN)/python -m pip install --quiet)
# What pip does for other packages: a start takes a tenth of a second less.
COMPILE := $(BIN)/python -m compileall -q client endpoint fitting_core
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

.PHONY: help demo test test-all coverage lint format bench docs schema clean

help:  ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "fitloom needs Python 3.11 or newer, and '$(PYTHON)' is not: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@echo "making $(VENV) ..."
	@$(if $(UV),uv venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV),$(PYTHON) -m venv $(VENV))

# A stamp is newer than what it was installed from, so that a second call installs nothing.
$(VENV)/.fitloom: pyproject.toml | $(BIN)/python
	@echo "installing fitloom into $(VENV) ..."
	@$(PIP) --editable '.[web]'
	@$(COMPILE)
	@touch $@

$(VENV)/.fitloom-dev: pyproject.toml | $(BIN)/python
	@echo "installing fitloom and what its tests need into $(VENV) ..."
	@$(PIP) --editable '.[lint]'
	@$(COMPILE)
	@touch $@ $(VENV)/.fitloom

demo: $(VENV)/.fitloom  ## fit a generated signal grid and draw its exclusion contour
	@rm -rf demo
	@$(BIN)/fitloom run demo --output demo --plot demo/contour.png
	@echo
	@echo "The contour: $(CURDIR)/demo/contour.png"
	@echo "Look at the points live: $(BIN)/fitloom dashboard demo"

test: $(VENV)/.fitloom-dev  ## everything that is quick
	$(PYTEST) -m "not heavy" $(ARGS)

test-all: $(VENV)/.fitloom-dev  ## every test
	$(PYTEST) $(ARGS)

coverage: $(VENV)/.fitloom-dev  ## every test, and which lines they reach
	$(PYTEST) --cov --cov-report=term --cov-report=html $(ARGS)

lint: $(VENV)/.fitloom-dev  ## style, types, layers, shell scripts, YAML
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --diff .
	$(BIN)/mypy
	$(BIN)/lint-imports
	git ls-files -z '*.sh' .ci/run | xargs -0 -r $(BIN)/shellcheck
	git ls-files -z '*.yml' '*.yaml' '*.cff' | xargs -0 -r $(BIN)/yamllint --strict

format: $(VENV)/.fitloom-dev  ## mend what can be mended by itself
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

bench: $(VENV)/.fitloom-dev  ## speed and memory beside pyhf and ROOT
	$(BIN)/python tests/benchmarks/run.py $(ARGS)

docs: $(VENV)/.fitloom-dev  ## the documentation, in docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The documentation: $(CURDIR)/docs/_build/html/index.html"

schema: $(VENV)/.fitloom-dev  ## write the generated reference pages again
	$(BIN)/python docs/generate.py

clean:  ## forget what was built (keeps the environment)
	rm -rf docs/_build demo bench.json htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache

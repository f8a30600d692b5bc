PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: quickstart test lint clean

# What is installed is named by a stamp, so that a second call starts at once.
$(VENV)/.quickstart: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[train,retro]'
	touch $@

$(VENV)/.test: $(VENV)/.quickstart
	$(BIN)/python -m pip install --quiet -e '.[test]'
	$(BIN)/massivetext assets get lid.176.ftz
	touch $@

$(VENV)/.lint: $(VENV)/.quickstart
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

quickstart: $(VENV)/.quickstart ## real pages to a trained toy model, a retrieval database and a report
	$(BIN)/massivetext quickstart

test: $(VENV)/.test ## everything that needs no accelerator; SLOW=1 adds the long ones
	$(BIN)/python -m pytest $(if $(SLOW),-m "slow or not slow",-m "not slow")

lint: $(VENV)/.lint ## format, lint, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

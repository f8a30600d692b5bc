PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LANGID ?= ../shared/data/langid
PEERS := $(patsubst tests/benchmarks/contenders/%.txt,.venv-bench/%/.ready,$(wildcard tests/benchmarks/contenders/*.txt))

.PHONY: quickstart test bench lint clean

# uv installs in seconds what takes pip a minute; pip is there for who has a mirror that only pip is told of.
install = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -e '.[$(1)]' \
  || $(BIN)/python -m pip install --quiet -e '.[$(1)]'
comma := ,# written so where it does not part the arguments of a call

# What is installed is named by a stamp, so that a second call starts at once.
$(VENV)/.uv: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	touch $@

$(VENV)/.quickstart: $(VENV)/.uv
	$(call install,train$(comma)retro)
	touch $@

$(VENV)/.test-tools: $(VENV)/.quickstart
	$(call install,test)
	touch $@

$(VENV)/.test: $(VENV)/.test-tools
	$(BIN)/massivetext assets get lid.176.ftz
	touch $@

# What the others install is among it: they have nothing left to do.
$(VENV)/.lint: $(VENV)/.uv
	$(call install,dev)
	touch $(VENV)/.quickstart $(VENV)/.test-tools $@

# Each peer has its own environment: they pin NumPy and lxml as they like.
.venv-bench/%/.ready: tests/benchmarks/contenders/%.txt $(VENV)/.test
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) $(@D)
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python -r $<
	touch $@

quickstart: $(VENV)/.quickstart ## real pages to a trained toy model, a retrieval database and a report
	$(BIN)/massivetext quickstart

test: $(VENV)/.test ## everything that needs no accelerator; SLOW=1 adds the long ones
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(if $(SLOW),-m "slow or not slow",-m "not slow")

bench: $(PEERS) ## our speed beside the peers', same run, same input; minutes
	$(BIN)/python tests/benchmarks/bench_filters.py $(DOCUMENTS)
	$(BIN)/python tests/benchmarks/bench_stage.py $(DOCUMENTS)
	$(BIN)/python tests/benchmarks/bench_warc.py $(WARC)
	$(BIN)/python tests/benchmarks/bench_extraction.py
	$(BIN)/python tests/benchmarks/bench_language.py $(LANGID) --documents $(or $(DOCUMENTS),$(LANGID)/../bench/documents.parquet)
	$(BIN)/python tests/benchmarks/agreement.py $(DOCUMENTS)

lint: $(VENV)/.lint ## format, lint, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache

PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= aer,tensor,bench,registry,dev

.PHONY: install demo test check mutants bench bundle clean help

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-9s %s\n", $$1, $$2}'

install: .venv/installed ## .venv with everything in it

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "qualm needs Python 3.11 or newer; set PYTHON=python3.x")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	$(BIN)/python -m models.warm_up
	touch $@

demo: install ## embedded broker, simulated services, a real worker, live alerts
	$(BIN)/qualm demo

test: install ## everything that can be tested on this machine
	$(BIN)/python -m pytest

check: install ## ruff and strict mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

mutants: install ## break important lines one by one and see whether a test notices; docs/testing.md
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS),mutants]'
	ulimit -v 12582912; OMP_NUM_THREADS=1 $(BIN)/mutmut run
	$(BIN)/mutmut results

bench: install ## measure circuits, readouts and the stream on this machine
	$(BIN)/qualm bench circuits
	$(BIN)/qualm bench readout
	$(BIN)/qualm bench stream

# From simulated services alone: same seeds, same bundle.
bundle: install ## train the default bundle again
	mkdir -p build
	$(BIN)/qualm simulate --seed 101 --duration 3600 --out build/simulated.jsonl.gz
	$(BIN)/qualm train build/simulated.jsonl.gz --cold --seed 1 --out models/default_bundle

clean: ## remove what make made
	rm -rf .venv build mutants

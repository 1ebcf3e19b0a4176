PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= aer,tensor,dev

.PHONY: install demo test check bench bundle clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "qualm needs Python 3.11 or newer; set PYTHON=python3.x")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	$(BIN)/python -m models.warm_up
	touch $@

demo: install
	$(BIN)/qualm demo

test: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/qualm bench circuits
	$(BIN)/qualm bench readout
	$(BIN)/qualm bench stream

# The default bundle, from simulated services alone: same seeds, same bundle.
bundle: install
	$(BIN)/qualm simulate --seed 101 --duration 3600 --out build/simulated.jsonl.gz
	$(BIN)/qualm train build/simulated.jsonl.gz --cold --seed 1 --false-alarm-rate 0.0003 --out models/default_bundle

clean:
	rm -rf .venv build

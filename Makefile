# Each target makes its own virtual environment first, with what it needs. A fresh Debian or Ubuntu machine needs
# python3-venv, g++ and make, then exactly two commands: make run, make test.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY_RUN := $(VENV)/.ready-run
READY := $(VENV)/.ready
READY_BENCH := $(VENV)/.ready-bench
RUN := runs/python-$(shell date +%Y%m%d-%H%M%S)

.PHONY: run quickstart test test-long test-all bench lint types docs clean
.DELETE_ON_ERROR:

run: $(READY_RUN)  ## a tour of a minute, then the studio in a browser; ONCE=1 or no terminal: the tour and tour.html
	$(BIN)/rondo tour --then-studio

quickstart: $(READY_RUN)  ## train a character model on the standard library's own source, then sample from it
	$(BIN)/rondo train text --out $(RUN)
	$(BIN)/rondo sample $(RUN) --prime "def "

test: $(READY)  ## the fast tests, in parallel; ends with one screen of what was shown
	$(BIN)/python -m pytest -q -n 2

test-long: $(READY)  ## the long grids alone
	$(BIN)/python -m pytest -q -n 2 -m long --hypothesis-profile=long

test-all: $(READY)  ## also the long grids
	$(BIN)/python -m pytest -q -n 2 -m "long or not long" --hypothesis-profile=long

bench: $(READY_BENCH)  ## speed beside torch.nn, correctness checked first
	$(BIN)/python -m benchmarks.run

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

docs: $(READY)  ## docs/cells.md: equations and derived BPTT of every shipped cell
	$(BIN)/python docs/cells.py

clean:
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY_RUN): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "rondo needs Python 3.11 or newer as $(PYTHON): apt install python3 (or: make PYTHON=python3.12)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "rondo needs Python's venv module: apt install python3-venv"; exit 1; }
	@command -v $${CXX:-g++} >/dev/null || { echo "rondo needs a C++ compiler: apt install g++"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[verse,english,charts,music,captions,speech,video,class]"
	@touch $@

$(READY): $(READY_RUN)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

$(READY_BENCH): $(READY)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[bench]"
	@touch $@
